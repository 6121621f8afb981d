#include "core/twobit.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"

namespace dnabert {

namespace {

constexpr uint32_t kMagic = 0x1A412743;

/// Four bases for each packed byte, the first in the two highest bits; T C A G are 0 1 2 3.
constexpr auto kUnpacked = [] {
    std::array<std::array<uint8_t, 4>, 256> table{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        for (unsigned i = 0; i < 4; ++i) table[byte][i] = static_cast<uint8_t>("TCAG"[byte >> (6 - 2 * i) & 3]);
    }
    return table;
}();

uint32_t big(const uint8_t* at) {
    return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}
uint32_t little(const uint8_t* at) {
    return uint32_t{at[3]} << 24 | uint32_t{at[2]} << 16 | uint32_t{at[1]} << 8 | at[0];
}

}  // namespace

bool TwoBit::recognises(std::span<const uint8_t> head) {
    return head.size() >= 4 && (big(head.data()) == kMagic || little(head.data()) == kMagic);
}

/// An unsigned number of 1, 4 or 8 bytes in the file's byte order.
uint64_t TwoBit::number(size_t at, int bytes) const {
    const auto data = file_.bytes();
    if (at > data.size() || static_cast<size_t>(bytes) > data.size() - at) {
        fail(path_, "is truncated: byte " + std::to_string(at) + " is needed and the file has " +
                        std::to_string(data.size()) + "; copy or download it again");
    }
    const uint8_t* from = data.data() + at;
    if (bytes == 1) return *from;
    if (bytes == 4) return swapped_ ? big(from) : little(from);
    return swapped_ ? uint64_t{big(from)} << 32 | big(from + 4) : uint64_t{little(from + 4)} << 32 | little(from);
}

TwoBit::TwoBit(const std::string& path) : path_(path), file_(path) {
    if (!recognises(file_.bytes())) fail(path_, "is not a .2bit file");
    swapped_ = big(file_.bytes().data()) == kMagic;
    const uint64_t version = number(4);
    if (version > 1) fail(path_, "is of .2bit version " + std::to_string(version) + "; 0 and 1 can be read");
    const uint64_t count = number(8);
    const int offset_bytes = version == 1 ? 8 : 4;
    size_t at = 16;
    for (uint64_t i = 0; i < count; ++i) {
        const auto size = static_cast<size_t>(number(at, 1));
        number(at + size, 1);  // the name's last byte
        std::string name(reinterpret_cast<const char*>(file_.bytes().data()) + at + 1, size);
        at += 1 + size;
        const uint64_t offset = number(at, offset_bytes);
        at += static_cast<size_t>(offset_bytes);
        if (name.empty()) fail(path_, "has a sequence without a name");
        open_sequence(static_cast<size_t>(offset), name);
        names_.push_back(std::move(name));
    }
    if (names_.empty()) fail(path_, "holds no sequence");
}

void TwoBit::open_sequence(size_t offset, const std::string& name) {
    const auto length = static_cast<int64_t>(number(offset));
    size_t at = offset + 4;
    Sequence sequence;
    sequence.unknown = open_blocks(at, length, name);
    sequence.masked = open_blocks(at, length, name);
    number(at);  // reserved
    sequence.packed = at + 4;
    if (length > 0) number(sequence.packed + static_cast<size_t>(length - 1) / 4, 1);
    lengths_.push_back(length);
    sequences_.push_back(sequence);
}

TwoBit::Blocks TwoBit::open_blocks(size_t& at, int64_t length, const std::string& name) const {
    Blocks blocks;
    blocks.count = static_cast<size_t>(number(at));
    blocks.starts = at + 4;
    blocks.sizes = blocks.starts + 4 * blocks.count;
    at = blocks.sizes + 4 * blocks.count;
    if (blocks.count > 0) number(at - 4);
    int64_t end = 0;
    for (size_t i = 0; i < blocks.count; ++i) {
        const auto start = static_cast<int64_t>(number(blocks.starts + 4 * i));
        const auto size = static_cast<int64_t>(number(blocks.sizes + 4 * i));
        if (start < end || start + size > length) {
            fail(path_, "is damaged: the N or mask blocks of " + excerpt(name) +
                            " overlap, are out of order or reach over its end; copy or download it again");
        }
        end = start + size;
    }
    return blocks;
}

/// Calls apply(from, to) for the part of each block inside [start, end).
template <class Apply>
void TwoBit::each_overlap(const Blocks& blocks, int64_t start, int64_t end, Apply apply) const {
    size_t low = 0;
    size_t high = blocks.count;
    while (low < high) {  // the first block that starts after `start`
        const size_t middle = low + (high - low) / 2;
        if (static_cast<int64_t>(number(blocks.starts + 4 * middle)) > start) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    for (size_t i = low > 0 ? low - 1 : 0; i < blocks.count; ++i) {
        const auto from = static_cast<int64_t>(number(blocks.starts + 4 * i));
        if (from >= end) return;
        const int64_t to = std::min(end, from + static_cast<int64_t>(number(blocks.sizes + 4 * i)));
        if (to > start) apply(std::max(from, start), to);
    }
}

void TwoBit::read(size_t sequence, int64_t start, int64_t end, uint8_t* out) const {
    const Sequence& s = sequences_[sequence];
    const uint8_t* packed = file_.bytes().data() + s.packed;
    int64_t at = start;
    uint8_t* to = out;
    for (; at < end && at % 4 != 0; ++at) *to++ = kUnpacked[packed[at / 4]][static_cast<size_t>(at % 4)];
    for (; at + 4 <= end; at += 4, to += 4) std::memcpy(to, kUnpacked[packed[at / 4]].data(), 4);
    for (; at < end; ++at) *to++ = kUnpacked[packed[at / 4]][static_cast<size_t>(at % 4)];
    each_overlap(s.unknown, start, end, [&](int64_t from, int64_t stop) {
        std::memset(out + (from - start), 'N', static_cast<size_t>(stop - from));
    });
    each_overlap(s.masked, start, end, [&](int64_t from, int64_t stop) {
        for (int64_t i = from; i < stop; ++i) out[i - start] |= 0x20;
    });
}

}  // namespace dnabert
