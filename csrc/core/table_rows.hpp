// Rows of a table of scores (chrom, pos, ref, alt, numbers): which one is an allele's, and its numbers. Knows no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dnabert {

/// What a table holds of an allele.
enum class TableHit : uint8_t {
    absent = 0,     // no row at its position
    found = 1,      // its row
    other_alt = 2,  // rows of its REF, without its ALT
    other_ref = 3,  // rows of another REF
};

/// The column from `at` to the next tab, behind which `at` moves; empty where the line has ended.
std::string_view table_cell(std::string_view line, size_t& at);

/// Whether two texts are the same but for the case of letters.
bool same_bases(std::string_view one, std::string_view other);

/// The position, from 1, of an allele's row: the base before an insertion or deletion, else the first that changes. An
/// insertion or deletion at a contig's start has the base behind it in place of the one before (VCF 4.3, 1.6.1, REF).
inline int64_t row_position(int64_t start, size_t deleted, size_t inserted) {
    return start + (start == 0 || (deleted == 0) == (inserted == 0));
}

/// The rows of a position.
class TableRows {
  public:
    void clear();
    /// Adds a row.
    void hold(std::string_view line);

    /// What is held of the allele that changes from `start` on (from 0); found, its first row is what `numbers` reads.
    TableHit match(int64_t start, std::string_view deleted, std::string_view inserted);

    /// Numbers of the row that was found last: values[c * n + at] of column `columns[c]`, which ascend from 4 on, NaN
    /// for a number that is not known. Returns what is wrong with the row, empty where nothing is.
    std::string numbers(std::span<const int32_t> columns, const std::vector<std::string>& names,
                        std::span<float> values, size_t at, size_t n) const;

  private:
    std::string text_;          // the rows, one after the other
    std::vector<size_t> rows_;  // where each ends
    std::string_view rest_;     // of the row that was found, behind ALT
};

}  // namespace dnabert
