// Attention on vectors, in fp32; see vector_body.hpp for how this is included.
//
// A head of a piece is copied once: keys transposed, values as rows, both fp32. A tile of queries then meets blocks of
// keys that stay in the nearest cache; its scores are kept whole, so softmax is that of the textbook.
#pragma once

#include "core/vector_body.hpp"

constexpr int64_t kTile = 4 * kRows;           // queries of a tile
constexpr int64_t kBlock = kColumns * kLanes;  // keys of a block, and columns of values taken together
constexpr int64_t kDepth = 128;                // values taken together

/// acc[r][c] over `depth` of a[r · a_stride + k] · b[k · b_stride + kLanes c], added to `out` where `add`.
template <int64_t kWide>
DNABERT_INLINE void multiply(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth,
                             float* out, int64_t out_stride, bool add) {
    Floats acc[kRows][kWide];
    for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t c = 0; c < kWide; ++c) acc[r][c] = add ? load(out + r * out_stride + c * kLanes) : Floats{};
    }
    for (int64_t k = 0; k < depth; ++k) {
        Floats column[kWide];
        for (int64_t c = 0; c < kWide; ++c) column[c] = load(b + k * b_stride + c * kLanes);
        for (int64_t r = 0; r < kRows; ++r) {
            const Floats x = splat(a[r * a_stride + k]);
            for (int64_t c = 0; c < kWide; ++c) acc[r][c] += x * column[c];
        }
    }
    for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t c = 0; c < kWide; ++c) store(out + r * out_stride + c * kLanes, acc[r][c]);
    }
}

/// The same for a number of vectors known only now, at most kWide.
template <int64_t kWide>
DNABERT_INLINE void multiply_wide(int64_t wide, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                                  int64_t depth, float* out, int64_t out_stride, bool add) {
    if (wide >= kWide) {
        multiply<kWide>(a, a_stride, b, b_stride, depth, out, out_stride, add);
    } else if constexpr (kWide > 1) {
        multiply_wide<kWide - 1>(wide, a, a_stride, b, b_stride, depth, out, out_stride, add);
    }
}

/// `rows` rows of `a` [depth] (some beyond, up to a multiple of kRows) times one block of `b` [depth, kBlock], of which
/// `columns` count, a multiple of kLanes.
inline void multiply_block(const float* a, int64_t a_stride, const float* b, int64_t rows, int64_t depth,
                           int64_t columns, float* out, int64_t out_stride, bool add) {
    for (int64_t r = 0; r < rows; r += kRows) {
        multiply_wide<kColumns>(columns / kLanes, a + r * a_stride, a_stride, b, kBlock, depth, out + r * out_stride,
                                out_stride, add);
    }
}

/// Largest of scores [0, columns); those from `keys` on become too small to count.
DNABERT_INLINE float largest(float* scores, int64_t keys, int64_t columns) {
    const int64_t last = columns - kLanes;
    Floats most = first_lanes(keys - last, load(scores + last), -__builtin_inff());
    store(scores + last, most);
    for (int64_t j = 0; j < last; j += kLanes) {
        const Floats x = load(scores + j);
        most = x > most ? x : most;
    }
    return -least_of(-most);
}

/// Scores of `queries` [columns] to e^(score - their largest); `sums` are those of the rows. The largest are found for
/// all rows first, so that no row waits for its own.
inline void soften(float* scores, int64_t queries, int64_t keys, int64_t columns, float* sums) {
    for (int64_t r = 0; r < queries; ++r) sums[r] = largest(scores + r * columns, keys, columns);
    for (int64_t r = 0; r < queries; ++r) {
        float* row = scores + r * columns;
        const float top = sums[r];
        Floats sum{};
        for (int64_t j = 0; j < columns; j += kLanes) {
            const Floats x = exp_of(load(row + j) - top);
            store(row + j, x);
            sum += x;
        }
        sums[r] = sum_of(sum);
    }
}

/// kLanes rows of as many floats at `from` to columns at `to`.
DNABERT_INLINE void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    Floats rows[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) rows[i] = load(from + i * from_stride);
    swap_blocks<1>(rows);
    for (int64_t i = 0; i < kLanes; ++i) store(to + i * to_stride, rows[i]);
}

/// `count` rows of `width` values to fp32 rows of `padded`, times `scale`; 0 in what lies beyond, up to `rows`.
template <class T>
DNABERT_INLINE void copy_rows(const T* from, int64_t stride, int64_t count, int64_t width, float scale, float* to,
                              int64_t rows, int64_t padded) {
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < padded; c += kLanes) {
            const int64_t there = r < count ? (width - c < kLanes ? width - c : kLanes) : 0;
            store(to + r * padded + c, load(from + r * stride + c, there) * scale);
        }
    }
}

