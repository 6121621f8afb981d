// Random numbers, samples of a corpus and masking on buffers of exactly the size they need. Values are checked against
// oracles in tests/seq; here against what must hold of any.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "core/alphabet.hpp"
#include "core/corpus.hpp"
#include "core/kmer.hpp"
#include "core/masking.hpp"
#include "core/random.hpp"

namespace {

using namespace dnabert;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr Lengths kLengths{6, 515};

std::vector<uint8_t> bytes(const std::string& text) {
    return {text.begin(), text.end()};
}

/// Where the samples of a pass lie.
struct Placed {
    std::vector<int64_t> run, start, length;
    std::vector<uint8_t> reverse;

    Placed(const Pass& pass, uint64_t first, size_t n) : run(n), start(n), length(n), reverse(n) {
        place_samples(pass, first, run, start, length, reverse);
    }
};

/// Pieces of these many tokens, whose ids are all kFirstKmer.
struct Batch {
    std::vector<uint16_t> ids;
    std::vector<int32_t> cu_seqlens{0}, owner;

    explicit Batch(const std::vector<int>& tokens) {
        for (size_t j = 0; j < tokens.size(); ++j) {
            ids.push_back(kCls);
            ids.insert(ids.end(), static_cast<size_t>(tokens[j]), kFirstKmer);
            ids.push_back(kSep);
            cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
            owner.push_back(static_cast<int32_t>(j));
        }
    }
};

TEST(philox_gives_its_known_answers) {
    // Random123, release 1.14, kat_vectors.
    static_assert(philox({0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    constexpr uint32_t ones = 0xffffffff;
    CHECK((philox({ones, ones, ones, ones}, ones, ones) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    const Words pi{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    CHECK((philox(pi, 0xa4093822, 0x299f31d0) == Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(numbers_below_a_bound) {
    static_assert(below(uint32_t{0xffffffff}, 515) == 514 && below(uint32_t{0}, 515) == 0);
    CHECK(below(kMost, kMost) == kMost - 1);
    CHECK(below(kMost, uint64_t{1} << 40) == (uint64_t{1} << 40) - 1);
    CHECK(below(uint64_t{1} << 63, uint64_t{1'000'000'007}) == 500'000'003);
    CHECK(below(uint64_t{0xffffffff}, uint64_t{1} << 32) == 0);
    CHECK(below(uint64_t{1} << 32, uint64_t{1} << 32) == 1);
    static_assert(threshold(0.5) == uint64_t{1} << 31 && threshold(1.0) == uint64_t{1} << 32);
}

TEST(an_order_has_every_number_once) {
    for (uint64_t n = 1; n < 300; ++n) {
        std::vector<int> seen(n);
        for (uint64_t i = 0; i < n; ++i) ++seen[permuted(i, n, kMost, 1, n)];
        CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
    }
    const uint64_t large = (uint64_t{1} << 52) - 1;
    CHECK(permuted(large - 1, large, 1, 0, 0) < large);
    CHECK(permuted(0, large, 1, 0, 0) != permuted(0, large, 1, 0, 1));
    CHECK_THROWS(permuted(5, 5, 1, 0, 0), std::invalid_argument);
    CHECK_THROWS(permuted(0, uint64_t{1} << 53, 1, 0, 0), std::invalid_argument);
}

TEST(runs_end_at_letters_that_are_no_bases) {
    CHECK(clean_runs(bytes("")).empty());
    CHECK(clean_runs(bytes("NNnR-")).empty());
    CHECK((clean_runs(bytes("ACGTUacgtu")) == std::vector<int64_t>{0, 10}));
    CHECK((clean_runs(bytes("NACNNgR\xffT")) == std::vector<int64_t>{1, 3, 5, 6, 8, 9}));
}

TEST(a_split_covers_its_runs) {
    for (const Lengths lengths : {kLengths, Lengths{1, 1}, Lengths{3, 5}, Lengths{50, 99}}) {
        std::vector<int64_t> edges{0};
        for (int64_t size = lengths.shortest; size < 1300; size += 7) edges.push_back(edges.back() + size);
        const auto cuts = split_runs(edges, lengths, 3, 0);
        CHECK(cuts.front() == 0 && cuts.back() == edges.back());
        for (size_t i = 0; i + 1 < cuts.size(); ++i) {
            const int64_t length = cuts[i + 1] - cuts[i];
            CHECK(length >= lengths.shortest && length <= lengths.longest);
        }
        CHECK(std::includes(cuts.begin(), cuts.end(), edges.begin(), edges.end()));
    }
}

TEST(samples_lie_inside_their_runs) {
    const std::vector<int64_t> edges{0, 6, 520, 1036, 20'000};
    const auto cuts = split_runs(edges, kLengths, 1, 0);
    const std::vector<int64_t> none;
    for (const auto& given : {cuts, none}) {
        const Pass pass{edges, given, 300, kLengths, true, kMost, 1};
        const size_t n = static_cast<size_t>(3 * pass.length());
        const Placed placed(pass, 0, n);
        for (size_t i = 0; i < n; ++i) {
            const size_t r = static_cast<size_t>(placed.run[i]);
            CHECK(r + 1 < edges.size() && placed.start[i] >= 0 && placed.length[i] >= kLengths.shortest);
            CHECK(placed.start[i] + placed.length[i] <= edges[r + 1] - edges[r]);
            const Placed alone(pass, i, 1);
            CHECK(alone.run[0] == placed.run[i] && alone.start[0] == placed.start[i]);
            CHECK(alone.length[0] == placed.length[i] && alone.reverse[0] == placed.reverse[i]);
        }
    }
    const Placed late({edges, cuts, 7, kLengths, true, 1, 0}, kMost - 8, 8);
    CHECK(late.length[7] >= kLengths.shortest);
}

TEST(samples_of_runs_that_cannot_be) {
    const std::vector<int64_t> edges{0, 600}, empty, start{0}, tiny{0, 600, 602}, shifted{5, 600};
    const std::vector<int64_t> cuts{0, 600}, wrong{0, 700}, none;
    CHECK_THROWS(split_runs(empty, kLengths, 1, 0), std::invalid_argument);
    CHECK_THROWS(split_runs(start, kLengths, 1, 0), std::invalid_argument);
    CHECK_THROWS(split_runs(shifted, kLengths, 1, 0), std::invalid_argument);
    CHECK_THROWS(split_runs(tiny, kLengths, 1, 0), std::invalid_argument);
    CHECK_THROWS(split_runs(edges, (Lengths{0, 10}), 1, 0), std::invalid_argument);
    CHECK_THROWS(split_runs(edges, (Lengths{6, 10}), 1, 0), std::invalid_argument);
    CHECK_THROWS(Placed({edges, none, 0, kLengths, true, 1, 0}, 0, 1), std::invalid_argument);
    CHECK_THROWS(Placed({edges, none, -1, kLengths, true, 1, 0}, 0, 1), std::invalid_argument);
    CHECK_THROWS(Placed({edges, wrong, 0, kLengths, true, 1, 0}, 0, 1), std::invalid_argument);
    CHECK_THROWS(Placed({tiny, none, 301, kLengths, true, 1, 0}, 0, 301), std::invalid_argument);
    std::vector<int64_t> run(2), length(1);
    std::vector<uint8_t> reverse(2);
    const Pass pass{edges, cuts, 0, kLengths, true, 1, 0};
    CHECK_THROWS(place_samples(pass, 0, run, run, length, reverse), std::invalid_argument);
}

TEST(bases_are_turned_in_place) {
    auto bases = bytes(
        "acgu"
        "ACGTT"
        ""
        "aN");
    const std::vector<int64_t> offsets{0, 4, 9, 9, 11};
    const std::vector<uint8_t> reverse{0, 1, 1, 1};
    orient(bases, offsets, reverse);
    CHECK(bases == bytes("ACGT"
                         "AACGT"
                         "NT"));
    const std::vector<int64_t> beyond{0, 4, 9, 9, 12};
    CHECK_THROWS(orient(bases, beyond, reverse), std::invalid_argument);
    CHECK_THROWS(orient(bases, offsets, std::vector<uint8_t>(3)), std::invalid_argument);
}

TEST(masking_leaves_all_but_its_rows) {
    for (const bool whole : {false, true}) {
        for (int k = kMinK; k <= kMaxK; ++k) {
            for (const int span : {k, k + 5, 600}) {
                Batch batch({0, 1, 2, 5, 509, 510, 0, 1000});
                const std::vector<uint16_t> before = batch.ids;
                const Hidden hidden =
                    mask(batch.ids, batch.cu_seqlens, batch.owner, {k, span, 0.3, whole}, 5, kMost, 9);
                CHECK(hidden.rows.size() == hidden.labels.size() && !hidden.rows.empty());
                CHECK(std::is_sorted(hidden.rows.begin(), hidden.rows.end()));
                std::vector<uint8_t> masked(before.size());
                for (size_t i = 0; i < hidden.rows.size(); ++i) {
                    const size_t row = static_cast<size_t>(hidden.rows[i]);
                    CHECK(++masked[row] == 1 && hidden.labels[i] == kFirstKmer && before[row] == kFirstKmer);
                    CHECK(batch.ids[row] < kFirstKmer + (1 << (2 * k)));
                }
                for (size_t row = 0; row < before.size(); ++row) CHECK(masked[row] || batch.ids[row] == before[row]);
            }
        }
    }
}

TEST(masking_on_threads_is_the_same) {
    const std::vector<int> tokens(64, 500);
    Batch all(tokens);
    mask(all.ids, all.cu_seqlens, all.owner, {6, 6, 0.15, false}, 1, 100, 0);
    std::vector<uint16_t> ids(all.ids.size());
    std::vector<std::jthread> workers;
    for (size_t part = 0; part < 4; ++part) {
        workers.emplace_back([&, part] {
            Batch batch(std::vector<int>(16, 500));
            mask(batch.ids, batch.cu_seqlens, batch.owner, {6, 6, 0.15, false}, 1, 100 + 16 * part, 0);
            std::copy(batch.ids.begin(), batch.ids.end(), ids.begin() + static_cast<int64_t>(part * batch.ids.size()));
        });
    }
    workers.clear();
    CHECK(ids == all.ids);
}

TEST(masking_that_cannot_be) {
    Batch batch({10, 20});
    const auto run = [&](const Masking& masking, uint32_t stream = 0) {
        mask(batch.ids, batch.cu_seqlens, batch.owner, masking, 1, 0, stream);
    };
    CHECK_THROWS(run({2, 6, 0.15, false}), std::invalid_argument);
    CHECK_THROWS(run({7, 7, 0.15, false}), std::invalid_argument);
    CHECK_THROWS(run({6, 5, 0.15, false}), std::invalid_argument);
    CHECK_THROWS(run({6, 6, 0.0, false}), std::invalid_argument);
    CHECK_THROWS(run({6, 6, 1.0, false}), std::invalid_argument);
    CHECK_THROWS(run({6, 6, std::numeric_limits<double>::quiet_NaN(), false}), std::invalid_argument);
    CHECK_THROWS(run({6, 6, 0.15, false}, kMaxStream + 1), std::invalid_argument);
    batch.owner.pop_back();
    CHECK_THROWS(run({6, 6, 0.15, false}), std::invalid_argument);
    batch.owner.push_back(1);
    batch.cu_seqlens[1] = 1;  // a piece of one token
    CHECK_THROWS(run({6, 6, 0.15, false}), std::invalid_argument);
    Batch longest({(1 << 15) - 1});
    CHECK_THROWS(mask(longest.ids, longest.cu_seqlens, longest.owner, {6, 6, 0.15, false}, 1, 0, 0),
                 std::invalid_argument);
}

}  // namespace
