#include "core/distinct.hpp"

#include <bit>
#include <cstring>
#include <stdexcept>

#include "core/rows.hpp"

namespace dnabert {

namespace {

// Odd constants with about half their bits set: digits of pi, e and the square root of 2 in binary.
constexpr uint64_t kPi = 0x243F6A8885A308D3, kE = 0xB7E151628AED2A6B, kRoot = 0x6A09E667F3BCC909;

uint64_t load(const unsigned char* at) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(const void* data, size_t n) {
    const auto* at = static_cast<const unsigned char*>(data);
    uint64_t first = kPi ^ n;
    uint64_t second = kE;
    size_t left = n;
    // Two lanes, so that one product does not wait for the other.
    for (; left >= 32; left -= 32, at += 32) {
        first = fold(load(at) ^ first ^ kRoot, load(at + 8) ^ kE);
        second = fold(load(at + 16) ^ second ^ kPi, load(at + 24) ^ kRoot);
    }
    unsigned char rest[32] = {};
    std::memcpy(rest, at, left);
    first = fold(load(rest) ^ first ^ kRoot, load(rest + 8) ^ kE);
    second = fold(load(rest + 16) ^ second ^ kPi, load(rest + 24) ^ kRoot);
    return fold(first ^ kE, second ^ kPi);
}

std::vector<int32_t> distinct(std::span<const uint16_t> ids, std::span<const int32_t> cu_seqlens,
                              std::span<int32_t> inverse) {
    check_cu_seqlens(cu_seqlens, ids.size());
    const size_t m = cu_seqlens.size() - 1;
    if (inverse.size() != m) throw std::invalid_argument("inverse must have one element a piece");

    struct Slot {
        uint64_t hash;
        int32_t group;
    };
    // Open addressing, at most half full.
    const size_t mask = std::bit_ceil(2 * m + 1) - 1;
    std::vector<Slot> slots(mask + 1, Slot{0, -1});
    std::vector<int32_t> first;
    const auto bytes = [&](size_t j) { return static_cast<size_t>(cu_seqlens[j + 1] - cu_seqlens[j]) * 2; };
    for (size_t j = 0; j < m; ++j) {
        const uint16_t* piece = ids.data() + cu_seqlens[j];
        const uint64_t hash = hash_bytes(piece, bytes(j));
        for (size_t at = hash & mask;; at = (at + 1) & mask) {
            Slot& slot = slots[at];
            if (slot.group < 0) {
                slot = {hash, static_cast<int32_t>(first.size())};
                first.push_back(static_cast<int32_t>(j));
                inverse[j] = slot.group;
                break;
            }
            if (slot.hash != hash) continue;
            const auto other = static_cast<size_t>(first[static_cast<size_t>(slot.group)]);
            if (bytes(other) == bytes(j) && std::memcmp(ids.data() + cu_seqlens[other], piece, bytes(j)) == 0) {
                inverse[j] = slot.group;
                break;
            }
        }
    }
    return first;
}

}  // namespace dnabert
