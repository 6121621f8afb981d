// Bases to token ids of overlapping k-mers, either strand, vectorised. Knows no windows, pieces or special tokens but
// [UNK].
#pragma once

#include <cstdint>
#include <span>

#include "core/cpu.hpp"

namespace dnabert {

inline constexpr int kMinK = 3;
inline constexpr int kMaxK = 6;
inline constexpr uint16_t kPad = 0, kUnk = 1, kCls = 2, kSep = 3, kMask = 4, kFirstKmer = 5;

/// How many k-mers n bases have.
constexpr int64_t kmer_count(int64_t bases, int k) {
    return bases < k ? 0 : bases - k + 1;
}

/// Throws std::invalid_argument unless 3 <= k <= 6.
void check_k(int k);

/// out[i]: the token of bases[i, i+k): 5 + its base-4 number (A 0, T 1, C 2, G 3, first letter most significant, any
/// case, U as T); 1 = [UNK] if any letter is another. With `reverse` the tokens of the reverse complement, in its own
/// 5' -> 3' order. `out` has exactly kmer_count(bases, k) elements and does not overlap `bases`.
void kmer_ids(std::span<const uint8_t> bases, int k, std::span<uint16_t> out, bool reverse, int threads = 1,
              Level level = best_level());

}  // namespace dnabert
