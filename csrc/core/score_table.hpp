// Scores of alleles in a sorted, indexed table (BGZF text: chrom, pos, ref, alt, numbers), read forward along a contig.
// Knows nothing of VCF, and of what the numbers mean.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/block_text.hpp"
#include "core/table_index.hpp"
#include "core/table_rows.hpp"

namespace dnabert {

/// A table that is searched in the order of its rows. One thread at a time.
///
/// Rows are in normal form: alleles trimmed and moved left, one base before those of insertions and deletions. Raises
/// FormatError for a table that is not BGZF, cut off, without the columns chrom, pos, ref and alt, or out of order.
class ScoreTable {
  public:
    /// Opens the table and its index; an empty name of the index stands for one that is missing.
    ScoreTable(const std::string& path, const std::string& index);
    ~ScoreTable();

    /// All lines that begin with '#', as they are.
    const std::string& header() const { return header_; }
    /// The names of the columns, without the '#'.
    const std::vector<std::string>& columns() const { return columns_; }
    const std::vector<TableIndex::Contig>& contigs() const { return index_.contigs; }

    struct Alleles {
        std::span<const int64_t> start;    // 0-based: the first base that changes
        std::span<const uint8_t> deleted;  // allele i: [deleted_offsets[i], deleted_offsets[i + 1])
        std::span<const int64_t> deleted_offsets;
        std::span<const uint8_t> inserted;
        std::span<const int64_t> inserted_offsets;
    };

    /// Numbers of the first row of each allele on a contig: values[c * n + i] of column `columns[c]` for allele i, NaN
    /// where there is none, and hits[i]. Alleles ascend by the position of their rows (`row_position`), else
    /// std::invalid_argument; one that lies before those of the last call is sought anew.
    void find(size_t contig, const Alleles& alleles, std::span<const int32_t> columns, std::span<float> values,
              std::span<uint8_t> hits);

  private:
    void read_header();
    void begin(size_t contig);
    void seek(size_t tile);
    void advance(int64_t position);
    bool reaches(int64_t position) const;
    void jump(int64_t position, int guesses);
    int64_t head_of(size_t block);
    size_t limit(size_t tile, int64_t& beyond) const;
    void learn(size_t offset, int64_t position);
    double expected(int64_t position) const;
    bool position_of(std::string_view line, int64_t& position) const;
    std::string place(int64_t position) const;

    std::string path_;
    StoredFile file_;
    TableIndex index_;
    std::string header_;
    std::vector<std::string> columns_;

    std::unique_ptr<BlockText> text_;   // from the cursor on: no row that is still asked for lies before it
    std::unique_ptr<BlockText> probe_;  // a block behind, of which the head was seen
    size_t probed_ = SIZE_MAX;          // where it begins; SIZE_MAX for none
    int64_t head_ = 0;                  // position of its first row

    size_t contig_ = SIZE_MAX;
    std::string chrom_;  // name of the contig, and a tab
    size_t behind_ = 0;  // where the block ends that the first row of the next contig may be in
    bool ended_ = false;
    int64_t last_ = 0;  // position of the last row that was read
    int64_t from_ = 0;  // a position that is about at the cursor
    double pace_ = 0;   // bytes of the file a position takes, 0 where that is not known
    size_t mark_ = 0;   // a block from which that is counted, and the position of its first row, -1 for none
    int64_t marked_ = -1;
    int64_t held_at_ = -1;  // the position whose rows are held
    TableRows held_;
};

}  // namespace dnabert
