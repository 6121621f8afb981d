#include "core/block_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr size_t kFooter = 8;  // CRC32 and ISIZE
constexpr size_t kHead = 18;   // bytes of a block that tell its size, as every program writes them
constexpr size_t kLongest = 1 << 16;
constexpr size_t kLeastRead = 1 << 12;
constexpr size_t kMostRead = 1 << 17;
constexpr size_t kStep = 256;  // bytes inflated at a time, in search of the end of a line
constexpr size_t kNone = SIZE_MAX;

uint32_t little(const uint8_t* at, int bytes) {
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

}  // namespace

StoredFile::StoredFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail(path_, std::string("cannot be opened: ") + std::strerror(errno));
    struct stat status{};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd_);
        fail(path_, "is not a file");
    }
    size_ = static_cast<size_t>(status.st_size);
}

StoredFile::~StoredFile() {
    ::close(fd_);
}

void StoredFile::read(size_t at, std::span<uint8_t> into) const {
    while (!into.empty()) {
        const ssize_t got = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(path_, std::string("cannot be read: ") + std::strerror(errno));
        if (got == 0) fail(path_, "has become shorter while it was read");
        at += static_cast<size_t>(got);
        into = into.subspan(static_cast<size_t>(got));
    }
}

/// Bytes of the file, fewer at its end; good until the next call.
std::span<const uint8_t> BlockText::stored(size_t at, size_t count) {
    if (at >= file_.size()) return {};
    count = std::min(count, file_.size() - at);
    if (at < window_at_ || at + count > window_at_ + window_size_) {
        // What goes on from the bytes before is read in ever larger steps, what lies elsewhere in small ones.
        const bool onward = at >= window_at_ && at <= window_at_ + window_size_;
        step_ = onward ? std::min(2 * step_, kMostRead) : kLeastRead;
        const size_t size = std::min(std::max(count, step_), file_.size() - at);
        if (window_.size() < size) window_.resize(size);
        window_size_ = 0;
        file_.read(at, {window_.data(), size});
        window_at_ = at;
        window_size_ = size;
    }
    return {window_.data() + (at - window_at_), count};
}

/// Bytes of the block at `at`, 0 where no whole one is.
size_t BlockText::stored_size(size_t at) {
    auto head = stored(at, kHead);
    size_t size = bgzf_size(head.data(), head.size());
    if (size == 0 && head.size() == kHead) {  // other fields may stand before the one that has the size
        head = stored(at, kLongest);
        size = bgzf_size(head.data(), head.size());
    }
    return at < file_.size() && size <= file_.size() - at ? size : 0;
}

/// The first block that begins in [from, to], told by the head that every program writes and by the block behind it.
size_t BlockText::next_head(size_t from, size_t to) {
    constexpr std::string_view begin("\x1f\x8b\x08\x04", 4);
    constexpr std::string_view extra("\x06\0BC\x02\0", 6);
    while (from <= to) {
        const auto bytes = stored(from, to - from + kHead);
        const auto* found = static_cast<const uint8_t*>(std::memchr(bytes.data(), begin[0], to - from + 1));
        if (!found) return kNone;
        const auto at = static_cast<size_t>(found - bytes.data());
        from += at;
        if (bytes.size() - at >= kHead && std::memcmp(found, begin.data(), begin.size()) == 0 &&
            std::memcmp(found + 10, extra.data(), extra.size()) == 0) {
            const size_t size = stored_size(from);
            if (size > 0 && (from + size == file_.size() || stored_size(from + size) > 0)) return from;
        }
        ++from;
    }
    return kNone;
}

size_t BlockText::block_of(size_t goal, size_t floor, size_t size) {
    size_t at = kNone;
    for (size_t back = size + 64; at == kNone; back *= 2) {
        at = goal - floor <= 4 * back ? floor : next_head(goal - back, goal);
    }
    for (;;) {
        const size_t whole = stored_size(at);
        if (whole == 0 || at + whole > goal) return at;
        at += whole;
    }
}

void BlockText::open(uint64_t virtual_offset) {
    enter(static_cast<size_t>(virtual_offset >> 16), 0);
    const auto within = static_cast<size_t>(virtual_offset & 0xffff);
    if (within > size_) fail(file_.path(), "its index is of another file; index it anew: tabix -f -s1 -b2 -e2");
    at_ = within;
    end_ = 0;
}

/// Begins a block, the text of which goes to `base` of the buffer.
void BlockText::enter(size_t block, size_t base) {
    block_ = block;
    const size_t whole = stored_size(block);
    const auto bytes = stored(block, whole);
    const size_t head = whole == 0 ? 0 : 12 + static_cast<size_t>(little(bytes.data() + 10, 2));
    if (whole == 0 || whole < head + kFooter) damaged();
    next_ = block + whole;
    crc_ = little(bytes.data() + whole - 8, 4);
    size_ = little(bytes.data() + whole - 4, 4);
    if (size_ > kLongest) damaged();
    done_ = 0;
    base_ = base;
    inflate_.open(bytes.subspan(head, whole - head - kFooter));
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
    if (done_ == size_ && crc32(0, buffer_.data() + base_, static_cast<uInt>(size_)) != crc_) damaged();
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
    fail(file_.path(), "has no whole BGZF block at byte " + std::to_string(block_) +
                           ": it is damaged, or its index is of another file; index it anew, or copy it again");
}

}  // namespace dnabert
