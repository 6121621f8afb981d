// UCSC .2bit sequence archives, memory-mapped. Knows nothing of FASTA or of what lies outside a sequence.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/mapped.hpp"

namespace dnabert {

/// A .2bit file (UCSC genome browser, "twoBit sequence archives"): both byte orders, version 0 and version 1 (64-bit
/// offsets). N blocks read as 'N', mask blocks as lower case. Every offset is checked when the file is opened;
/// FormatError when something lies outside the file or the blocks are out of order.
class TwoBit {
  public:
    explicit TwoBit(const std::string& path);

    static bool recognises(std::span<const uint8_t> head);
    const std::vector<std::string>& names() const { return names_; }
    const std::vector<int64_t>& lengths() const { return lengths_; }

    /// Bases [start, end) of a sequence, which must lie inside it, to out.
    void read(size_t sequence, int64_t start, int64_t end, uint8_t* out) const;

  private:
    struct Blocks {
        size_t count = 0;
        size_t starts = 0;  // byte offsets of the two arrays of u32
        size_t sizes = 0;
    };
    struct Sequence {
        Blocks unknown;
        Blocks masked;
        size_t packed = 0;
    };

    uint64_t number(size_t at, int bytes = 4) const;
    void open_sequence(size_t offset, const std::string& name);
    Blocks open_blocks(size_t& at, int64_t length, const std::string& name) const;
    template <class Apply>
    void each_overlap(const Blocks& blocks, int64_t start, int64_t end, Apply apply) const;

    std::string path_;
    MappedFile file_;
    bool swapped_ = false;
    std::vector<std::string> names_;
    std::vector<int64_t> lengths_;
    std::vector<Sequence> sequences_;
};

}  // namespace dnabert
