// kLanes floats at a time in the compilers' vector types. Included by rowwise_*.cpp within a namespace, a target and a
// kLanes of their own; includes nothing, so that nothing of the standard library is compiled for a machine that may not
// be there.
#pragma once

using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = uint16_t __attribute__((vector_size(2 * kLanes)));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

#define DNABERT_INLINE inline __attribute__((always_inline))

DNABERT_INLINE Floats splat(float x) {
    return x - Floats{};  // unlike a sum with 0, nothing to be computed
}

/// The first `count` lanes from memory, the others 0.
template <class Vector, class T>
DNABERT_INLINE Vector load_as(const T* from, int64_t count) {
    Vector x{};
    if (count == kLanes) {
        __builtin_memcpy(&x, from, sizeof x);
    } else {
        __builtin_memcpy(&x, from, static_cast<size_t>(count) * sizeof(T));
    }
    return x;
}

template <class Vector, class T>
DNABERT_INLINE void store_as(T* to, Vector x, int64_t count) {
    if (count == kLanes) {
        __builtin_memcpy(to, &x, sizeof x);
    } else {
        __builtin_memcpy(to, &x, static_cast<size_t>(count) * sizeof(T));
    }
}

DNABERT_INLINE Floats load(const float* from, int64_t count = kLanes) {
    return load_as<Floats>(from, count);
}

DNABERT_INLINE void store(float* to, Floats x, int64_t count = kLanes) {
    store_as(to, x, count);
}

DNABERT_INLINE Floats load(const uint16_t* from, int64_t count = kLanes) {
    return (Floats)(__builtin_convertvector(load_as<Halves>(from, count), Words) << 16);
}

/// The first `count` lanes of x, and `other` in those after them.
DNABERT_INLINE Floats first_lanes(int64_t count, Floats x, float other) {
    const Ints places = [&]<int... lane>(std::integer_sequence<int, lane...>) {
        return Ints{lane...};
    }(std::make_integer_sequence<int, kLanes>{});
    return places < static_cast<int32_t>(count) ? x : splat(other);
}

/// bf16, rounded to nearest even; a NaN stays one.
DNABERT_INLINE void store(uint16_t* to, Floats x, int64_t count = kLanes) {
    const Words bits = (Words)x;
    const Words rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    const Words kept = (x == x) ? rounded : (bits | 0x400000u);
    store_as(to, __builtin_convertvector(kept >> 16, Halves), count);
}

/// Lanes of `a` (from 0) and `b` (from kLanes) by number; not every GCC in use has clang's name for it.
#if defined(__clang__)
#define DNABERT_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define DNABERT_PICK(a, b, ...) __builtin_shuffle(a, b, Ints{__VA_ARGS__})
#endif

/// Each lane with the one whose number differs in one bit.
template <int kBit>
DNABERT_INLINE Floats across(Floats x) {
    return [&]<int... lane>(std::integer_sequence<int, lane...>) {
        return DNABERT_PICK(x, x, (lane ^ kBit)...);
    }(std::make_integer_sequence<int, kLanes>{});
}

template <int kBit = kLanes / 2>
DNABERT_INLINE float sum_of(Floats x) {
    x += across<kBit>(x);
    if constexpr (kBit > 1) {
        return sum_of<kBit / 2>(x);
    } else {
        return x[0];
    }
}

template <int kBit = kLanes / 2>
DNABERT_INLINE float least_of(Floats x) {
    const Floats y = across<kBit>(x);
    x = y < x ? y : x;
    if constexpr (kBit > 1) {
        return least_of<kBit / 2>(x);
    } else {
        return x[0];
    }
}

// 1.5 · 2^23: added to a float below 2^22, it leaves the nearest integer in the low bits.
constexpr float kRound = 12582912.0f;

/// e^x for x <= 0, within 2 units in the last place; NaN of NaN.
DNABERT_INLINE Floats exp_of(Floats x) {
    x = x < -87.0f ? splat(-87.0f) : x;
    const Floats shifted = x * 1.44269504088896341f + kRound;
    const Floats n = shifted - kRound;
    const Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const Ints power = ((Ints)shifted - (Ints)splat(kRound) + 127) << 23;
    return p * (Floats)power;
}

/// x · Phi(x) with erf as a quotient of polynomials (the one of Eigen and XLA), clamped where it is 1 in fp32.
DNABERT_INLINE Floats gelu_of(Floats x) {
    Floats z = x * 0.70710678118654752f;
    z = z < -4.0f ? splat(-4.0f) : z;
    z = z > 4.0f ? splat(4.0f) : z;
    const Floats s = z * z;
    Floats p = s * -2.72614225801306e-10f + 2.77068142495902e-08f;
    p = p * s + -2.10102402082508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    Floats q = s * -1.45660718464996e-05f + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return 0.5f * x + 0.5f * x * (z * p / q);
}

/// Blocks of step x step that lie across the diagonal change places, for step, 2 step and so on: a transposition.
template <int64_t kStep>
DNABERT_INLINE void swap_blocks(Floats* rows) {
    if constexpr (kStep < kLanes) {
        for (int64_t i = 0; i < kLanes; ++i) {
            if (i & kStep) continue;
            const Floats a = rows[i], b = rows[i + kStep];
            [&]<int... lane>(std::integer_sequence<int, lane...>) {
                rows[i] = DNABERT_PICK(a, b, (lane & kStep ? lane - kStep + kLanes : lane)...);
                rows[i + kStep] = DNABERT_PICK(a, b, (lane & kStep ? lane + kLanes : lane + kStep)...);
            }(std::make_integer_sequence<int, kLanes>{});
        }
        swap_blocks<2 * kStep>(rows);
    }
}
