// VCF as text, in whole lines, so that every byte can be passed through. Knows nothing of genomes, windows or scores.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/number.hpp"
#include "core/source.hpp"

namespace dnabert {

/// Whole lines of one section: number of the first one in the file, from 1, or 0 where nobody counted.
struct VcfLines {
    std::string_view text;
    int64_t first_line = 0;
    int64_t section = 0;
};

/// Reads the header and then records in order, from a plain, gzip or BGZF file or standard input. One thread at a time.
/// Raises FormatError for a file that is empty, not VCF, or without a header that ends in a #CHROM line.
///
/// A record belongs to the section of `section_bytes` bytes of text (see Sections) in which its first byte lies; the
/// header's bytes count.
class VcfText {
  public:
    VcfText(const std::string& path, int64_t section_bytes);

    /// Everything before the first record, as it is.
    std::string_view header() const { return header_; }

    /// Goes on to sections [first, end) and gives their records alone; `stored` and `within` as Sections has them for
    /// `first`. Sections must ascend. std::invalid_argument where they do not.
    void enter(int64_t first, int64_t end, int64_t stored, int64_t within);

    /// Up to max_records whole lines of one section, so that wide sample columns cannot fill the memory; the view is
    /// valid until the next call. False at the end.
    bool next(size_t max_records, VcfLines& lines);

    const std::string& path() const { return source_.path(); }

    /// Bytes taken from the file so far, as stored.
    uint64_t taken() const { return source_.taken(); }

  private:
    bool more();
    size_t line_end(size_t from);
    void read_header();
    void step(size_t bytes);
    bool only_blanks(size_t from);

    Source source_;
    Bytes buffer_;
    size_t at_ = 0;
    size_t end_ = 0;
    int64_t line_ = 1;  // 0 where nobody counted
    int64_t section_bytes_;
    int64_t offset_ = 0;        // of buffer_[at_] in the text
    int64_t stop_ = INT64_MAX;  // records start before this byte of the text
    std::string header_;
};

/// Where the columns of records stand in a text.
struct VcfColumns {
    /// n x 9: the first byte of CHROM, POS, ID, REF, ALT, QUAL, FILTER and INFO, and the end of INFO. A column ends one
    /// byte (its tab) before the next starts.
    std::vector<int64_t> columns;
    std::vector<int64_t> pos;  // n: POS as written, 1-based

    static constexpr size_t kWidth = 9;
    enum Column : size_t { chrom, position, id, ref, alt, qual, filter, info, info_end };
};

/// Splits records (VCF 4.3, section 1.6). A CR before the line's end is not part of INFO. Raises FormatError with path
/// and line (CHROM and POS where first_line is 0) for a record with fewer than eight columns, an empty CHROM, REF or
/// ALT, or a POS that is no number.
VcfColumns split_vcf(std::string_view text, int64_t first_line, std::string_view path);

enum class AlleleKind : uint8_t {
    bases = 0,      // A, C, G, T in any case
    star = 1,       // '*': deleted by an upstream record
    none = 2,       // '.': no ALT
    symbolic = 3,   // <DEL>, or a base and <contig>
    non_ref = 4,    // <NON_REF> or <*>
    breakend = 5,   // N[chr2:123[, or single: N. and .N
    ambiguous = 6,  // other IUPAC letters
    invalid = 7,
};

/// One row an ALT, in order; a record always has at least one.
struct VcfAlleles {
    std::vector<int32_t> record;
    std::vector<int64_t> start;
    std::vector<int64_t> end;
    std::vector<uint8_t> kind;
};

AlleleKind allele_kind(std::string_view alt);

/// `columns` as split_vcf gives them, nine values a record; std::invalid_argument when they do not belong to the text.
VcfAlleles split_alleles(std::string_view text, std::span<const int64_t> columns);

void check_columns(std::string_view text, std::span<const int64_t> columns);

/// The distinct CHROM values in order of first appearance, and for each record which one it has.
struct VcfContigs {
    std::vector<int32_t> code;
    std::vector<std::string> names;
};

VcfContigs vcf_contigs(std::string_view text, std::span<const int64_t> columns);

}  // namespace dnabert
