// Alleles against bases: windows with REF replaced by ALT, REF checks, trimming, left-alignment. Knows no VCF text.
#pragma once

#include <cstdint>
#include <span>

namespace dnabert {

/// n byte strings end to end: string i is bytes[offsets[i], offsets[i+1]).
struct Strings {
    std::span<const uint8_t> bytes;
    std::span<const int64_t> offsets;  // n + 1, ascending from 0 to bytes.size()

    /// Throws std::invalid_argument, naming `what`, unless the offsets are sound.
    void check(const char* what) const;
    int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
    std::span<const uint8_t> operator[](int64_t i) const {
        return bytes.subspan(offsets[i], offsets[i + 1] - offsets[i]);
    }
};

/// out = bases[starts[i], ends[i]) end to end; spans may overlap and come in any order. `out` has their total length.
void copy_spans(std::span<const uint8_t> bases, std::span<const int64_t> starts, std::span<const int64_t> ends,
                std::span<uint8_t> out);

/// Row i of `out`: span[:at] + alt + span[at+deleted:], cut to length[i], filled with N on the right where short. Bytes
/// are copied as they are. `out` has sum(length) bytes; at must lie in the span, deleted may reach beyond its end.
void edit_windows(const Strings& spans, std::span<const int64_t> at, std::span<const int64_t> deleted,
                  const Strings& alt, std::span<const int64_t> length, std::span<uint8_t> out, int threads);

/// agrees[i]: 1 where REF i is the genome's bases i letter by letter, in any case, U as T. A two- or three-base IUPAC
/// code of the genome also agrees with its alphabetically first base, as VCF 4.3 section 1.6.1 has REF written; N
/// agrees with N alone.
void match_reference(const Strings& genome, const Strings& ref, std::span<uint8_t> agrees);

/// prefix[i]: the letters (any case) that REF i and ALT i share at the left; suffix[i]: those that the rest shares at
/// the right. Either allele may be trimmed to nothing.
void trim(const Strings& ref, const Strings& alt, std::span<int32_t> prefix, std::span<int32_t> suffix);

/// shift[i]: how far to the left a trimmed pure insertion or deletion may be moved in `flank`, the bases that precede
/// it, without changing the edited sequence; hit_edge[i] is 1 where the flank ended first. 0 where neither or both of
/// REF and ALT are empty. The rule is that of Tan, Abecasis and Kang (2015) and of bcftools norm.
void left_align(const Strings& flank, const Strings& ref, const Strings& alt, std::span<int64_t> shift,
                std::span<uint8_t> hit_edge);

/// out = the reverse complement of each string, in place of it: IUPAC codes too, case kept.
void reverse_complement(const Strings& strings, std::span<uint8_t> out);

}  // namespace dnabert
