#include "core/vcf_splice.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"
#include "core/vcf_text.hpp"

namespace dnabert {

namespace {

char* put(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

/// Whether one ';'-separated part of INFO is a field of ours.
bool is_ours(std::string_view part, const VcfFields& fields) {
    const std::string_view key = part.substr(0, part.find('='));
    return (!fields.flag_field.empty() && key == fields.flag_field) ||
           std::find(fields.names.begin(), fields.names.end(), key) != fields.names.end();
}

/// Calls part(text) for each ';'-separated part of INFO.
template <class Part>
void each_part(std::string_view info, Part part) {
    for (size_t at = 0;;) {
        const size_t stop = info.find(';', at);
        part(info.substr(at, stop == std::string_view::npos ? stop : stop - at));
        if (stop == std::string_view::npos) return;
        at = stop + 1;
    }
}

bool holds_ours(std::string_view info, const VcfFields& fields) {
    bool found = false;
    each_part(info, [&](std::string_view part) { found |= is_ours(part, fields); });
    return found;
}

/// INFO without our fields; empty when nothing is left.
char* put_others(char* out, std::string_view info, const VcfFields& fields) {
    bool first = true;
    each_part(info, [&](std::string_view part) {
        if (is_ours(part, fields)) return;
        if (!first) *out++ = ';';
        first = false;
        out = put(out, part);
    });
    return out;
}

char* put_reasons(char* out, uint32_t flags, const std::vector<std::string>& reasons) {
    if (flags == 0) *out++ = '.';
    bool first = true;
    for (size_t i = 0; i < reasons.size(); ++i) {
        if ((flags >> i & 1) == 0) continue;
        if (!first) *out++ = '&';
        first = false;
        out = put(out, reasons[i]);
    }
    return out;
}

/// Our fields for alleles [from, to) of `alleles`; `first` says that INFO is empty so far.
char* put_fields(char* out, const VcfFields& fields, size_t alleles, size_t from, size_t to, bool first) {
    auto begin = [&](const std::string& name) {
        if (!first) *out++ = ';';
        first = false;
        out = put(out, name);
        *out++ = '=';
    };
    for (size_t f = 0; f < fields.names.size(); ++f) {
        begin(fields.names[f]);
        for (size_t a = from; a < to; ++a) {
            if (a > from) *out++ = ',';
            out = write_float(out, fields.values[f * alleles + a]);
        }
    }
    if (!fields.flag_field.empty()) {
        begin(fields.flag_field);
        for (size_t a = from; a < to; ++a) {
            if (a > from) *out++ = ',';
            out = put_reasons(out, fields.flags[a], fields.reasons);
        }
    }
    return out;
}

/// The most bytes the result can have.
size_t bound(size_t text, size_t records, std::span<const int32_t> record, const VcfFields& fields) {
    size_t names = fields.flag_field.size() + 3;
    for (const std::string& name : fields.names) names += name.size() + 3;
    size_t reasons = 2;
    for (const std::string& reason : fields.reasons) reasons += reason.size() + 1;
    return text + records * names + record.size() * (fields.names.size() * (kFloatChars + 1) + reasons);
}

void check(std::string_view text, std::span<const int64_t> columns, std::span<const int32_t> record,
           const VcfFields& fields) {
    check_columns(text, columns);
    int32_t last = -1;
    for (int32_t r : record) {
        if (r < last || r > last + 1)
            throw std::invalid_argument("each record needs an allele, in the order of records");
        last = r;
    }
    if (last + 1 != static_cast<int64_t>(columns.size() / VcfColumns::kWidth))
        throw std::invalid_argument("each record needs an allele");
    if (fields.reasons.size() > 32) throw std::invalid_argument("there can be at most 32 reasons");
    for (size_t i = 0; i < fields.names.size() * record.size(); ++i) {
        if (std::isinf(fields.values[i])) throw std::invalid_argument("values must be finite or NaN");
    }
}

}  // namespace

Bytes splice_vcf(std::string_view text, std::span<const int64_t> columns, std::span<const int32_t> record,
                 const VcfFields& fields, std::string_view path) {
    check(text, columns, record, fields);
    const size_t records = columns.size() / VcfColumns::kWidth;
    Bytes result(bound(text.size(), records, record, fields));
    char* const begin = reinterpret_cast<char*>(result.data());
    char* out = begin;
    size_t done = 0;  // bytes of the text written so far
    size_t allele = 0;
    for (size_t i = 0; i < records; ++i) {
        const int64_t* c = columns.data() + i * VcfColumns::kWidth;
        const auto start = static_cast<size_t>(c[VcfColumns::info]);
        const auto stop = static_cast<size_t>(c[VcfColumns::info_end]);
        const std::string_view info = text.substr(start, stop - start);
        out = put(out, text.substr(done, start - done));
        const char* const info_at = out;
        if (holds_ours(info, fields)) {
            if (!fields.overwrite) {
                const std::string_view chrom =
                    text.substr(static_cast<size_t>(c[0]), static_cast<size_t>(c[1] - 1 - c[0]));
                const std::string_view pos =
                    text.substr(static_cast<size_t>(c[1]), static_cast<size_t>(c[2] - 1 - c[1]));
                fail(path, "the record at " + excerpt(chrom) + ":" + excerpt(pos) +
                               " already holds a field of ours; use --overwrite to replace it");
            }
            out = put_others(out, info, fields);
            if (std::string_view(info_at, static_cast<size_t>(out - info_at)) == ".") --out;
        } else if (info != ".") {
            out = put(out, info);
        }
        const size_t from = allele;
        while (allele < record.size() && record[allele] == static_cast<int32_t>(i)) ++allele;
        out = put_fields(out, fields, record.size(), from, allele, out == info_at);
        if (out == info_at) *out++ = '.';
        done = stop;
    }
    out = put(out, text.substr(done));
    result.resize(static_cast<size_t>(out - begin));
    return result;
}

}  // namespace dnabert
