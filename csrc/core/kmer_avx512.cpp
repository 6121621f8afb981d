// 56 k-mer ids a step with AVX-512 (F, BW, VBMI, VNNI): 64 letters packed to 16 bytes of 2-bit digits, ids cut out of
// those. The end of a sequence goes by masks, so short windows need no loop over bytes.
#include "core/kmer_kernels.hpp"

#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through of its own intrinsics for a mistake of ours.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <array>

#include "core/kmer.hpp"

#define DNABERT_TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vnni")))

namespace dnabert {

namespace {

constexpr int64_t kStep = 56;  // of the 64 letters of a load; the k-mers at the others lack their last letters

using Bytes = std::array<uint8_t, 64>;

// Quad-word q holds the letters 4q .. 4q + 11 from its bit 23 down: bytes 4q + 8, 4q + 4 and 4q of the packed digits,
// of which every fourth byte counts. `first` is the first quad-word's letter.
constexpr Bytes gather_places(int first) {
    Bytes places{};
    for (int q = 0; q < 8; ++q) {
        for (int byte = 0; byte < 3; ++byte)
            places[8 * q + byte] = static_cast<uint8_t>((first + 4 * q + 4 * (2 - byte)) & 63);
    }
    return places;
}

// K-mer t of a quad-word's four ends 2(t + K) bits below bit 24: two bytes from there, of which 2K bits count.
template <int K>
constexpr Bytes shift_counts() {
    Bytes counts{};
    for (int i = 0; i < 64; ++i) counts[i] = static_cast<uint8_t>(24 - 2 * ((i % 8) / 2 + K) + 8 * (i % 2));
    return counts;
}

constexpr Bytes mirror_places() {
    Bytes places{};
    for (int i = 0; i < 64; ++i) places[i] = static_cast<uint8_t>(63 - i);
    return places;
}

alignas(64) constexpr Bytes kLowQuads = gather_places(0);
alignas(64) constexpr Bytes kHighQuads = gather_places(32);
alignas(64) constexpr Bytes kMirror = mirror_places();
template <int K>
alignas(64) constexpr Bytes kShifts = shift_counts<K>();

DNABERT_TARGET inline __m512i table(const Bytes& bytes) {
    return _mm512_load_si512(bytes.data());
}

DNABERT_TARGET inline __m512i nibble_table(const uint8_t* bytes) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

// The ids of 32 k-mers, cut out of the packed digits.
template <int K>
DNABERT_TARGET inline __m512i cut(__m512i packed, const Bytes& quads) {
    const __m512i from = _mm512_permutexvar_epi8(table(quads), packed);
    const __m512i shifted = _mm512_multishift_epi64_epi8(table(kShifts<K>), from);
    const __m512i kmers = _mm512_and_si512(shifted, _mm512_set1_epi16((1 << (2 * K)) - 1));
    return _mm512_add_epi16(kmers, _mm512_set1_epi16(kFirstKmer));
}

// The ids of the k-mers that start at 64 letters in reading order; those of the last K - 1 have no meaning.
struct Ids {
    __m512i low, high;
};

template <int K, bool Reverse>
DNABERT_TARGET inline Ids ids_of(__m512i letters) {
    const __m512i digits = _mm512_shuffle_epi8(nibble_table(kNibbleDigit[Reverse]), letters);
    // 64 first + 16 second + 4 third + fourth: one byte of every four.
    const __m512i packed = _mm512_dpbusd_epi32(_mm512_setzero_si512(), digits, _mm512_set1_epi32(0x01'04'10'40));
    Ids ids{cut<K>(packed, kLowQuads), cut<K>(packed, kHighQuads)};

    const __m512i found = _mm512_and_si512(letters, _mm512_set1_epi8(static_cast<char>(kCaseMask)));
    uint64_t bad = _mm512_cmpneq_epi8_mask(found, _mm512_shuffle_epi8(nibble_table(kNibbleLetter), letters));
    // Letters that are none are rare, or come in long runs.
    if (bad != 0) [[unlikely]] {
        bad |= bad >> 1;
        bad |= bad >> (K == 3 ? 1 : 2);
        if constexpr (K > 4) bad |= bad >> (K - 4);
        const __m512i unk = _mm512_set1_epi16(kUnk);
        ids.low = _mm512_mask_mov_epi16(ids.low, static_cast<__mmask32>(bad), unk);
        ids.high = _mm512_mask_mov_epi16(ids.high, static_cast<__mmask32>(bad >> 32), unk);
    }
    return ids;
}

template <int K, bool Reverse>
DNABERT_TARGET void kernel(const uint8_t* bases, int64_t n, uint16_t* out) {
    int64_t at = 0;
    // Each step writes 64 ids, the last 8 of which the next step writes again.
    for (; at + 64 + K - 1 <= n; at += kStep) {
        __m512i letters = _mm512_loadu_si512(Reverse ? bases + n - at - 64 : bases + at);
        if constexpr (Reverse) letters = _mm512_permutexvar_epi8(table(kMirror), letters);
        const Ids ids = ids_of<K, Reverse>(letters);
        _mm512_storeu_si512(out + at, ids.low);
        _mm512_storeu_si512(out + at + 32, ids.high);
    }
    for (; at + K <= n; at += kStep) {
        const int64_t left = std::min<int64_t>(n - at, 64);
        const __mmask64 here = ~uint64_t{0} >> (64 - left);
        __m512i letters = _mm512_maskz_loadu_epi8(here, Reverse ? bases + n - at - left : bases + at);
        if constexpr (Reverse) {
            const __m512i mirror = _mm512_add_epi8(table(kMirror), _mm512_set1_epi8(static_cast<char>(left - 64)));
            letters = _mm512_permutexvar_epi8(mirror, letters);
        }
        const Ids ids = ids_of<K, Reverse>(letters);
        const int64_t count = std::min(kStep, left - K + 1);
        const uint64_t stored = ~uint64_t{0} >> (64 - count);
        _mm512_mask_storeu_epi16(out + at, static_cast<__mmask32>(stored), ids.low);
        _mm512_mask_storeu_epi16(out + at + 32, static_cast<__mmask32>(stored >> 32), ids.high);
    }
}

}  // namespace

Kernel avx512_kernel(int k, bool reverse) {
    DNABERT_CHOOSE_KERNEL(kernel, k, reverse)
}

}  // namespace dnabert

#endif
