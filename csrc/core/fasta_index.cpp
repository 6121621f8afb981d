#include "core/fasta_index.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "core/error.hpp"
#include "core/number.hpp"

namespace dnabert {

namespace {

/// Follows the lines of one contig and notices the first that breaks its even layout.
struct Lines {
    int64_t bases = 0;  // in the present line so far
    int64_t start = 0;  // of the present line
    bool in_line = false;
    bool ended = false;  // a shorter line was seen: only blank lines may follow

    /// False when the layout is not even.
    bool add(const FastaPiece& piece, FastaContig& contig) {
        if (!in_line) {
            start = piece.offset;
            bases = 0;
            in_line = true;
        }
        bases += static_cast<int64_t>(piece.size);
        if (!piece.line_ends) return true;
        return finish(contig, piece.next);
    }

    bool finish(FastaContig& contig, int64_t next) {
        in_line = false;
        if (bases == 0) {
            ended = contig.length > 0;
            return true;
        }
        if (ended) return false;
        const int64_t width = next - start;
        if (contig.length == 0) {
            contig.offset = start;
            contig.line_bases = bases;
            contig.line_width = width;
        }
        if (bases > contig.line_bases) return false;
        ended = bases < contig.line_bases || width != contig.line_width;
        contig.length += bases;
        return true;
    }
};

int64_t end_of(const FastaContig& contig) {
    return contig.length == 0 ? contig.offset : contig.place(contig.length - 1) + 1;
}

bool all_space(const uint8_t* data, size_t size) {
    return std::all_of(data, data + size, [](uint8_t c) { return c == '\n' || c == '\r'; });
}

/// Whether the contig's header stands before its bases and its sampled lines end where they should.
bool contig_fits(const FastaContig& contig, const RandomBytes& file, std::vector<uint8_t>& scratch) {
    constexpr int64_t kLook = 4096;  // enough for a header; a longer one is not looked at
    const int64_t from = std::max<int64_t>(0, contig.offset - kLook);
    const auto size = static_cast<size_t>(contig.offset - from);
    std::string_view before(reinterpret_cast<const char*>(file.at(from, size, scratch)), size);
    if (before.empty() || before.back() != '\n') return false;
    const size_t mark = before.substr(0, before.find_last_not_of("\r\n") + 1).rfind('\n');
    if (mark != std::string_view::npos || from == 0) {
        std::string_view header = before.substr(mark == std::string_view::npos ? 0 : mark + 1);
        if (!header.starts_with(">")) return false;
        header.remove_prefix(std::min(header.size(), header.find_first_not_of(" \t", 1)));
        if (header.substr(0, header.find_first_of(" \t\r\n")) != contig.name) return false;
    }
    if (contig.length == 0) return true;
    const int64_t lines = (contig.length - 1) / contig.line_bases;  // that end before the last one
    for (int64_t i = 0; i < std::min<int64_t>(lines, 8); ++i) {
        const int64_t line = lines <= 8 ? i : i * (lines - 1) / 7;
        const int64_t at = contig.offset + line * contig.line_width + contig.line_bases - 1;
        const auto count = static_cast<size_t>(contig.line_width - contig.line_bases) + 2;
        const uint8_t* text = file.at(at, count, scratch);
        if (text[0] <= ' ' || text[count - 1] <= ' ' || !all_space(text + 1, count - 2)) return false;
    }
    const int64_t end = end_of(contig);
    const uint8_t* last = file.at(end - 1, end < file.size() ? 2 : 1, scratch);
    return last[0] > ' ' && (end == file.size() || last[1] == '\n' || last[1] == '\r');
}

}  // namespace

FastaIndex index_fasta(FastaReader& reader) {
    FastaIndex index;
    FastaPiece piece;
    Lines lines;
    auto close = [&] {
        if (lines.in_line) index.even &= lines.finish(index.contigs.back(), reader.offset());
        lines = {};
    };
    while (reader.next(piece)) {
        if (piece.kind == FastaPiece::Kind::record) {
            close();
            index.contigs.push_back({.name = std::string(piece.name), .offset = piece.next});
        } else {
            index.even &= lines.add(piece, index.contigs.back());
        }
    }
    close();
    return index;
}

std::string index_text(const std::vector<FastaContig>& contigs) {
    std::string out;
    for (const FastaContig& c : contigs) {
        out += c.name + '\t' + std::to_string(c.length) + '\t' + std::to_string(c.offset) + '\t' +
               std::to_string(c.line_bases) + '\t' + std::to_string(c.line_width) + '\n';
    }
    return out;
}

bool read_index(std::string_view text, std::vector<FastaContig>& contigs) {
    contigs.clear();
    while (!text.empty()) {
        const size_t newline = text.find('\n');
        if (newline == std::string_view::npos) return false;
        std::string_view line = text.substr(0, newline);
        text.remove_prefix(newline + 1);
        FastaContig contig;
        int64_t* const numbers[] = {&contig.length, &contig.offset, &contig.line_bases, &contig.line_width};
        size_t tab = line.find('\t');
        contig.name = line.substr(0, tab);
        for (int64_t* number : numbers) {
            if (tab == std::string_view::npos) return false;
            line.remove_prefix(tab + 1);
            tab = line.find('\t');
            if (!read_integer(line.substr(0, tab), *number)) return false;
        }
        if (tab != std::string_view::npos || contig.name.empty()) return false;
        contigs.push_back(std::move(contig));
    }
    return !contigs.empty();
}

bool index_fits(const std::vector<FastaContig>& contigs, const RandomBytes& file) {
    int64_t end = 0;
    for (const FastaContig& c : contigs) {
        const bool empty = c.length == 0 && c.offset <= file.size();
        if (!empty && (c.line_bases <= 0 || c.line_width < c.line_bases || c.line_width > c.line_bases + 2))
            return false;
        // Bounds first, so that no product below can overflow.
        if (c.length > file.size() || c.offset > file.size() || c.line_bases > file.size()) return false;
        if (end_of(c) > file.size()) return false;
        end = std::max(end, end_of(c));
    }
    std::vector<uint8_t> scratch;
    const auto rest = static_cast<size_t>(std::min<int64_t>(file.size() - end, 4096));
    if (!all_space(file.at(end, rest, scratch), rest)) return false;
    const size_t step = std::max<size_t>(1, contigs.size() / 64);
    for (size_t i = 0; i < contigs.size(); i += step) {
        if (!contig_fits(contigs[i], file, scratch)) return false;
    }
    return contig_fits(contigs.back(), file, scratch);
}

std::vector<std::string> names_of(const std::vector<FastaContig>& contigs) {
    std::vector<std::string> names;
    for (const FastaContig& contig : contigs) names.push_back(contig.name);
    return names;
}

void check_names(const std::vector<std::string>& names, const std::string& path) {
    std::unordered_set<std::string_view> seen;
    for (const std::string& name : names) {
        if (!std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; })) {
            fail(path, "has a sequence named '" + excerpt(name) + "'; names must be printable ASCII");
        }
        if (!seen.insert(name).second) fail(path, "has two sequences named " + name + "; names must differ");
    }
}

}  // namespace dnabert
