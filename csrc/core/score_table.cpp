#include "core/score_table.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr size_t kStep = 1 << 14;  // bytes inflated at a time
constexpr size_t kHead = 1 << 10;  // of the next block, to see whether the rest of this one is needed
constexpr size_t kFooter = 8;      // CRC32 and ISIZE
constexpr std::string_view kLastBlock("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0\x03\0\0\0\0\0\0\0\0\0",
                                      28);  // SAM specification, 4.1.2

uint64_t little(const uint8_t* at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

std::string_view as_text(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

bool same_bases(std::string_view one, std::string_view other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [](char a, char b) { return upper(a) == upper(b); });
}

/// The column from `at` to the next tab, behind which `at` moves; empty where the line has ended.
std::string_view cell(std::string_view line, size_t& at) {
    if (at > line.size()) return {};
    const size_t tab = std::min(line.find('\t', at), line.size());
    const std::string_view found = line.substr(at, tab - at);
    at = tab + 1;
    return found;
}

/// The bytes of an index, checked against its end.
class Fields {
  public:
    Fields(std::string_view text, const std::string& path) : text_(text), path_(path) {}

    uint64_t number(size_t bytes) {
        const uint64_t value = little(reinterpret_cast<const uint8_t*>(take(bytes).data()), bytes);
        return value;
    }
    int64_t count() {
        const auto value = static_cast<int32_t>(number(4));
        if (value < 0 || static_cast<size_t>(value) > text_.size()) broken();
        return value;
    }
    std::string_view take(size_t bytes) {
        if (bytes > text_.size() - at_) broken();
        at_ += bytes;
        return text_.substr(at_ - bytes, bytes);
    }
    [[noreturn]] void broken() const { fail(path_, "is no whole index; make it anew: tabix -f -s1 -b2 -e2 TABLE"); }

  private:
    std::string_view text_;
    std::string path_;
    size_t at_ = 0;
};

/// Columns of the table and names of contigs, which both kinds of index hold in the same way.
void read_layout(Fields& fields, const std::string& path, std::vector<TableIndex::Contig>& contigs) {
    const uint64_t format = fields.number(4);
    const uint64_t sequence = fields.number(4);
    const uint64_t begin = fields.number(4);
    fields.take(12);  // column of the end, first letter of comments, lines to skip
    if (format != 0 || sequence != 1 || begin != 2) {
        fail(path, "is not an index of columns 1 and 2 counted from 1; make it anew: tabix -f -s1 -b2 -e2 TABLE");
    }
    std::string_view names = fields.take(static_cast<size_t>(fields.count()));
    while (!names.empty()) {
        const size_t stop = std::min(names.find('\0'), names.size());
        contigs.push_back({std::string(names.substr(0, stop)), 0, {}});
        names.remove_prefix(std::min(stop + 1, names.size()));
    }
}

}  // namespace

