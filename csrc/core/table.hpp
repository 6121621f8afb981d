// Columns to tab-separated text: TSV, BED, bedGraph. Knows nothing of their headers.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "core/number.hpp"

namespace dnabert {

/// n strings, one after the other: string i is bytes[offsets[i], offsets[i + 1]).
struct TextColumn {
    std::span<const uint8_t> bytes;
    std::span<const int64_t> offsets;
};

using TableColumn =
    std::variant<TextColumn, std::span<const int64_t>, std::span<const int32_t>, std::span<const float>>;

/// One line a row; floats with six significant digits, NaN as '.'. std::invalid_argument for columns of other lengths.
Bytes format_table(const std::vector<TableColumn>& columns, size_t rows);

}  // namespace dnabert
