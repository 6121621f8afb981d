// The text of a BGZF file from any block on, and where blocks begin. Knows nothing of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/inflate.hpp"
#include "core/number.hpp"

namespace dnabert {

/// The bytes of a file as they are stored. They are read: to map a page in order to look at it once takes longer.
class StoredFile {
  public:
    /// Opens the file; FormatError when it cannot be opened or is not a regular file.
    explicit StoredFile(const std::string& path);
    ~StoredFile();
    StoredFile(const StoredFile&) = delete;
    StoredFile& operator=(const StoredFile&) = delete;

    const std::string& path() const { return path_; }
    size_t size() const { return size_; }

    /// Reads the bytes from `at` on, which there must be.
    void read(size_t at, std::span<uint8_t> into) const;

  private:
    std::string path_;
    int fd_ = -1;
    size_t size_ = 0;
};

/// Text from a virtual offset on, inflated as far as it is asked for. Raises FormatError for a block that is broken;
/// its checksum is compared when all of it was inflated.
class BlockText {
  public:
    /// The file must outlive the text.
    explicit BlockText(const StoredFile& file) : file_(file) {}

    /// The begin of the block in which byte `goal` lies. `floor` is the begin of a block at or before it; where that is
    /// far, blocks are counted from one near `goal` that is known by its head, so that what lies between is not read.
    /// `size` is about that of a block. Where a block is broken, its begin. The text is gone then: `open` has to
    /// follow.
    size_t block_of(size_t goal, size_t floor, size_t size);

    /// Goes to a virtual offset; inflates nothing.
    void open(uint64_t virtual_offset);

    /// What is inflated, from the cursor on.
    std::string_view text() const {
        return {reinterpret_cast<const char*>(buffer_.data()) + at_, at_ < end_ ? end_ - at_ : 0};
    }
    /// Moves the cursor behind text that is inflated, or to its end.
    void skip(size_t bytes) { at_ = std::min(at_ + bytes, std::max(at_, end_)); }

    /// Inflates so many bytes more, less at the end of the block, or begins the next one; false at the end of the file.
    /// What `text` gave before is of no use then, unless it was of the same block.
    bool more(size_t bytes);
    /// Sees to it that so many bytes are inflated from the cursor on, as far as the block goes.
    void reach(size_t bytes);

    /// The line at the cursor without its end; false at the end of the file.
    bool line(std::string_view& line);

    /// Where the block begins that the end of the text is in, where the next one does, and how long its text is.
    size_t block() const { return block_; }
    size_t next() const { return next_; }
    size_t size() const { return size_; }
    /// Bytes of that block that are not inflated.
    size_t left() const { return size_ - done_; }
    /// Bytes from the cursor to the end of that block.
    size_t ahead() const { return base_ + size_ - at_; }

  private:
    std::span<const uint8_t> stored(size_t at, size_t count);
    size_t stored_size(size_t at);
    size_t next_head(size_t from, size_t to);
    void enter(size_t block, size_t base);
    [[noreturn]] void damaged() const;

    const StoredFile& file_;
    Bytes window_;  // bytes of the file, where they begin in it, and how many there are
    size_t window_at_ = 0;
    size_t window_size_ = 0;
    size_t step_ = 0;  // how many were read last
    size_t block_ = 0;
    size_t next_ = 0;
    size_t size_ = 0;
    uint32_t crc_ = 0;
    size_t done_ = 0;  // bytes of the block that are inflated
    Inflate inflate_;
    Bytes buffer_;     // what was left of the block before, then this block, whole for matches to reach back to
    size_t base_ = 0;  // where the block begins in it
    size_t at_ = 0;    // the cursor; behind `end_` where the text begins further on
    size_t end_ = 0;
};

}  // namespace dnabert
