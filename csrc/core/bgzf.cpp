#include "core/bgzf.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr size_t kHeader = 18;  // of a BGZF block whose only extra field is BC
constexpr size_t kFooter = 8;   // CRC32 and ISIZE
constexpr size_t kCachedBlocks = 32;
constexpr int64_t kMaxPlain = 1 << 16;

uint64_t little(const uint8_t* at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | at[i];
    return value;
}

void put_little(std::string& out, uint64_t value) {
    for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace

BgzfFile::BgzfFile(const std::string& path) : path_(path), file_(path), cache_(kCachedBlocks) {}

/// Bytes of the block at that place of the file; -1 when no whole block is there.
int64_t BgzfFile::stored_size(int64_t stored) const {
    const auto bytes = file_.bytes();
    const auto at = static_cast<size_t>(stored);
    if (stored < 0 || at > bytes.size()) return -1;
    const auto size = static_cast<int64_t>(bgzf_size(bytes.data() + at, bytes.size() - at));
    const bool whole = size >= static_cast<int64_t>(kHeader + kFooter) && stored + size <= file_.size();
    return whole ? size : -1;
}

/// Appends the blocks from `from` to the end of the file; false when a block is broken or the last one is not empty.
bool BgzfFile::walk(BgzfBlock from) {
    int64_t plain = -1;
    while (from.stored < file_.size()) {
        const int64_t size = stored_size(from.stored);
        if (size < 0) return false;
        plain = static_cast<int64_t>(little(file_.bytes().data() + from.stored + size - 4, 4));
        if (plain > kMaxPlain) return false;
        if (plain > 0) blocks_.push_back(from);
        from.stored += size;
        from.plain += plain;
    }
    size_ = from.plain;
    return plain == 0;
}

bool BgzfFile::use_index(std::string_view gzi) {
    blocks_.clear();
    const auto* data = reinterpret_cast<const uint8_t*>(gzi.data());
    if (gzi.size() < 8 || (gzi.size() - 8) % 16 != 0 || little(data, 8) != (gzi.size() - 8) / 16) return false;
    BgzfBlock last{0, 0};
    for (size_t i = 8; i < gzi.size(); i += 16) {
        BgzfBlock next{static_cast<int64_t>(little(data + i, 8)), static_cast<int64_t>(little(data + i + 8, 8))};
        const int64_t plain = next.plain - last.plain;
        if (next.stored <= last.stored || next.stored >= file_.size() || plain < 0 || plain > kMaxPlain) return false;
        if (plain > 0) blocks_.push_back(last);
        last = next;
    }
    // Reading a header of every block would touch the whole file; a few show an index of another file.
    const size_t step = std::max<size_t>(1, blocks_.size() / 16);
    for (size_t i = 0; i < blocks_.size(); i += step) {
        const int64_t size = stored_size(blocks_[i].stored);
        const int64_t next = i + 1 < blocks_.size() ? blocks_[i + 1].stored : last.stored;
        if (size < 0 || blocks_[i].stored + size > next) return false;
    }
    return walk(last);
}

void BgzfFile::make_index() {
    blocks_.clear();
    if (!walk({0, 0})) {
        fail(path_,
             "is truncated or damaged: its BGZF blocks do not reach the empty block at the end; copy or "
             "download it again");
    }
}

std::string BgzfFile::index_text() const {
    std::string out;
    put_little(out, blocks_.empty() ? 0 : blocks_.size() - 1);
    for (size_t i = 1; i < blocks_.size(); ++i) {
        put_little(out, static_cast<uint64_t>(blocks_[i].stored));
        put_little(out, static_cast<uint64_t>(blocks_[i].plain));
    }
    return out;
}

const std::vector<uint8_t>& BgzfFile::inflated(size_t block) const {
    auto hit = std::find_if(cache_.begin(), cache_.end(), [&](const Cached& c) { return c.block == block; });
    if (hit == cache_.end()) {
        hit = std::min_element(cache_.begin(), cache_.end(),
                               [](const Cached& a, const Cached& b) { return a.used < b.used; });
        hit->block = SIZE_MAX;
        const BgzfBlock start = blocks_[block];
        const int64_t plain = (block + 1 < blocks_.size() ? blocks_[block + 1].plain : size_) - start.plain;
        const int64_t size = stored_size(start.stored);
        const uint8_t* data = file_.bytes().data() + start.stored;
        bool good = size >= 0 && little(data + size - 4, 4) == static_cast<uint64_t>(plain);
        if (good) {
            const uint64_t extra = 12 + little(data + 10, 2);  // BC need not be the only extra field
            good = static_cast<int64_t>(extra + kFooter) <= size;
            hit->bytes.resize(static_cast<size_t>(plain));
            z_stream z{};
            z.next_in = const_cast<uint8_t*>(data + extra);
            z.avail_in = static_cast<uInt>(good ? size - static_cast<int64_t>(extra + kFooter) : 0);
            z.next_out = hit->bytes.data();
            z.avail_out = static_cast<uInt>(plain);
            if (inflateInit2(&z, -15) != Z_OK) throw std::bad_alloc();
            good = good && inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
            inflateEnd(&z);
            good = good && crc32(0, hit->bytes.data(), static_cast<uInt>(plain)) == little(data + size - 8, 4);
        }
        if (!good) {
            fail(path_, "has a damaged BGZF block at byte " + std::to_string(start.stored) +
                            ", or its .gzi is of another file; delete the .gzi, or copy the file again");
        }
        hit->block = block;
    }
    hit->used = ++clock_;
    return hit->bytes;
}

const uint8_t* BgzfFile::at(int64_t offset, size_t count, std::vector<uint8_t>& scratch) const {
    scratch.resize(count);
    if (count == 0) return scratch.data();
    std::lock_guard lock(mutex_);
    auto above = std::upper_bound(blocks_.begin(), blocks_.end(), offset,
                                  [](int64_t value, const BgzfBlock& b) { return value < b.plain; });
    auto block = static_cast<size_t>(above - blocks_.begin()) - 1;
    for (size_t done = 0; done < count; ++block) {
        const std::vector<uint8_t>& bytes = inflated(block);
        const auto from = static_cast<size_t>(offset + static_cast<int64_t>(done) - blocks_[block].plain);
        const size_t taken = std::min(count - done, bytes.size() - from);
        std::memcpy(scratch.data() + done, bytes.data() + from, taken);
        done += taken;
    }
    return scratch.data();
}

}  // namespace dnabert
