#include "core/table.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace dnabert {

namespace {

/// The most bytes a column can take, separators included.
size_t bound(const TableColumn& column, size_t rows) {
    if (const auto* text = std::get_if<TextColumn>(&column)) return text->bytes.size() + rows;
    return rows * (kIntegerChars + 1);
}

void check(const TableColumn& column, size_t rows) {
    if (const auto* text = std::get_if<TextColumn>(&column)) {
        const auto& offsets = text->offsets;
        if (offsets.size() != rows + 1 || offsets.front() < 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
            offsets.back() > static_cast<int64_t>(text->bytes.size())) {
            throw std::invalid_argument("offsets must ascend inside the bytes, one more than there are rows");
        }
        return;
    }
    const size_t size = std::visit(
        [](const auto& values) -> size_t {
            if constexpr (requires { values.size(); }) return values.size();
            return 0;
        },
        column);
    if (size != rows) throw std::invalid_argument("every column must have one value a row");
}

char* put(char* out, const TableColumn& column, size_t row) {
    if (const auto* floats = std::get_if<std::span<const float>>(&column)) return write_float(out, (*floats)[row]);
    if (const auto* longs = std::get_if<std::span<const int64_t>>(&column)) return write_integer(out, (*longs)[row]);
    if (const auto* ints = std::get_if<std::span<const int32_t>>(&column)) return write_integer(out, (*ints)[row]);
    const auto& text = std::get<TextColumn>(column);
    const auto size = static_cast<size_t>(text.offsets[row + 1] - text.offsets[row]);
    std::memcpy(out, text.bytes.data() + text.offsets[row], size);
    return out + size;
}

}  // namespace

Bytes format_table(const std::vector<TableColumn>& columns, size_t rows) {
    size_t most = 0;
    for (const TableColumn& column : columns) {
        check(column, rows);
        most += bound(column, rows);
    }
    if (columns.empty()) throw std::invalid_argument("a table needs a column");
    Bytes result(most);
    char* const begin = reinterpret_cast<char*>(result.data());
    char* out = begin;
    for (size_t row = 0; row < rows; ++row) {
        for (const TableColumn& column : columns) {
            out = put(out, column, row);
            *out++ = '\t';
        }
        out[-1] = '\n';
    }
    result.resize(static_cast<size_t>(out - begin));
    return result;
}

}  // namespace dnabert
