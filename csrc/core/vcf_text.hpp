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

/// Reads the header and then records in order, from a plain, gzip or BGZF file or standard input. One thread at a time.
/// Raises FormatError for a file that is empty, not VCF, or without a header that ends in a #CHROM line.
class VcfText {
  public:
    explicit VcfText(const std::string& path);

    /// Everything before the first record, as it is.
    std::string_view header() const { return header_; }

    /// Up to max_records whole lines, and no more lines after 64 MiB, so that wide sample columns cannot fill the
    /// memory; the view is valid until the next call. False at the end. first_line counts from 1.
    bool next(size_t max_records, std::string_view& text, int64_t& first_line);

    const std::string& path() const { return source_.path(); }

    /// Bytes taken from the file so far, as stored.
    uint64_t taken() const { return source_.taken(); }

  private:
    bool more();
    size_t line_end(size_t from);
    void read_header();

    Source source_;
    Bytes buffer_;
    size_t at_ = 0;
    size_t end_ = 0;
    int64_t line_ = 1;
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
/// and line for a record with fewer than eight columns, an empty CHROM, REF or ALT, or a POS that is no number.
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
