// 32 k-mer ids a step with AVX2.
#include "core/kmer_kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include "core/kmer.hpp"

#define DNABERT_TARGET __attribute__((target("avx2")))

namespace dnabert {

namespace {

// The 32 letters of the strand from `at` on, in its reading order.
template <bool Reverse>
DNABERT_TARGET inline __m256i letters(const uint8_t* bases, int64_t n, int64_t at) {
    if constexpr (!Reverse) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bases + at));
    const __m256i turn = _mm256_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,  //
                                          15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i from = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bases + n - at - 32));
    return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(from, turn), 0x4E);
}

// Byte i of the result is byte i + Shift of the strand: `high` holds what lies 16 letters after `low`.
template <int Shift>
DNABERT_TARGET inline __m256i shifted(__m256i low, __m256i high) {
    if constexpr (Shift == 0) return low;
    return _mm256_alignr_epi8(high, low, Shift);
}

// The number of the Letters digits that start at each place + First.
template <int Letters, int First>
DNABERT_TARGET inline __m256i number(__m256i low, __m256i high) {
    const __m256i last = shifted<First + Letters - 1>(low, high);
    if constexpr (Letters == 1) {
        return last;
    } else {
        return _mm256_or_si256(_mm256_slli_epi16(number<Letters - 1, First>(low, high), 2), last);
    }
}

// 0xFF at each place whose k-mer has a letter that is none.
template <int K>
DNABERT_TARGET inline __m256i unknown(__m256i low, __m256i high) {
    if constexpr (K == 1) {
        return low;
    } else {
        return _mm256_or_si256(unknown<K - 1>(low, high), shifted<K - 1>(low, high));
    }
}

template <int K, bool Reverse>
DNABERT_TARGET void kernel(const uint8_t* bases, int64_t n, uint16_t* out) {
    using H = Halves<K>;
    const __m256i letter_of =
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kNibbleLetter)));
    const __m256i digit_of =
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kNibbleDigit[Reverse])));
    const __m256i case_mask = _mm256_set1_epi8(static_cast<char>(kCaseMask));
    const __m256i weights = _mm256_set1_epi16(static_cast<int16_t>(1 << 8 | H::kWeight));
    const __m256i first = _mm256_set1_epi16(kFirstKmer);
    const __m256i unk = _mm256_set1_epi16(kUnk);

    int64_t at = 0;
    for (; at + 48 <= n; at += 32) {
        const __m256i low = letters<Reverse>(bases, n, at);
        const __m256i high = letters<Reverse>(bases, n, at + 16);
        const __m256i low_digits = _mm256_shuffle_epi8(digit_of, low);
        const __m256i high_digits = _mm256_shuffle_epi8(digit_of, high);
        const __m256i low_good =
            _mm256_cmpeq_epi8(_mm256_and_si256(low, case_mask), _mm256_shuffle_epi8(letter_of, low));
        const __m256i high_good =
            _mm256_cmpeq_epi8(_mm256_and_si256(high, case_mask), _mm256_shuffle_epi8(letter_of, high));

        const __m256i head = number<H::kHead, 0>(low_digits, high_digits);
        const __m256i tail = number<H::kTail, H::kHead>(low_digits, high_digits);
        __m256i even = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpacklo_epi8(head, tail), weights), first);
        __m256i odd = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpackhi_epi8(head, tail), weights), first);
        // Letters that are none are rare, or come in long runs.
        if (_mm256_movemask_epi8(_mm256_and_si256(low_good, high_good)) != -1) [[unlikely]] {
            const __m256i all = _mm256_set1_epi8(-1);
            const __m256i bad = unknown<K>(_mm256_xor_si256(low_good, all), _mm256_xor_si256(high_good, all));
            even = _mm256_blendv_epi8(even, unk, _mm256_unpacklo_epi8(bad, bad));
            odd = _mm256_blendv_epi8(odd, unk, _mm256_unpackhi_epi8(bad, bad));
        }
        auto* to = reinterpret_cast<__m256i*>(out + at);
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
        _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    }
    if (n - at < K) return;
    portable_kernel(K, Reverse)(Reverse ? bases : bases + at, n - at, out + at);
}

}  // namespace

Kernel avx2_kernel(int k, bool reverse) {
    DNABERT_CHOOSE_KERNEL(kernel, k, reverse)
}

}  // namespace dnabert

#endif
