// K-mer ids in plain loops that compilers vectorise on any machine: digits of a block, then sums of shifted digits.
#include <algorithm>

#include "core/kmer.hpp"
#include "core/kmer_kernels.hpp"

namespace dnabert {

namespace {

constexpr int64_t kBlock = 512;  // k-mers

// Digits of the strand, and 1 for each letter that is none; both in the order of `from`.
template <bool Reverse>
void digits_of(const uint8_t* from, int64_t letters, uint8_t* digits, uint8_t* odd) {
    for (int64_t i = 0; i < letters; ++i) {
        const uint8_t letter = from[i] & kCaseMask;
        // Bits 1 and 2 tell A 0, C 1, T and U 2, G 3; the vocabulary has C and T the other way round.
        const uint8_t bits = (letter >> 1) & 3;
        const uint8_t digit = static_cast<uint8_t>((bits >> 1) | ((bits & 1) << 1));
        digits[i] = Reverse ? digit ^ 1 : digit;
        // T and U differ in their last bit.
        const uint8_t is_t = (letter | 1) == 'U' ? 1 : 0;
        const uint8_t is_a = letter == 'A' ? 1 : 0;
        const uint8_t is_c = letter == 'C' ? 1 : 0;
        const uint8_t is_g = letter == 'G' ? 1 : 0;
        odd[i] = 1 ^ (is_t | is_a | is_c | is_g);
    }
}

template <int K, bool Reverse>
void kernel(const uint8_t* bases, int64_t n, uint16_t* out) {
    uint8_t digits[kBlock + K - 1];
    uint8_t odd[kBlock + K - 1];
    uint16_t ids[kBlock];
    for (int64_t at = 0; at < n - K + 1; at += kBlock) {
        const int64_t count = std::min(kBlock, n - K + 1 - at);
        const int64_t letters = count + K - 1;
        digits_of<Reverse>(Reverse ? bases + n - at - letters : bases + at, letters, digits, odd);
        for (int64_t i = 0; i < count; ++i) {
            uint16_t id = 0;
            uint16_t bad = 0;
            for (int j = 0; j < K; ++j) {
                id = static_cast<uint16_t>(id << 2 | digits[Reverse ? i + K - 1 - j : i + j]);
                bad |= odd[i + j];
            }
            id = static_cast<uint16_t>(id + kFirstKmer);
            ids[i] = bad ? kUnk : id;
        }
        if constexpr (Reverse) {
            std::reverse_copy(ids, ids + count, out + at);
        } else {
            std::copy_n(ids, count, out + at);
        }
    }
}

}  // namespace

Kernel portable_kernel(int k, bool reverse) {
    DNABERT_CHOOSE_KERNEL(kernel, k, reverse)
}

}  // namespace dnabert
