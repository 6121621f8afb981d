#include "core/table_index.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

/// The bytes of an index, checked against its end.
class Fields {
  public:
    Fields(std::string_view text, const std::string& path) : text_(text), path_(path) {}

    uint64_t number(size_t bytes) {
        const std::string_view found = take(bytes);
        uint64_t value = 0;
        for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(found[i]);
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
    for (std::vector<uint8_t> part(1 << 20);;) {
        const size_t got = source.read(part.data(), part.size());
        if (got == 0) break;
        text.append(reinterpret_cast<const char*>(part.data()), got);
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

}  // namespace dnabert