TableIndex TableIndex::read(const std::string& path) {
    Source source(path);
    std::string text;
    for (Bytes part(1 << 20);;) {
        const size_t got = source.read(part.data(), part.size());
        if (got == 0) break;
        text.append(as_text(part.data(), got));
    }
    TableIndex out;
    Fields fields(text, path);
    const std::string_view magic = fields.take(4);
    const bool csi = magic == std::string_view("CSI\1", 4);
    if (!csi && magic != std::string_view("TBI\1", 4)) fields.broken();
    int64_t depth = 5;
    int64_t refs = 0;
    if (csi) {
        out.shift = static_cast<int>(fields.number(4));
        depth = static_cast<int64_t>(fields.number(4));
        if (out.shift < 1 || out.shift > 30 || depth < 1 || depth > 8) fields.broken();
        if (fields.count() < 28) {
            fail(path, "is not an index of a table; make it anew: tabix -f -s1 -b2 -e2 TABLE");
        }
        read_layout(fields, path, out.contigs);
        refs = fields.count();
    } else {
        refs = fields.count();
        read_layout(fields, path, out.contigs);
    }
    if (refs != static_cast<int64_t>(out.contigs.size())) fields.broken();
    const uint64_t lowest = ((uint64_t{1} << 3 * depth) - 1) / 7;  // the first bin of a single tile
    const uint64_t bins = ((uint64_t{1} << 3 * (depth + 1)) - 1) / 7;
    for (Contig& contig : out.contigs) {
        contig.first = std::numeric_limits<uint64_t>::max();
        std::vector<uint64_t>& tiles = contig.tiles;
        for (int64_t left = fields.count(); left > 0; --left) {
            const uint64_t bin = fields.number(4);
            const uint64_t from = csi ? fields.number(8) : 0;
            for (int64_t chunks = fields.count(); chunks > 0; --chunks) {
                const uint64_t begin = fields.number(8);
                fields.take(8);
                if (bin < bins) contig.first = std::min(contig.first, begin);
            }
            if (csi && bin >= lowest && bin < bins) {
                const auto tile = static_cast<size_t>(bin - lowest);
                if (tiles.size() <= tile) tiles.resize(tile + 1, 0);
                tiles[tile] = from;
            }
        }
        if (!csi) {
            tiles.resize(static_cast<size_t>(fields.count()));
            for (uint64_t& tile : tiles) tile = fields.number(8);
        }
        // A tile without rows of its own is reached from the one before it.
        uint64_t before = contig.first;
        for (uint64_t& tile : tiles) before = tile = std::max(tile, before);
    }
    return out;
}

