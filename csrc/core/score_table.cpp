#include "core/score_table.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr size_t kHead = 192;       // bytes to inflate for the first rows of a block, more where they are longer
constexpr size_t kShort = 1 << 13;  // the rest of a block is inflated rather than a head behind it, up to this
constexpr int kGuesses = 4;         // at the block of a row, before it is searched for by halves
constexpr int64_t kSpan = 256;      // positions from which their pace is learnt
constexpr int64_t kNowhere = std::numeric_limits<int64_t>::max();
constexpr std::string_view kLastBlock("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0\x03\0\0\0\0\0\0\0\0\0",
                                      28);  // SAM specification, 4.1.2

std::string_view as_text(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

ScoreTable::ScoreTable(const std::string& path, const std::string& index) : path_(path), file_(path) {
    if (file_.size() == 0) fail(path_, "is empty; name a table of scores");
    Bytes bytes(std::min<size_t>(file_.size(), 1 << 16));
    file_.read(0, bytes);
    if (!is_bgzf(bytes.data(), bytes.size())) {
        const bool gzip = is_gzip(bytes.data(), bytes.size());
        fail(path_, std::string(gzip ? "is plain gzip" : "is not compressed") +
                        ", where a table of scores is BGZF; compress it with bgzip and index it: tabix -s1 -b2 -e2");
    }
    bytes.resize(std::min(file_.size(), kLastBlock.size()));
    file_.read(file_.size() - bytes.size(), bytes);
    if (as_text(bytes.data(), bytes.size()) != kLastBlock) {
        fail(path_, "is truncated: it lacks the empty block that ends a BGZF file; copy or download it again");
    }
    if (index.empty()) fail(path_, "has no index; make one: tabix -s1 -b2 -e2 " + path_);
    index_ = TableIndex::read(index);
    text_ = std::make_unique<BlockText>(file_);
    probe_ = std::make_unique<BlockText>(file_);
    read_header();
}

ScoreTable::~ScoreTable() = default;

void ScoreTable::read_header() {
    text_->open(0);
    std::string_view line, names;
    std::string last;
    while (text_->line(line) && line.starts_with('#')) {
        header_ += line;
        header_ += '\n';
        last = line;
        text_->skip(line.size() + 1);
    }
    names = last;
    while (names.starts_with('#')) names.remove_prefix(1);
    if (names.ends_with('\r')) names.remove_suffix(1);
    for (size_t at = 0; at <= names.size();) columns_.emplace_back(table_cell(names, at));
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

/// Goes to a contig; its rows are sought from the tile on that is wanted first.
void ScoreTable::begin(size_t contig) {
    contig_ = contig;
    chrom_ = index_.contigs[contig].name + '\t';
    probed_ = SIZE_MAX;
    pace_ = 0;
    uint64_t next = std::numeric_limits<uint64_t>::max();
    for (const TableIndex::Contig& other : index_.contigs) {
        if (other.first > index_.contigs[contig].first) next = std::min(next, other.first);
    }
    behind_ = static_cast<size_t>(std::min<uint64_t>((next >> 16) + 1, file_.size()));
}

/// Goes to the first row of a tile.
void ScoreTable::seek(size_t tile) {
    text_->open(index_.contigs[contig_].tiles[tile]);
    last_ = 0;
    from_ = static_cast<int64_t>(tile) << index_.shift;
}

/// Bytes of text from the cursor to a position, going by what positions took so far.
double ScoreTable::expected(int64_t position) const {
    const double text = static_cast<double>(text_->size()) / static_cast<double>(text_->next() - text_->block());
    return static_cast<double>(std::max<int64_t>(position - std::max(from_, last_), 0)) * pace_ * text;
}

/// Whether to read on to a position rather than to look where it lies.
bool ScoreTable::reaches(int64_t position) const {
    if (probed_ == text_->next()) return position <= head_;
    return pace_ > 0 && text_->left() <= kShort && expected(position) < static_cast<double>(text_->ahead());
}

/// Where the blocks end in which rows of a tile begin; `beyond` is the position from which on they are of later ones.
size_t ScoreTable::limit(size_t tile, int64_t& beyond) const {
    const std::vector<uint64_t>& tiles = index_.contigs[contig_].tiles;
    size_t next = tile + 1;
    if (next < tiles.size() && tiles[next] <= tiles[tile]) {
        const auto found =
            std::upper_bound(tiles.begin() + static_cast<std::ptrdiff_t>(next), tiles.end(), tiles[tile]);
        next = static_cast<size_t>(found - tiles.begin());
    }
    beyond = static_cast<int64_t>(next) << index_.shift;
    return next < tiles.size() ? std::min(static_cast<size_t>(tiles[next] >> 16) + 1, behind_) : behind_;
}

/// Takes note of where a row is, for the pace.
void ScoreTable::learn(size_t offset, int64_t position) {
    if (marked_ >= 0 && position >= marked_ && position - marked_ < kSpan) return;
    if (marked_ >= 0 && position > marked_ && offset > mark_) {
        pace_ = static_cast<double>(offset - mark_) / static_cast<double>(position - marked_);
    }
    mark_ = offset;
    marked_ = position;
}

/// Goes to the last block whose first row lies before a position, or to one not far before that. The block is guessed
/// so often; then it is searched for by halves, and found.
void ScoreTable::jump(int64_t position, int guesses) {
    int64_t beyond = 0;
    const auto tile = static_cast<size_t>(std::max<int64_t>(position - 1, 0) >> index_.shift);
    size_t stop = limit(tile, beyond);
    if (pace_ == 0 && stop > text_->block()) {
        pace_ = static_cast<double>(stop - text_->block()) / static_cast<double>(std::max<int64_t>(beyond - from_, 1));
    }
    for (;; --guesses) {
        const size_t next = text_->next();
        if (next >= stop) return;
        size_t goal = next + (stop - next) / 2;
        if (guesses > 0) {
            const double over = expected(position) - static_cast<double>(text_->ahead());
            if (over < 0 && text_->left() <= kShort) return;
            const double stored =
                static_cast<double>(next - text_->block()) / static_cast<double>(std::max<size_t>(text_->size(), 1));
            goal = next + static_cast<size_t>(std::clamp(over * stored, 0.0, static_cast<double>(stop - next - 1)));
        }
        size_t block = next;
        if (probed_ != next) {
            probed_ = SIZE_MAX;
            block = probe_->block_of(goal, next, next - text_->block());
        }
        const int64_t head = head_of(block);
        if (head < position) {
            std::swap(text_, probe_);
            probed_ = SIZE_MAX;
            last_ = from_ = head;
            learn(block, head);
        } else {
            stop = block;
        }
    }
}

/// The position of the first row of a block; `kNowhere` where none of this contig is seen to begin in it.
int64_t ScoreTable::head_of(size_t block) {
    if (block == probed_) return head_;
    probe_->open(static_cast<uint64_t>(block) << 16);
    probed_ = block;
    head_ = kNowhere;
    // The block's own lines: the first may have begun in the block before.
    auto own = [&](size_t from, std::string_view& line) {
        for (;;) {
            const std::string_view text = probe_->text();
            const size_t stop = text.find('\n', from);
            if (stop != std::string_view::npos) {
                line = text.substr(from, stop - from);
                return true;
            }
            if (probe_->left() == 0) return false;
            probe_->more(kHead);
        }
    };
    std::string_view first, second;
    int64_t here = 0;
    if (!own(0, first) || !own(first.size() + 1, second) || !position_of(second, here)) return kNowhere;
    head_ = here;
    // What has the columns of a row is no end of one, unless it begins within the name of a contig; no row that is
    // sought lies before it then either.
    const auto tabs = static_cast<size_t>(std::count(first.begin(), first.end(), '\t'));
    if (tabs + 1 == columns_.size() && position_of(first, here) && here <= head_) {
        head_ = here;
    } else {
        probe_->skip(first.size() + 1);
    }
    return head_;
}

/// Moves to the first row at `position` or behind it, and holds the rows at it.
void ScoreTable::advance(int64_t position) {
    held_.clear();
    held_at_ = position;
    if (ended_) return;
    const TableIndex::Contig& contig = index_.contigs[contig_];
    const auto tile = static_cast<size_t>(std::max<int64_t>(position - 1, 0) >> index_.shift);
    if (tile >= contig.tiles.size()) {
        ended_ = true;
        return;
    }
    if (contig.tiles[tile] >> 16 > text_->block()) seek(tile);
    if (!reaches(position)) jump(position, kGuesses);
    text_->reach(static_cast<size_t>(std::min(expected(position) + kHead, static_cast<double>(text_->size()))));
    size_t block = text_->block();
    int crossed = 0;
    std::string_view line;
    while (text_->line(line)) {
        int64_t here = 0;
        if (!position_of(line, here)) break;
        if (here < last_) {
            fail(path_, "is not sorted: a row at " + place(here) + " follows one at " + place(last_) +
                            "; sort it, and index it anew: tabix -f -s1 -b2 -e2");
        }
        if (here > position) return;
        last_ = here;
        if (here == position) held_.hold(line);
        text_->skip(line.size() + 1);
        if (here < position && text_->block() != block) {
            // It was thought to be in the block before. One more is read where it should be there, but no third.
            if (++crossed > 1 || !reaches(position)) jump(position, crossed > 1 ? 0 : kGuesses);
            block = text_->block();
        }
    }
    ended_ = true;
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
            if (contig != contig_) begin(contig);
            const auto tile = static_cast<size_t>(std::max<int64_t>(position - 1, 0) >> index_.shift);
            held_at_ = marked_ = -1;
            held_.clear();
            ended_ = tile >= index_.contigs[contig].tiles.size();
            if (!ended_) seek(tile);
        }
        if (position != held_at_) advance(position);
        const TableHit hit = held_.match(alleles.start[i], deleted, inserted);
        if (hit == TableHit::found) {
            const std::string wrong = held_.numbers(columns, columns_, values, i, n);
            if (!wrong.empty()) fail(path_, "the row at " + place(held_at_) + " has " + wrong);
        }
        hits[i] = static_cast<uint8_t>(hit);
    }
}

}  // namespace dnabert
