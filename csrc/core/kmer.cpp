#include "core/kmer.hpp"

#include <stdexcept>
#include <string>

#include "core/alphabet.hpp"
#include "core/parallel.hpp"

namespace dnabert {

void check_k(int k) {
    if (k < kMinK || k > kMaxK) throw std::invalid_argument("k must be 3, 4, 5 or 6, not " + std::to_string(k));
}

void kmer_ids(std::span<const uint8_t> bases, int k, std::span<uint16_t> out, bool reverse, int, Level) {
    check_k(k);
    const int64_t n = static_cast<int64_t>(bases.size());
    const uint32_t mask = (1u << (2 * k)) - 1;
    uint32_t id = 0;
    int good = 0;
    for (int64_t i = 0; i < n; ++i) {
        uint8_t d = kDigit[reverse ? bases[n - 1 - i] : bases[i]];
        good = d == kNotBase ? 0 : good + 1;
        if (reverse) d ^= 1;
        id = ((id << 2) | (d & 3)) & mask;
        if (i >= k - 1) out[i - k + 1] = good >= k ? id + kFirstKmer : kUnk;
    }
}

}  // namespace dnabert
