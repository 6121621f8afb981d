// Tables of scores and their indexes, whole and damaged, so that a sanitizer sees any step outside a buffer. What the
// scores should be is checked against an oracle in tests/seq/test_lookup.py; here that whole tables answer, and that
// damage is an error or another answer, never a crash.
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>

#include "bgzf_bytes.hpp"
#include "check.hpp"
#include "core/error.hpp"
#include "core/score_table.hpp"

namespace {

using namespace dnabert;
namespace fs = std::filesystem;

const std::string kLast("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0\x03\0\0\0\0\0\0\0\0\0", 28);
constexpr int64_t kRows = 3000;
const std::string kHeader = "## CADD\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n";

/// A table of one contig with an SNV at every tenth place from 10 on, its index beside it, and both as bytes.
struct Table {
    explicit Table(size_t size) {
        std::string name = (fs::temp_directory_path() / "core-test-XXXXXX").string();
        folder = ::mkdtemp(name.data());
        std::string text = kHeader;
        std::vector<size_t> tiles;  // where the first row of each tile begins in the text
        for (int64_t i = 1; i <= kRows; ++i) {
            while (tiles.size() <= static_cast<size_t>((10 * i - 1) >> 14)) tiles.push_back(text.size());
            text += "chr1\t" + std::to_string(10 * i) + "\tA\tG\t" + std::to_string(i) + ".5\t.\n";
        }
        std::vector<size_t> blocks;
        for (size_t at = 0; at < text.size(); at += size) {
            blocks.push_back(data.size());
            data += block(text.substr(at, size));
        }
        data += kLast;
        auto place = [&](size_t at) { return little(blocks[at / size] << 16 | at % size, 8); };
        index = std::string("TBI\1", 4) + little(1, 4) + little(0, 4) + little(1, 4) + little(2, 4) + little(2, 4) +
                little('#', 4) + little(0, 4) + little(5, 4) + std::string("chr1\0", 5);
        index += little(1, 4) + little(4681, 4) + little(1, 4) + place(kHeader.size()) + little(data.size() << 16, 8);
        index += little(tiles.size(), 4);
        for (const size_t tile : tiles) index += place(tile);
        write(data, block(index) + kLast);
    }
    ~Table() { fs::remove_all(folder); }

    void write(const std::string& table, const std::string& indexed) const {
        std::ofstream(folder / "t.gz", std::ios::binary) << table;
        std::ofstream(folder / "t.gz.tbi", std::ios::binary) << indexed;
    }

    std::string path() const { return (folder / "t.gz").string(); }

    fs::path folder;
    std::string data, index;
};

/// Looks up A>G at places from 0; returns the scores.
std::vector<float> find(ScoreTable& table, const std::vector<int64_t>& places) {
    const size_t n = places.size();
    const std::string deleted(n, 'A'), inserted(n, 'g');
    std::vector<int64_t> offsets(n + 1);
    for (size_t i = 0; i <= n; ++i) offsets[i] = static_cast<int64_t>(i);
    const std::span<const uint8_t> from{reinterpret_cast<const uint8_t*>(deleted.data()), n};
    const std::span<const uint8_t> to{reinterpret_cast<const uint8_t*>(inserted.data()), n};
    const std::vector<int32_t> columns{4, 5};
    std::vector<float> values(2 * n);
    std::vector<uint8_t> hits(n);
    table.find(0, {places, from, offsets, to, offsets}, columns, values, hits);
    values.resize(n);
    return values;
}

TEST(rows_are_found_in_any_blocks) {
    for (const size_t size : {37, 1000, 1024, 1025, 60000}) {
        const Table made(size);
        ScoreTable table(made.path(), made.path() + ".tbi");
        CHECK(table.header() == kHeader);
        CHECK(table.columns().size() == 6 && table.columns()[0] == "Chrom" && table.columns()[5] == "PHRED");
        for (const int64_t step : {10, 70, 16390, 20000}) {
            std::vector<int64_t> places;
            for (int64_t at = 9; at < 10 * kRows; at += step) places.push_back(at);
            for (int again = 0; again < 2; ++again) {
                const std::vector<float> found = find(table, places);
                for (size_t i = 0; i < places.size(); ++i) {
                    CHECK(found[i] == static_cast<float>((places[i] + 1) / 10) + 0.5F);
                }
            }
        }
        const std::vector<float> none = find(table, {0, 8, 10, 10 * kRows, 1 << 30});
        for (const float value : none) CHECK(std::isnan(value));
    }
}

TEST(alleles_out_of_order_are_refused) {
    const Table made(1000);
    ScoreTable table(made.path(), made.path() + ".tbi");
    CHECK_THROWS(find(table, {19, 9}), std::invalid_argument);
}

TEST(damaged_tables_are_no_crash) {
    const Table made(1000);
    std::mt19937 random(7);
    int failed = 0;
    for (int round = 0; round < 300; ++round) {
        std::string data = made.data, index = made.index;
        std::string& hurt = round % 2 == 0 ? data : index;
        for (int i = 0; i < 3; ++i) hurt[random() % hurt.size()] = static_cast<char>(random());
        if (round % 5 == 0) hurt.resize(random() % hurt.size());
        made.write(data, block(index) + kLast);
        try {
            ScoreTable table(made.path(), made.path() + ".tbi");
            if (table.contigs().empty() || table.columns().size() != 6) continue;
            find(table, {9, 4999, 16389, 20009, 29999});
        } catch (const FormatError&) {
            ++failed;
        }
    }
    CHECK(failed > 100);
}

}  // namespace