/// A BGZF block that is inflated a little at a time.
class ScoreTable::Block {
  public:
    Block(std::span<const uint8_t> file, size_t at, const std::string& path) : path_(path), at_(at) {
        const size_t size = at < file.size() ? bgzf_size(file.data() + at, file.size() - at) : 0;
        const size_t head = size == 0 ? 0 : 12 + static_cast<size_t>(little(file.data() + at + 10, 2));
        if (size < head + kFooter || size > file.size() - at || size == 0) damaged();
        next_ = at + size;
        crc_wanted_ = static_cast<uLong>(little(file.data() + next_ - 8, 4));
        left_ = static_cast<size_t>(little(file.data() + next_ - 4, 4));
        stream_.next_in = const_cast<uint8_t*>(file.data() + at + head);
        stream_.avail_in = static_cast<uInt>(size - head - kFooter);
        if (inflateInit2(&stream_, -15) != Z_OK) throw std::bad_alloc();
    }
    ~Block() { inflateEnd(&stream_); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    /// Writes up to `size` bytes and returns their number, 0 only at the end.
    size_t inflate(uint8_t* out, size_t size) {
        size = std::min(size, left_);
        if (size == 0) return 0;
        stream_.next_out = out;
        stream_.avail_out = static_cast<uInt>(size);
        const int status = ::inflate(&stream_, Z_SYNC_FLUSH);
        if ((status != Z_OK && status != Z_STREAM_END) || stream_.avail_out != 0) damaged();
        crc_ = crc32(crc_, out, static_cast<uInt>(size));
        left_ -= size;
        if (left_ == 0 && crc_ != crc_wanted_) damaged();
        return size;
    }

    size_t at() const { return at_; }
    size_t next() const { return next_; }
    bool done() const { return left_ == 0; }

  private:
    [[noreturn]] void damaged() const {
        fail(path_, "has no whole BGZF block at byte " + std::to_string(at_) +
                        ": it is damaged, or its index is of another file; index it anew, or copy it again");
    }

    const std::string& path_;
    size_t at_;
    size_t next_ = 0;
    size_t left_ = 0;
    uLong crc_ = 0;
    uLong crc_wanted_ = 0;
    z_stream stream_{};
};

/// The cells of a row that is held: those of REF and ALT, and all that follow.
struct ScoreTable::Row {
    std::string_view ref, alt, rest;
};

ScoreTable::ScoreTable(const std::string& path, const std::string& index) : path_(path), file_(path) {
    const auto bytes = file_.bytes();
    if (bytes.empty()) fail(path_, "is empty; name a table of scores");
    if (!is_bgzf(bytes.data(), bytes.size())) {
        const bool gzip = is_gzip(bytes.data(), bytes.size());
        fail(path_, std::string(gzip ? "is plain gzip" : "is not compressed") +
                        ", where a table of scores is BGZF; compress it with bgzip and index it: tabix -s1 -b2 -e2");
    }
    if (!as_text(bytes.data(), bytes.size()).ends_with(kLastBlock)) {
        fail(path_, "is truncated: it lacks the empty block that ends a BGZF file; copy or download it again");
    }
    if (index.empty()) fail(path_, "has no index; make one: tabix -s1 -b2 -e2 " + path_);
    index_ = TableIndex::read(index);
    read_header();
}

ScoreTable::~ScoreTable() = default;

void ScoreTable::read_header() {
    seek(0);
    std::string_view line, names;
    std::string last;
    while (next_line(line) && line.starts_with('#')) {
        header_ += line;
        header_ += '\n';
        last = line;
        at_ = std::min(at_ + line.size() + 1, end_);
    }
    names = last;
    while (names.starts_with('#')) names.remove_prefix(1);
    if (names.ends_with('\r')) names.remove_suffix(1);
    for (size_t at = 0; at <= names.size();) columns_.emplace_back(cell(names, at));
    auto is_named = [&](size_t column, std::initializer_list<std::string_view> known) {
        return column < columns_.size() &&
               std::any_of(
                   known.begin(), known.end(),
                   [&](std::string_view name) { return same_bases(columns_[column], name); });
    };
    if (!is_named(0, {"CHROM", "CHR"}) || !is_named(1, {"POS"}) || !is_named(2, {"REF"}) || !is_named(3, {"ALT"}) ||
        columns_.size() < 5) {
        fail(path_,
             "is no table of scores: its last line of header has to be #Chrom, Pos, Ref, Alt and names of scores, "
             "with tabs between them, but is '" +
                 excerpt(last) + "'");
    }
}

void ScoreTable::seek(uint64_t virtual_offset) {
    ahead_.reset();
    peeked_ = false;
    at_ = end_ = 0;
    block_ = std::make_unique<Block>(file_.bytes(), static_cast<size_t>(virtual_offset >> 16), path_);
    for (size_t left = virtual_offset & 0xffff; left > 0;) {
        text_.resize(std::max(text_.size(), kStep));
        const size_t got = block_->inflate(text_.data(), std::min(left, kStep));
        if (got == 0) fail(path_, "its index is of another file; index it anew: tabix -f -s1 -b2 -e2");
        left -= got;
    }
}

/// Inflates more text behind the cursor; false at the end of the file.
bool ScoreTable::fill() {
    if (at_ > 0) {
        std::memmove(text_.data(), text_.data() + at_, end_ - at_);
        end_ -= at_;
        at_ = 0;
    }
    if (text_.size() < end_ + kStep + kHead) text_.resize(2 * (end_ + kStep + kHead));
    while (block_->done()) {
        if (ahead_) {
            std::memcpy(text_.data() + end_, head_.data(), head_.size());
            end_ += head_.size();
            block_ = std::move(ahead_);
            peeked_ = false;
            return true;
        }
        if (block_->next() >= file_.bytes().size()) return false;
        block_ = std::make_unique<Block>(file_.bytes(), block_->next(), path_);
        peeked_ = false;
    }
    end_ += block_->inflate(text_.data() + end_, kStep);
    return true;
}

/// The line at the cursor without its end; the cursor stays. False at the end of the file.
bool ScoreTable::next_line(std::string_view& line) {
    for (size_t seen = 0;;) {
        const auto* newline = static_cast<const uint8_t*>(
            end_ > at_ + seen ? std::memchr(text_.data() + at_ + seen, '\n', end_ - at_ - seen) : nullptr);
        if (newline) {
            line = as_text(text_.data() + at_, static_cast<size_t>(newline - text_.data()) - at_);
            return true;
        }
        seen = end_ - at_;
        if (!fill()) {
            line = as_text(text_.data() + at_, end_ - at_);
            return !line.empty();
        }
    }
}

/// The position of a row; false when it is on another contig.
bool ScoreTable::position_of(std::string_view line, int64_t& position) const {
    if (!line.starts_with(chrom_)) return false;
    const char* from = line.data() + chrom_.size();
    const char* to = line.data() + line.size();
    const auto read = std::from_chars(from, to, position);
    if (read.ec != std::errc() || read.ptr == to || *read.ptr != '\t' || position < 0) {
        fail(path_,
             "has a row on " + chrom_.substr(0, chrom_.size() - 1) + " without a position: '" + excerpt(line) + "'");
    }
    return true;
}

/// Inflates the head of the next block, and sees where its first whole line lies. False when there is none on this
/// contig.
bool ScoreTable::peek() {
    if (peeked_) return head_position_ >= 0;
    peeked_ = true;
    head_position_ = -1;
    const auto bytes = file_.bytes();
    for (size_t next = block_->next(); next < bytes.size(); next = ahead_->next()) {
        ahead_ = std::make_unique<Block>(bytes, next, path_);
        if (!ahead_->done()) break;
    }
    if (!ahead_) return false;
    head_.resize(kHead);
    head_.resize(ahead_->inflate(head_.data(), kHead));
    const std::string_view text = as_text(head_.data(), head_.size());
    head_line_ = text.find('\n') + 1;
    if (head_line_ == 0) return false;
    const std::string_view line = text.substr(head_line_, text.find('\n', head_line_) - head_line_);
    if (head_line_ + line.size() == text.size() || !position_of(line, head_position_)) head_position_ = -1;
    return head_position_ >= 0;
}

/// Moves to the first row at `position` or behind it, and holds the rows at it.
void ScoreTable::advance(int64_t position) {
    held_.clear();
    rows_.assign(1, 0);
    held_at_ = position;
    if (ended_) return;
    const TableIndex::Contig& contig = index_.contigs[contig_];
    const auto tile = static_cast<size_t>(std::max<int64_t>(position - 1, 0) >> index_.shift);
    if (tile >= contig.tiles.size()) {
        ended_ = true;
        return;
    }
    if (contig.tiles[tile] >> 16 > block_->next()) {
        seek(contig.tiles[tile]);
        last_ = 0;
    }
    while (peek() && head_position_ < position) {
        // Every row before the first whole line of the next block lies before `position` too.
        last_ = head_position_;
        text_.assign(head_.begin() + static_cast<std::ptrdiff_t>(head_line_), head_.end());
        at_ = 0;
        end_ = text_.size();
        block_ = std::move(ahead_);
        peeked_ = false;
    }
    std::string_view line;
    while (next_line(line)) {
        int64_t here = 0;
        if (!position_of(line, here)) break;
        if (here < last_) {
            fail(path_, "is not sorted: a row at " + place(here) + " follows one at " + place(last_) +
                            "; sort it, and index it anew: tabix -f -s1 -b2 -e2");
        }
        if (here > position) return;
        last_ = here;
        if (here == position) hold(line);
        at_ = std::min(at_ + line.size() + 1, end_);
    }
    ended_ = true;
}

void ScoreTable::hold(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    held_ += line;
    rows_.push_back(held_.size());
}

/// Whether a held row is the allele's; `row` is that row then.
TableHit ScoreTable::match(int64_t start, std::string_view deleted, std::string_view inserted, Row& row) const {
    TableHit hit = TableHit::absent;
    for (size_t i = 0; i + 1 < rows_.size(); ++i) {
        const std::string_view line(held_.data() + rows_[i], rows_[i + 1] - rows_[i]);
        size_t at = chrom_.size();
        cell(line, at);
        row.ref = cell(line, at);
        row.alt = cell(line, at);
        row.rest = at <= line.size() ? line.substr(at) : std::string_view();
        if (deleted.empty() != inserted.empty()) {
            // An insertion or deletion has the base before it, or at a contig's start the one behind, in both alleles.
            if (row.ref.empty() || row.alt.empty()) continue;
            const auto rest = [&](std::string_view allele) {
                return start == 0 ? allele.substr(0, allele.size() - 1) : allele.substr(1);
            };
            const bool anchored =
                start == 0 ? upper(row.ref.back()) == upper(row.alt.back()) : upper(row.ref[0]) == upper(row.alt[0]);
            if (anchored && same_bases(rest(row.ref), deleted) && same_bases(rest(row.alt), inserted)) {
                return TableHit::found;
            }
        } else if (same_bases(row.ref, deleted)) {
            if (same_bases(row.alt, inserted)) return TableHit::found;
            hit = TableHit::other_alt;
        } else if (hit == TableHit::absent && !deleted.empty() && !row.ref.empty() &&
                   upper(row.ref[0]) != upper(deleted[0])) {
            hit = TableHit::other_ref;
        }
    }
    return hit;
}

void ScoreTable::take(const Row& row, std::span<const int32_t> columns, std::span<float> values, size_t at,
                      size_t n) const {
    // `columns` ascend, so one walk along the row finds all.
    size_t stop = 0;
    int32_t column = 4;
    for (size_t c = 0; c < columns.size(); ++c) {
        std::string_view text;
        for (; column <= columns[c]; ++column) {
            if (row.rest.data() == nullptr || stop > row.rest.size()) {
                fail(path_, "the row at " + place(held_at_) + " has " + std::to_string(column) +
                                " columns, but the header names " + std::to_string(columns_.size()));
            }
            text = cell(row.rest, stop);
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
                fail(path_, "the row at " + place(held_at_) + " has '" + excerpt(text) + "' in column " +
                                columns_[static_cast<size_t>(columns[c])] + ", which is no number");
            }
        }
        values[c * n + at] = value;
    }
}

