#include "core/vcf_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <unordered_map>

#include "core/error.hpp"

namespace dnabert {

namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kTailBytes = size_t{1} << 16;  // what a record is read by behind the last section wanted

std::string_view as_text(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

VcfText::VcfText(const std::string& path, int64_t section_bytes) : source_(path), section_bytes_(section_bytes) {
    if (section_bytes < 1) throw std::invalid_argument("a section has at least one byte");
    buffer_.resize(2 * kReadBytes);
    read_header();
}

/// Reads on; the bytes not used yet move to the front. False at the end of the file.
bool VcfText::more() {
    if (at_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
        end_ -= at_;
        at_ = 0;
    }
    if (buffer_.size() - end_ < kReadBytes) buffer_.resize(2 * buffer_.size());
    const int64_t left = stop_ - offset_ - static_cast<int64_t>(end_);
    const size_t wanted = left <= 0 ? kTailBytes : static_cast<size_t>(std::min<int64_t>(kReadBytes, left));
    const size_t got = source_.read(buffer_.data() + end_, wanted);
    end_ += got;
    return got > 0;
}

/// One past the '\n' of the line that starts `from` bytes after at_, relative to at_; the end of the file for the last
/// line, and `from` when there is none.
size_t VcfText::line_end(size_t from) {
    for (size_t seen = from;;) {
        const auto* newline =
            static_cast<const uint8_t*>(std::memchr(buffer_.data() + at_ + seen, '\n', end_ - at_ - seen));
        if (newline) return static_cast<size_t>(newline - buffer_.data()) + 1 - at_;
        seen = end_ - at_;
        if (!more()) return seen;
    }
}

void VcfText::read_header() {
    bool ended = false;
    for (;;) {
        const size_t size = line_end(0);
        std::string_view line = as_text(buffer_.data() + at_, size);
        if (line_ == 1) {
            if (line.empty()) fail(path(), "is empty; name a VCF file");
            if (line.starts_with("BCF\2")) fail(path(), "is BCF; convert it to VCF (bcftools view)");
            if (line.starts_with("\xef\xbb\xbf")) fail(path(), "starts with a byte order mark; save it as plain text");
            if (line.starts_with(">")) fail(path(), "is FASTA where a VCF is needed");
            if (!line.starts_with("##") && !line.starts_with("#CHROM")) {
                fail(path(), 1,
                     "is not a VCF header ('" + excerpt(line.substr(0, line.find_first_of("\r\n"))) +
                         "'); a VCF starts with ##fileformat=VCF");
            }
        }
        if (!line.starts_with("#")) break;
        if (ended) fail(path(), line_, "is a header line behind the #CHROM line; put it before that");
        ended = line.starts_with("#CHROM");
        header_ += line;
        step(size);
        ++line_;
    }
    if (!ended) fail(path(), line_, "the header ends without its #CHROM line; add it, with tabs between the columns");
}

/// Leaves that many bytes of the buffer behind.
void VcfText::step(size_t bytes) {
    at_ += bytes;
    offset_ += static_cast<int64_t>(bytes);
}

void VcfText::enter(int64_t first, int64_t end, int64_t stored, int64_t within) {
    const auto header = static_cast<int64_t>(header_.size());
    const bool fresh = stop_ == INT64_MAX && offset_ == header;
    if (first < 0 || end <= first || end > INT64_MAX / section_bytes_ || (!fresh && first * section_bytes_ < stop_)) {
        throw std::invalid_argument("sections must ascend");
    }
    const int64_t start = first * section_bytes_;
    stop_ = end * section_bytes_;
    if (start <= header) return;  // the first record is the next one anyway
    source_.seek(stored, within);
    at_ = end_ = 0;
    offset_ = start - 1;
    line_ = 0;
    step(line_end(0));  // the rest of a line that began before; its '\n' alone where a line starts with the section
}

/// Whether only ends of lines come `from` bytes after at_ or later.
bool VcfText::only_blanks(size_t from) {
    for (;; ++from) {
        if (from == end_ - at_ && !more()) return true;
        const uint8_t c = buffer_[at_ + from];
        if (c != '\n' && c != '\r') return false;
    }
}

bool VcfText::next(size_t max_records, VcfLines& lines) {
    if (max_records == 0) throw std::invalid_argument("max_records must be at least 1");
    lines.first_line = line_;
    lines.section = offset_ / section_bytes_;
    const int64_t stop = std::min(stop_, (lines.section + 1) * section_bytes_);
    size_t size = 0;
    for (size_t count = 0; count < max_records && offset_ + static_cast<int64_t>(size) < stop; ++count) {
        const size_t end = line_end(size);
        if (end == size) break;
        const uint8_t* line = buffer_.data() + at_ + size;
        if (line[0] == '\n' || line[0] == '\r') {
            // Empty lines at the very end are no records; anywhere else something is missing.
            if (!only_blanks(end)) {
                if (line_ > 0) fail(path(), line_, "is an empty line between records; remove it");
                fail(path(), "has an empty line between records, at byte " +
                                 std::to_string(offset_ + static_cast<int64_t>(size)) + " of its text; remove it");
            }
            lines.text = as_text(buffer_.data() + at_, size);
            step(end_ - at_);
            return size > 0;
        }
        size = end;
        if (line_ > 0) ++line_;
    }
    lines.text = as_text(buffer_.data() + at_, size);
    step(size);
    return size > 0;
}

namespace {

/// "path:line: what", or the record by its first two columns where the line has no number.
[[noreturn]] void fail_record(std::string_view path, int64_t line, std::string_view record, const std::string& what) {
    if (line > 0) fail(path, line, what);
    std::string name(record.substr(0, record.find('\t', record.find('\t') + 1)));
    std::replace(name.begin(), name.end(), '\t', ':');
    fail(path, "the record at " + excerpt(name) + ": " + what);
}

/// Splits the record text[from, end) into `columns`; says which it is when it cannot.
int64_t split_record(std::string_view text, size_t from, size_t end, int64_t* columns, std::string_view path,
                     int64_t line) {
    const char* base = text.data();
    const size_t stop = end > from && base[end - 1] == '\r' ? end - 1 : end;
    const std::string_view record = text.substr(from, stop - from);
    size_t at = from;
    for (size_t column = 0; column < 7; ++column) {
        columns[column] = static_cast<int64_t>(at);
        const auto* tab = static_cast<const char*>(std::memchr(base + at, '\t', stop - at));
        if (!tab) {
            if (base[from] == '#')
                fail_record(path, line, record, "is a header line behind the first record; put it before that");
            fail_record(path, line, record,
                        "has " + std::to_string(column + 1) +
                            " column(s); a VCF record has at least 8, with tabs between them");
        }
        at = static_cast<size_t>(tab - base) + 1;
    }
    columns[VcfColumns::info] = static_cast<int64_t>(at);
    const auto* tab = static_cast<const char*>(std::memchr(base + at, '\t', stop - at));
    columns[VcfColumns::info_end] = static_cast<int64_t>(tab ? static_cast<size_t>(tab - base) : stop);
    auto column = [&](size_t i) {
        return text.substr(static_cast<size_t>(columns[i]), static_cast<size_t>(columns[i + 1] - columns[i] - 1));
    };
    for (auto [i, name] : {std::pair{VcfColumns::chrom, "CHROM"}, {VcfColumns::ref, "REF"}, {VcfColumns::alt, "ALT"}}) {
        if (column(i).empty())
            fail_record(path, line, record, std::string(name) + " is empty; correct or remove the record");
    }
    int64_t pos = 0;
    if (!read_integer(column(VcfColumns::position), pos) || pos > int64_t{1} << 40) {
        fail_record(
            path, line, record,
            "POS is '" + excerpt(column(VcfColumns::position)) + "', not a position; correct or remove the record");
    }
    return pos;
}

constexpr auto kLetters = [] {
    std::array<uint8_t, 256> table{};  // 1 A C G T, 2 another IUPAC letter, 0 anything else
    for (char c : {'A', 'C', 'G', 'T'}) table[static_cast<uint8_t>(c)] = table[static_cast<uint8_t>(c | 0x20)] = 1;
    for (char c : {'R', 'Y', 'S', 'W', 'K', 'M', 'B', 'D', 'H', 'V', 'N'}) {
        table[static_cast<uint8_t>(c)] = table[static_cast<uint8_t>(c | 0x20)] = 2;
    }
    return table;
}();

}  // namespace

VcfColumns split_vcf(std::string_view text, int64_t first_line, std::string_view path) {
    VcfColumns out;
    const auto guess = static_cast<size_t>(text.size() / 48 + 1);
    out.columns.reserve(guess * VcfColumns::kWidth);
    out.pos.reserve(guess);
    for (size_t at = 0; at < text.size();) {
        const auto* newline = static_cast<const char*>(std::memchr(text.data() + at, '\n', text.size() - at));
        const size_t end = newline ? static_cast<size_t>(newline - text.data()) : text.size();
        const auto line = first_line > 0 ? first_line + static_cast<int64_t>(out.pos.size()) : 0;
        out.columns.resize(out.columns.size() + VcfColumns::kWidth);
        int64_t* columns = out.columns.data() + out.columns.size() - VcfColumns::kWidth;
        out.pos.push_back(split_record(text, at, end, columns, path, line));
        at = end + 1;
    }
    return out;
}

AlleleKind allele_kind(std::string_view alt) {
    uint8_t seen = 0;
    for (char c : alt) seen |= kLetters[static_cast<uint8_t>(c)] == 0 ? 4 : kLetters[static_cast<uint8_t>(c)];
    if (alt.empty()) return AlleleKind::invalid;
    if (seen == 1) return AlleleKind::bases;
    if (seen < 4) return AlleleKind::ambiguous;
    if (alt == "*") return AlleleKind::star;
    if (alt == ".") return AlleleKind::none;
    if (alt == "<NON_REF>" || alt == "<*>") return AlleleKind::non_ref;
    if (alt.find_first_of("[]") != std::string_view::npos) return AlleleKind::breakend;
    if (alt.front() == '.' || alt.back() == '.') return AlleleKind::breakend;
    if (alt.back() == '>' && alt.find('<') != std::string_view::npos) return AlleleKind::symbolic;
    return AlleleKind::invalid;
}

void check_columns(std::string_view text, std::span<const int64_t> columns) {
    const bool whole = columns.size() % VcfColumns::kWidth == 0;
    bool good =
        whole && (columns.empty() || (columns.front() >= 0 && columns.back() <= static_cast<int64_t>(text.size())));
    for (size_t i = 1; good && i < columns.size(); ++i) {
        // Columns have their tab between them; only INFO ends where it ends.
        const bool tab = i % VcfColumns::kWidth != 0 && i % VcfColumns::kWidth != VcfColumns::info_end;
        good = columns[i] >= columns[i - 1] + tab;
    }
    if (!good) throw std::invalid_argument("columns do not belong to the text");
}

VcfAlleles split_alleles(std::string_view text, std::span<const int64_t> columns) {
    check_columns(text, columns);
    VcfAlleles out;
    for (size_t i = 0; i < columns.size() / VcfColumns::kWidth; ++i) {
        const int64_t* c = columns.data() + i * VcfColumns::kWidth;
        const auto end = static_cast<size_t>(c[VcfColumns::qual] - 1);
        for (auto at = static_cast<size_t>(c[VcfColumns::alt]);;) {
            const auto* comma = static_cast<const char*>(std::memchr(text.data() + at, ',', end - at));
            const size_t stop = comma ? static_cast<size_t>(comma - text.data()) : end;
            out.record.push_back(static_cast<int32_t>(i));
            out.start.push_back(static_cast<int64_t>(at));
            out.end.push_back(static_cast<int64_t>(stop));
            out.kind.push_back(static_cast<uint8_t>(allele_kind(text.substr(at, stop - at))));
            if (!comma) break;
            at = stop + 1;
        }
    }
    return out;
}

VcfContigs vcf_contigs(std::string_view text, std::span<const int64_t> columns) {
    check_columns(text, columns);
    VcfContigs out;
    std::unordered_map<std::string_view, int32_t> codes;
    std::string_view last;
    for (size_t i = 0; i < columns.size() / VcfColumns::kWidth; ++i) {
        const int64_t* c = columns.data() + i * VcfColumns::kWidth;
        std::string_view name = text.substr(static_cast<size_t>(c[0]), static_cast<size_t>(c[1] - 1 - c[0]));
        if (i == 0 || name != last) {
            auto [found, added] = codes.emplace(name, static_cast<int32_t>(out.names.size()));
            if (added) out.names.emplace_back(name);
            out.code.push_back(found->second);
            last = name;
        } else {
            out.code.push_back(out.code.back());
        }
    }
    return out;
}

}  // namespace dnabert
