#include "core/table_rows.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace dnabert {

namespace {

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

}  // namespace

bool same_bases(std::string_view one, std::string_view other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [](char a, char b) { return upper(a) == upper(b); });
}

std::string_view table_cell(std::string_view line, size_t& at) {
    if (at > line.size()) return {};
    const size_t tab = std::min(line.find('\t', at), line.size());
    const std::string_view found = line.substr(at, tab - at);
    at = tab + 1;
    return found;
}

void TableRows::clear() {
    text_.clear();
    rows_.clear();
}

void TableRows::hold(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    text_ += line;
    rows_.push_back(text_.size());
}

TableHit TableRows::match(int64_t start, std::string_view deleted, std::string_view inserted) {
    TableHit hit = TableHit::absent;
    size_t begin = 0;
    for (const size_t end : rows_) {
        const std::string_view line(text_.data() + begin, end - begin);
        begin = end;
        size_t at = 0;
        table_cell(line, at);
        table_cell(line, at);
        const std::string_view ref = table_cell(line, at);
        const std::string_view alt = table_cell(line, at);
        rest_ = at <= line.size() ? line.substr(at) : std::string_view();
        if (deleted.empty() != inserted.empty()) {
            // An insertion or deletion has the base before it, or at a contig's start the one behind, in both alleles.
            if (ref.empty() || alt.empty()) continue;
            const auto rest = [&](std::string_view allele) {
                return start == 0 ? allele.substr(0, allele.size() - 1) : allele.substr(1);
            };
            const bool anchored = start == 0 ? upper(ref.back()) == upper(alt.back()) : upper(ref[0]) == upper(alt[0]);
            if (anchored && same_bases(rest(ref), deleted) && same_bases(rest(alt), inserted)) {
                return TableHit::found;
            }
        } else if (same_bases(ref, deleted)) {
            if (same_bases(alt, inserted)) return TableHit::found;
            hit = TableHit::other_alt;
        } else if (hit == TableHit::absent && !deleted.empty() && !ref.empty() && upper(ref[0]) != upper(deleted[0])) {
            hit = TableHit::other_ref;
        }
    }
    return hit;
}

std::string TableRows::numbers(std::span<const int32_t> columns, const std::vector<std::string>& names,
                               std::span<float> values, size_t at, size_t n) const {
    // `columns` ascend, so one walk along the row finds all.
    size_t stop = 0;
    int32_t column = 4;
    for (size_t c = 0; c < columns.size(); ++c) {
        std::string_view text;
        for (; column <= columns[c]; ++column) {
            if (rest_.data() == nullptr || stop > rest_.size()) {
                return std::to_string(column) + " columns, but the header names " + std::to_string(names.size());
            }
            text = table_cell(rest_, stop);
        }
        float value = std::numeric_limits<float>::quiet_NaN();
        if (!text.empty() && text != "." && text != "NA" && text != "nan") {
            const char* const end = text.data() + text.size();
            auto read = std::from_chars(text.data(), end, value);
            if (double wide = 0; read.ec == std::errc::result_out_of_range) {  // of a float; 1e-50 is nearly 0
                read = std::from_chars(text.data(), end, wide);
                value = static_cast<float>(wide);
            }
            if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value)) {
                return "'" + excerpt(text) + "' in column " + names[static_cast<size_t>(columns[c])] +
                       ", which is no number";
            }
        }
        values[c * n + at] = value;
    }
    return {};
}

}  // namespace dnabert
