#include "core/block_text.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr size_t kFooter = 8;  // CRC32 and ISIZE
constexpr size_t kLongest = 1 << 16;
constexpr size_t kStep = 256;  // bytes inflated at a time, in search of the end of a line
constexpr size_t kNone = SIZE_MAX;

uint32_t little(const uint8_t* at, int bytes) {
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

/// Bytes of the block at `at`, 0 where no whole one is.
size_t stored_size(std::span<const uint8_t> file, size_t at) {
    if (at >= file.size()) return 0;
    const size_t size = bgzf_size(file.data() + at, file.size() - at);
    return size <= file.size() - at ? size : 0;
}

/// The first block that begins in [from, to], told by the head that every program writes and by the block behind it.
size_t next_head(std::span<const uint8_t> file, size_t from, size_t to) {
    constexpr std::string_view begin("\x1f\x8b\x08\x04", 4);
    constexpr std::string_view extra("\x06\0BC\x02\0", 6);
    while (from <= to) {
        const void* found = std::memchr(file.data() + from, begin[0], to - from + 1);
        if (!found) return kNone;
        const uint8_t* head = static_cast<const uint8_t*>(found);
        from = static_cast<size_t>(head - file.data());
        if (file.size() - from >= 18 && std::memcmp(head, begin.data(), begin.size()) == 0 &&
            std::memcmp(head + 10, extra.data(), extra.size()) == 0) {
            const size_t size = stored_size(file, from);
            if (size > 0 && (from + size == file.size() || stored_size(file, from + size) > 0)) return from;
        }
        ++from;
    }
    return kNone;
}

}  // namespace

size_t block_of(std::span<const uint8_t> file, size_t goal, size_t floor, size_t size) {
    size_t at = kNone;
    for (size_t back = size + 64; at == kNone; back *= 2) {
        at = goal - floor <= 4 * back ? floor : next_head(file, goal - back, goal);
    }
    for (;;) {
        const size_t stored = stored_size(file, at);
        if (stored == 0 || at + stored > goal) return at;
        at += stored;
    }
}

void BlockText::open(uint64_t virtual_offset) {
    enter(static_cast<size_t>(virtual_offset >> 16), 0);
    const auto within = static_cast<size_t>(virtual_offset & 0xffff);
    if (within > size_) fail(path_, "its index is of another file; index it anew: tabix -f -s1 -b2 -e2");
    at_ = within;
    end_ = 0;
}

/// Begins a block, the text of which goes to `base` of the buffer.
void BlockText::enter(size_t block, size_t base) {
    block_ = block;
    const size_t stored = stored_size(file_, block);
    const size_t head = stored == 0 ? 0 : 12 + static_cast<size_t>(little(file_.data() + block + 10, 2));
    if (stored == 0 || stored < head + kFooter) damaged();
    next_ = block + stored;
    size_ = little(file_.data() + next_ - 4, 4);
    if (size_ > kLongest) damaged();
    done_ = 0;
    base_ = base;
    inflate_.open(file_.subspan(block + head, stored - head - kFooter));
    if (buffer_.size() < base + size_ + Inflate::kSlack) buffer_.resize(base + kLongest + Inflate::kSlack);
}

bool BlockText::more(size_t bytes) {
    while (done_ == size_) {
        if (next_ >= file_.size()) return false;
        const size_t rest = text().size();
        std::memmove(buffer_.data(), buffer_.data() + at_, rest);
        enter(next_, rest);
        at_ = 0;
        end_ = rest;
    }
    const size_t hidden = at_ > end_ ? at_ - end_ : 0;
    const size_t goal = done_ + std::min(bytes + hidden, size_ - done_);
    const size_t got = inflate_.run(buffer_.data() + base_, done_, goal);
    if (got < goal || got > size_) damaged();
    done_ = got;
    end_ = base_ + done_;
    if (done_ == size_ &&
        crc32(0, buffer_.data() + base_, static_cast<uInt>(size_)) != little(file_.data() + next_ - 8, 4)) {
        damaged();
    }
    return true;
}

void BlockText::reach(size_t bytes) {
    const size_t there = text().size();
    if (there < bytes && done_ < size_) more(bytes - there);
}

bool BlockText::line(std::string_view& line) {
    for (size_t seen = 0;;) {
        const std::string_view all = text();
        const size_t stop = all.find('\n', seen);
        if (stop != std::string_view::npos) {
            line = all.substr(0, stop);
            return true;
        }
        seen = all.size();
        if (!more(kStep)) {
            line = text();
            return !line.empty();
        }
    }
}

void BlockText::damaged() const {
    fail(path_, "has no whole BGZF block at byte " + std::to_string(block_) +
                    ": it is damaged, or its index is of another file; index it anew, or copy it again");
}

}  // namespace dnabert