std::string ScoreTable::place(int64_t position) const {
    return chrom_.substr(0, chrom_.size() - 1) + ":" + std::to_string(position);
}

void ScoreTable::find(size_t contig, const Alleles& alleles, std::span<const int32_t> columns, std::span<float> values,
                      std::span<uint8_t> hits) {
    const size_t n = alleles.start.size();
    auto whole = [&](std::span<const int64_t> offsets, size_t bases) {
        return offsets.size() == n + 1 && offsets.front() >= 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
               offsets.back() <= static_cast<int64_t>(bases);
    };
    if (contig >= index_.contigs.size() || !whole(alleles.deleted_offsets, alleles.deleted.size()) ||
        !whole(alleles.inserted_offsets, alleles.inserted.size()) || values.size() != n * columns.size() ||
        hits.size() != n) {
        throw std::invalid_argument("alleles, columns and outputs do not belong together");
    }
    for (size_t c = 0; c < columns.size(); ++c) {
        const int32_t least = c == 0 ? 4 : columns[c - 1] + 1;
        if (columns[c] < least || columns[c] >= static_cast<int32_t>(columns_.size())) {
            throw std::invalid_argument("columns must ascend, from the fifth of the table on");
        }
    }
    std::fill(values.begin(), values.end(), std::numeric_limits<float>::quiet_NaN());
    int64_t before = -1;
    for (size_t i = 0; i < n; ++i) {
        auto bases = [i](std::span<const uint8_t> all, std::span<const int64_t> offsets) {
            return as_text(all.data() + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
        };
        const std::string_view deleted = bases(alleles.deleted, alleles.deleted_offsets);
        const std::string_view inserted = bases(alleles.inserted, alleles.inserted_offsets);
        const int64_t position = row_position(alleles.start[i], deleted.size(), inserted.size());
        if (position < before) throw std::invalid_argument("alleles must ascend by the position of their rows");
        before = position;
        if (contig != contig_ || position < held_at_) {
            contig_ = contig;
            chrom_ = index_.contigs[contig].name + '\t';
            const TableIndex::Contig& there = index_.contigs[contig];
            const auto tile = static_cast<size_t>(std::max<int64_t>(position - 1, 0) >> index_.shift);
            held_at_ = -1;
            held_.clear();
            rows_.clear();
            last_ = 0;
            ended_ = tile >= there.tiles.size();
            if (!ended_) seek(there.tiles[tile]);
        }
        if (position != held_at_) advance(position);
        Row row;
        const TableHit hit = match(alleles.start[i], deleted, inserted, row);
        if (hit == TableHit::found) take(row, columns, values, i, n);
        hits[i] = static_cast<uint8_t>(hit);
    }
}

}  // namespace dnabert
