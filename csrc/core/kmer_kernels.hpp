// The k-mer kernels of each instruction set, and the tables they share. Only kmer*.cpp see this.
#pragma once

#include <cstdint>

namespace dnabert {

/// Writes the ids of all n - K + 1 k-mers of one strand of bases[0, n), n >= K (see kmer_ids). The reverse strand is
/// read from the last base to the first with each digit complemented; from there on both strands are the same.
using Kernel = void (*)(const uint8_t* bases, int64_t n, uint16_t* out);

Kernel portable_kernel(int k, bool reverse);
#if defined(__x86_64__)
Kernel avx2_kernel(int k, bool reverse);
Kernel avx512_kernel(int k, bool reverse);
#endif

/// A k-mer is a head of ceil(K / 2) letters and a tail of the others, a byte each; one multiply-add joins the two.
template <int K>
struct Halves {
    static constexpr int kHead = (K + 1) / 2;
    static constexpr int kTail = K - kHead;
    static constexpr int kWeight = 1 << (2 * kTail);  // id = head * kWeight + tail
};

// The low nibble of a byte says which letter it can be: A 1, C 3, T 4, U 5, G 7. Comparing the byte without its case
// bit with that letter tells whether it is. Bytes from 0x80 on look up 0, which they are not.
alignas(16) inline constexpr uint8_t kNibbleLetter[16] = {0xFF, 'A',  0xFF, 'C',  'T',  'U',  0xFF, 'G',
                                                          0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
alignas(16) inline constexpr uint8_t kNibbleDigit[2][16] = {{0, 0, 0, 2, 1, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0},
                                                            {0, 1, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}};
inline constexpr uint8_t kCaseMask = 0xDF;

/// The instance of a kernel template for k and strand.
#define DNABERT_CHOOSE_KERNEL(kernel, k, reverse)                  \
    switch (k) {                                                   \
        case 3:                                                    \
            return (reverse) ? kernel<3, true> : kernel<3, false>; \
        case 4:                                                    \
            return (reverse) ? kernel<4, true> : kernel<4, false>; \
        case 5:                                                    \
            return (reverse) ? kernel<5, true> : kernel<5, false>; \
        default:                                                   \
            return (reverse) ? kernel<6, true> : kernel<6, false>; \
    }

}  // namespace dnabert
