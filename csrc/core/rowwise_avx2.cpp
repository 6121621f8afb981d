// The row steps and attention with AVX2 and FMA.
#include <utility>

#include "core/rowwise_kernels.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wpedantic"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace dnabert {

namespace {

constexpr int kLanes = 8;
// Rows of a tile of a product that fits in the registers, and its vectors of columns.
constexpr int64_t kRows = 6;
constexpr int64_t kColumns = 2;

#include "core/attention_body.hpp"
#include "core/rowwise_body.hpp"
}  // namespace

RowKernels avx2_rows() {
    return {rows, attention};
}

}  // namespace dnabert

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
