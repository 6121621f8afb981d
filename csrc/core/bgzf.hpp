// Random access to a BGZF file through its block index (.gzi). Knows nothing of what the bytes mean.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped.hpp"

namespace dnabert {

/// Where a block starts, in the file and in the decompressed bytes.
struct BgzfBlock {
    int64_t stored;
    int64_t plain;
};

/// A BGZF file as if decompressed. A few blocks stay decompressed, so that neighbouring reads inflate a block once.
/// Raises FormatError for damaged or truncated files (SAM specification section 4.1: blocks, and the empty last block).
class BgzfFile : public RandomBytes {
  public:
    explicit BgzfFile(const std::string& path);

    /// Takes the text of a .gzi (bgzip's: count, then pairs of 64-bit offsets, the first block left out) as the block
    /// index; false when it cannot belong to this file.
    bool use_index(std::string_view gzi);
    /// Walks all block headers to make the block index.
    void make_index();
    /// The block index as the text of a .gzi.
    std::string index_text() const;

    int64_t size() const override { return size_; }
    const uint8_t* at(int64_t offset, size_t count, std::vector<uint8_t>& scratch) const override;

  private:
    struct Cached {
        size_t block = SIZE_MAX;
        uint64_t used = 0;
        std::vector<uint8_t> bytes;
    };

    bool walk(BgzfBlock from);
    int64_t stored_size(int64_t stored) const;
    const std::vector<uint8_t>& inflated(size_t block) const;

    std::string path_;
    MappedFile file_;
    std::vector<BgzfBlock> blocks_;
    int64_t size_ = 0;
    mutable std::mutex mutex_;  // guards the cache
    mutable std::vector<Cached> cache_;
    mutable uint64_t clock_ = 0;
};

}  // namespace dnabert
