// The row steps on vectors; see vector_body.hpp for how this is included.
#pragma once

#include "core/vector_body.hpp"

/// One row of the source to `x`, which has room for whole vectors; what lies beyond the width is 0.
template <class T>
DNABERT_INLINE void read_row(const T* from, float* x, int64_t width) {
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) store(x + i, load(from + i));
    if (i < width) store(x + i, load(from + i, width - i));
}

DNABERT_INLINE void read_product(const RowSource& source, int64_t row, float* x, int64_t width) {
    const float* from = source.f32 + row * width;
    const Floats scale = splat(source.scale[row]), low = splat(source.low[row]);
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes)
        store(x + i, scale * load(from + i) + (low * load(source.sums + i) + load(source.bias + i)));
    if (const int64_t rest = width - i; rest > 0)
        store(x + i, scale * load(from + i, rest) + (low * load(source.sums + i, rest) + load(source.bias + i, rest)));
}

/// x := LayerNorm(x + stream), which becomes the stream.
DNABERT_INLINE void add_norm_row(const RowStep& step, int64_t row, bool add, float* x, int64_t width) {
    float* stream = step.stream + row * width;
    Floats sum{}, more{};
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
        Floats total = load(stream + i);
        if (add) total += load(x + i);
        store(x + i, total);
        sum += total;
    }
    if (const int64_t rest = width - i; rest > 0) {
        Floats total = load(stream + i, rest);
        if (add) total += load(x + i);
        store(x + i, total);
        sum += total;
    }
    const float mean = sum_of(sum) / static_cast<float>(width);
    Floats squares{};
    for (i = 0; i + 2 * kLanes <= width; i += 2 * kLanes) {
        const Floats a = load(x + i) - mean, b = load(x + i + kLanes) - mean;
        squares += a * a;
        more += b * b;
    }
    float rest_squares = 0;
    for (; i < width; ++i) rest_squares += (x[i] - mean) * (x[i] - mean);
    const float variance = (sum_of(squares + more) + rest_squares) / static_cast<float>(width);
    const float scale = 1.0f / __builtin_sqrtf(variance + step.eps);
    for (i = 0; i + kLanes <= width; i += kLanes) {
        const Floats y = (load(x + i) - mean) * scale * load(step.weight + i) + load(step.shift + i);
        store(x + i, y);
        store(stream + i, y);
    }
    if (const int64_t rest = width - i; rest > 0) {
        const Floats y = (load(x + i, rest) - mean) * scale * load(step.weight + i, rest) + load(step.shift + i, rest);
        store(x + i, y, rest);
        store(stream + i, y, rest);
    }
}

DNABERT_INLINE void quantise_row(const RowSink& sink, int64_t row, float* x, int64_t width) {
    // What lies beyond the width must be neither the least nor the largest.
    for (int64_t i = width; i % kLanes; ++i) x[i] = x[0];
    Floats least = load(x), most = least;
    Ints finite = least - least == least - least;
    for (int64_t i = 0; i < width; i += kLanes) {
        const Floats value = load(x + i);
        const Floats zero = value - value;  // NaN for a value that is not finite
        finite &= zero == zero;
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    const float low = least_of(least), range = -least_of(-most) - low;
    // A range so small that 255 over it would not be finite is none.
    const float inverse = range > 1e-35f ? 255.0f / range : 0.0f;
    const bool all_finite = sum_of(__builtin_convertvector(finite, Floats)) == -static_cast<float>(kLanes);
    sink.scale[row] = inverse > 0 ? range / 255.0f : 0.0f;
    // Nor do codes stand for values that lie further apart than fp32 reaches.
    sink.low[row] = all_finite && range < __builtin_inff() ? low : __builtin_nanf("");
    uint8_t* codes = sink.codes + row * width;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
        const Ints code = (Ints)((load(x + i) - low) * inverse + kRound) & 0xFF;
        store_as(codes + i, __builtin_convertvector(code, Bytes), kLanes);
    }
    if (i < width) {
        const Ints code = (Ints)((load(x + i) - low) * inverse + kRound) & 0xFF;
        store_as(codes + i, __builtin_convertvector(code, Bytes), width - i);
    }
}

template <class T>
DNABERT_INLINE void write_row(T* to, const float* x, int64_t width) {
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) store(to + i, load(x + i));
    if (i < width) store(to + i, load(x + i), width - i);
}

/// Rows [first, last) of a step, one at a time in a buffer that stays in the nearest cache.
inline void rows(const RowStep& step, int64_t first, int64_t last) {
    const int64_t width = step.width;
    const Scratch scratch(width + kLanes);
    float* x = scratch.data;
    const RowSource& source = step.source;
    const RowSink& sink = step.sink;
    const bool given = source.f32 != nullptr || source.bf16 != nullptr;
    for (int64_t row = first; row < last; ++row) {
        if (source.scale) {
            read_product(source, row, x, width);
        } else if (source.f32) {
            read_row(source.f32 + row * width, x, width);
        } else if (source.bf16) {
            read_row(source.bf16 + row * width, x, width);
        }
        if (step.kind == RowKind::gelu) {
            for (int64_t i = 0; i < width; i += kLanes) store(x + i, gelu_of(load(x + i)));
        } else if (step.kind == RowKind::add_norm) {
            add_norm_row(step, row, given, x, width);
        }
        if (sink.codes) {
            quantise_row(sink, row, x, width);
        } else if (sink.bf16) {
            write_row(sink.bf16 + row * width, x, width);
        } else if (sink.f32) {
            write_row(sink.f32 + row * width, x, width);
        }
    }
}
