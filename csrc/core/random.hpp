// Random numbers that are a pure function of a seed and a place, equal on every platform: Philox4x32-10, a block cipher
// on counters (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Nothing is drawn in sequence, so
// threads, processes and resumed runs agree. No std::*_distribution, whose results differ between libraries.
#pragma once

#include <array>
#include <cstdint>

namespace dnabert {

using Words = std::array<uint32_t, 4>;

/// Four random words for a counter of four under a key of two.
constexpr Words philox(Words counter, uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = uint64_t{0xD2511F53} * counter[0];
        const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(b),
                   static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    return counter;
}

/// What numbers are drawn for: equal seeds and indices for different purposes are independent.
enum class Purpose : uint32_t { mask = 1, split = 2, order = 3, place = 4 };

inline constexpr uint32_t kMaxStream = (1u << 24) - 1;

/// The numbers of one (seed, purpose, stream <= kMaxStream, index): 2^32 blocks of four words, in any order.
class Draws {
  public:
    constexpr Draws(uint64_t seed, Purpose purpose, uint32_t stream, uint64_t index)
        : key0_(static_cast<uint32_t>(seed)),
          key1_(static_cast<uint32_t>(seed >> 32)),
          lane_(static_cast<uint32_t>(purpose) << 24 | stream),
          low_(static_cast<uint32_t>(index)),
          high_(static_cast<uint32_t>(index >> 32)) {}

    constexpr Words block(uint32_t number) const { return philox({number, lane_, low_, high_}, key0_, key1_); }

  private:
    uint32_t key0_, key1_, lane_, low_, high_;
};

/// A word as a whole number in [0, n): the high half of word * n; each has its share to within 2^-32.
constexpr uint32_t below(uint32_t word, uint32_t n) {
    return static_cast<uint32_t>(uint64_t{word} * n >> 32);
}

/// The same of 64 random bits, for n beyond 2^16: each has its share to within 2^-64.
constexpr uint64_t below(uint64_t bits, uint64_t n) {
    const uint64_t low = bits & 0xFFFFFFFF, high = bits >> 32, n_low = n & 0xFFFFFFFF, n_high = n >> 32;
    const uint64_t middle = high * n_low + (low * n_low >> 32);
    return high * n_high + (middle >> 32) + ((low * n_high + (middle & 0xFFFFFFFF)) >> 32);
}

/// The number below which a word falls with this probability, to the nearest 2^-32.
constexpr uint64_t threshold(double probability) {
    return static_cast<uint64_t>(probability * 4294967296.0 + 0.5);
}

}  // namespace dnabert
