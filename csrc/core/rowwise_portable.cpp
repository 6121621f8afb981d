// The row steps and attention for any machine: what the others are tested against.
#include <utility>

#include "core/rowwise_kernels.hpp"

#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wpedantic"

namespace dnabert {

namespace {

constexpr int kLanes = 4;
// Rows of a tile of a product that fits in the registers, and its vectors of columns.
constexpr int64_t kRows = 4;
constexpr int64_t kColumns = 2;

#include "core/attention_body.hpp"
#include "core/rowwise_body.hpp"
}  // namespace

RowKernels portable_rows() {
    return {rows, attention};
}

}  // namespace dnabert
