// What stands between the matrix products of a frozen encoder, row by row: dequantise, GELU, LayerNorm, quantise.
//
// A quantised row is u8 codes with a scale and an offset: x ≈ scale · code + low, from the row's smallest value (code
// 0) to its largest (code 255). A product of codes with s8 weights therefore misses a factor for each row and `low`
// times the weights' sum for each column; a step that reads one puts both in. Values that are not finite make the row's
// offset NaN, and so all that is computed from it.
#pragma once

#include <cstdint>

#include "core/cpu.hpp"

namespace dnabert {

/// Where a step's rows come from: fp32, bf16 (with its bias), or a product of codes where `scale` is given:
/// scale[row] · f32[row, column] + low[row] · sums[column] + bias[column]. Nothing at all: zeros (add_norm alone).
struct RowSource {
    const float* f32 = nullptr;
    const uint16_t* bf16 = nullptr;
    const float* scale = nullptr;
    const float* low = nullptr;
    const float* sums = nullptr;
    const float* bias = nullptr;
};

/// Where a step's rows go: fp32, bf16 (rounded to nearest even), codes with scale and offset, or nowhere.
struct RowSink {
    float* f32 = nullptr;
    uint16_t* bf16 = nullptr;
    uint8_t* codes = nullptr;
    float* scale = nullptr;
    float* low = nullptr;
};

enum class RowKind {
    convert,   // source to sink
    gelu,      // the exact GELU (erf within 4e-7)
    add_norm,  // stream := LayerNorm(source + stream), and that to the sink
};

/// One step over rows x width values. `stream` fp32 [rows, width], `weight` and `shift` [width] are add_norm's.
struct RowStep {
    RowKind kind = RowKind::convert;
    RowSource source;
    RowSink sink;
    float* stream = nullptr;
    const float* weight = nullptr;
    const float* shift = nullptr;
    float eps = 0;
    int64_t rows = 0;
    int64_t width = 0;
};

/// Runs a step; what a row gives depends on that row alone.
void run_rows(const RowStep& step, int threads = 1, Level level = best_level());

/// Softmax attention of heads side by side, in fp32 whatever the operands are. Piece i reads keys and values at rows
/// bounds[i] to bounds[i + 1] and writes for queries query_bounds[i] to query_bounds[i + 1]. Strides are in elements;
/// head h begins at element h · width of a row. All four arrays are fp32, or all are bf16.
struct Attention {
    const void* query = nullptr;
    const void* key = nullptr;
    const void* value = nullptr;
    void* out = nullptr;
    bool bf16 = false;
    int64_t query_stride = 0;
    int64_t key_stride = 0;
    int64_t out_stride = 0;
    const int32_t* query_bounds = nullptr;
    const int32_t* bounds = nullptr;
    int64_t pieces = 0;
    int64_t heads = 0;
    int64_t width = 0;
};

/// What a head of a piece gives depends on that piece alone.
void run_attention(const Attention& attention, int threads = 1, Level level = best_level());

}  // namespace dnabert