DNABERT_INLINE int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/// Keys and values of a head of a piece as the products want them: blocks of kBlock columns, each [depth, kBlock].
/// Keys are transposed: a column is a key. Values are cut: a column is one of the head's.
struct HeadCopy {
    float* rows;
    float* keys;
    float* values;

    template <class T>
    DNABERT_INLINE void fill(const T* key, const T* value, int64_t stride, int64_t length, int64_t width) const {
        const int64_t padded = round_up(width, kLanes), columns = round_up(length, kLanes);
        copy_rows(key, stride, length, width, 1.0f, rows, columns, padded);
        for (int64_t j = 0; j < columns; j += kLanes) {
            float* block = keys + j / kBlock * kBlock * padded + j % kBlock;
            for (int64_t c = 0; c < padded; c += kLanes)
                transpose(rows + j * padded + c, padded, block + c * kBlock, kBlock);
        }
        for (int64_t c = 0; c < padded; c += kLanes) {
            const int64_t count = width - c < kLanes ? width - c : kLanes;
            float* block = values + c / kBlock * kBlock * length + c % kBlock;
            for (int64_t j = 0; j < length; ++j) store(block + j * kBlock, load(value + j * stride + c, count));
        }
    }
};

/// Heads of pieces [first, last), numbered piece · heads + head, of operands of type T.
template <class T>
inline void attend(const Attention& job, int64_t first, int64_t last) {
    const int64_t width = job.width, padded = round_up(width, kLanes), blocks = round_up(width, kBlock);
    int64_t longest = 0;
    for (int64_t piece = first / job.heads; piece <= (last - 1) / job.heads; ++piece) {
        const int64_t length = job.bounds[piece + 1] - job.bounds[piece];
        longest = length > longest ? length : longest;
    }
    longest = round_up(longest, kBlock);
    const Scratch rows(longest * padded), keys(longest * padded), values(longest * blocks);
    const Scratch tile(kTile * padded), scores(kTile * longest), sums(kTile);
    const HeadCopy copy{rows.data, keys.data, values.data};
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(width));
    for (int64_t item = first; item < last; ++item) {
        const int64_t piece = item / job.heads, at = item % job.heads * width;
        const int64_t begin = job.bounds[piece], length = job.bounds[piece + 1] - begin;
        const int64_t columns = round_up(length, kLanes);
        const int64_t from = job.query_bounds[piece], to = job.query_bounds[piece + 1];
        if (from == to) continue;
        const int64_t first_key = begin * job.key_stride + at;
        copy.fill(static_cast<const T*>(job.key) + first_key, static_cast<const T*>(job.value) + first_key,
                  job.key_stride, length, width);
        for (int64_t row = from; row < to; row += kTile) {
            const int64_t queries = to - row < kTile ? to - row : kTile;
            copy_rows(static_cast<const T*>(job.query) + row * job.query_stride + at, job.query_stride, queries, width,
                      scale, tile.data, round_up(queries, kRows), padded);
            for (int64_t c = 0; c < columns; c += kBlock) {
                const int64_t count = columns - c < kBlock ? columns - c : kBlock;
                multiply_block(tile.data, padded, keys.data + c * padded, queries, padded, count, scores.data + c,
                               columns, false);
            }
            soften(scores.data, queries, length, columns, sums.data);
            for (int64_t c = 0; c < padded; c += kBlock) {
                const int64_t count = padded - c < kBlock ? padded - c : kBlock;
                for (int64_t j = 0; j < length; j += kDepth) {
                    const int64_t depth = length - j < kDepth ? length - j : kDepth;
                    multiply_block(scores.data + j, columns, values.data + c * length + j * kBlock, queries, depth,
                                   count, tile.data + c, padded, j > 0);
                }
            }
            for (int64_t r = 0; r < queries; ++r) {
                T* out = static_cast<T*>(job.out) + (row + r) * job.out_stride + at;
                const float share = 1.0f / sums.data[r];
                for (int64_t c = 0; c < width; c += kLanes) {
                    const int64_t count = width - c < kLanes ? width - c : kLanes;
                    store(out + c, load(tile.data + r * padded + c) * share, count);
                }
            }
        }
    }
}

inline void attention(const Attention& job, int64_t first, int64_t last) {
    if (job.bf16) {
        attend<uint16_t>(job, first, last);
    } else {
        attend<float>(job, first, last);
    }
}
