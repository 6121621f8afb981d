// K-mers, rows, distinct pieces, alleles and tracks on buffers of exactly the size they need, so that a sanitizer sees
// any step beyond. Values are checked against oracles in tests/seq; here against the plainest loop.
#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "core/alleles.hpp"
#include "core/alphabet.hpp"
#include "core/containing.hpp"
#include "core/distinct.hpp"
#include "core/kmer.hpp"
#include "core/overlap.hpp"
#include "core/parallel.hpp"
#include "core/rows.hpp"

namespace {

using namespace dnabert;

std::vector<Level> levels() {
    std::vector<Level> all{Level::portable, Level::avx2, Level::avx512};
    std::erase_if(all, [](Level level) { return level > best_level(); });
    return all;
}

std::vector<uint8_t> random_letters(int64_t n, unsigned seed) {
    std::mt19937 random(seed);
    const std::string letters = "ACGTACGTacgtACGTuNRn-\xc1";
    std::vector<uint8_t> bases(static_cast<size_t>(n));
    for (auto& base : bases) base = static_cast<uint8_t>(letters[random() % (random() % 16 ? 16 : letters.size())]);
    return bases;
}

uint16_t plain_id(const std::vector<uint8_t>& bases, size_t at, int k, bool reverse) {
    int id = 0;
    for (int j = 0; j < k; ++j) {
        const uint8_t digit = kDigit[reverse ? bases[bases.size() - 1 - at - j] : bases[at + j]];
        if (digit == kNotBase) return kUnk;
        id = 4 * id + (reverse ? digit ^ 1 : digit);
    }
    return static_cast<uint16_t>(id + kFirstKmer);
}

std::vector<uint8_t> bytes(const std::string& text) {
    return {text.begin(), text.end()};
}

TEST(kmers_of_every_length_kernel_and_strand) {
    for (int64_t n = 0; n < 260; ++n) {
        const auto bases = random_letters(n, static_cast<unsigned>(n));
        for (int k = kMinK; k <= kMaxK; ++k) {
            for (const bool reverse : {false, true}) {
                for (const Level level : levels()) {
                    std::vector<uint16_t> ids(static_cast<size_t>(kmer_count(n, k)));
                    kmer_ids(bases, k, ids, reverse, 1, level);
                    for (size_t i = 0; i < ids.size(); ++i) CHECK(ids[i] == plain_id(bases, i, k, reverse));
                }
            }
        }
    }
}

TEST(kmers_on_several_threads) {
    const auto bases = random_letters(1'500'001, 1);
    for (const bool reverse : {false, true}) {
        std::vector<uint16_t> one(bases.size() - 5), four(bases.size() - 5);
        kmer_ids(bases, 6, one, reverse, 1);
        kmer_ids(bases, 6, four, reverse, 4);
        CHECK(one == four);
    }
}

TEST(kmers_refuse_wrong_sizes) {
    const auto bases = random_letters(10, 1);
    std::vector<uint16_t> ids(4);
    CHECK_THROWS(kmer_ids(bases, 6, ids, false), std::invalid_argument);
    CHECK_THROWS(kmer_ids(bases, 7, ids, false), std::invalid_argument);
    CHECK_THROWS(level_of("sse"), std::invalid_argument);
}

TEST(rows_at_the_limits_of_a_piece) {
    const std::vector<int64_t> kmers{0, 1, 509, 510, 511, 1020, 1021};
    const std::vector<int64_t> pieces{1, 1, 1, 1, 2, 2, 3};
    const auto bases = random_letters(2000, 3);
    std::vector<int64_t> starts, ends;
    std::vector<uint8_t> reverse;
    for (size_t i = 0; i < kmers.size(); ++i) {
        starts.push_back(static_cast<int64_t>(i));
        ends.push_back(static_cast<int64_t>(i) + kmers[i] + 5);
        reverse.push_back(i % 2);
        CHECK(piece_count(kmers[i], 510) == pieces[i]);
    }
    std::vector<int64_t> lengths(ends.size());
    std::transform(ends.begin(), ends.end(), starts.begin(), lengths.begin(), std::minus<>{});
    const RowSizes sizes = row_sizes(lengths, 6, 510);
    std::vector<int32_t> cu(static_cast<size_t>(sizes.pieces) + 1), owner(static_cast<size_t>(sizes.pieces));
    std::vector<uint16_t> ids(static_cast<size_t>(sizes.tokens));
    rows(bases, starts, ends, reverse, 6, 510, cu, owner, ids, 2);
    for (size_t j = 0; j < owner.size(); ++j) {
        CHECK(ids[cu[j]] == kCls);
        CHECK(ids[cu[j + 1] - 1] == kSep);
        CHECK(cu[j + 1] - cu[j] <= 512);
    }
    for (size_t i = 0; i < kmers.size(); ++i) CHECK(std::count(owner.begin(), owner.end(), i) == pieces[i]);
    CHECK_THROWS(rows(bases, starts, ends, reverse, 6, 509, cu, owner, ids, 1), std::invalid_argument);

    const std::vector<int32_t> which{2, 0, 2};
    std::vector<int32_t> out_cu(4);
    std::vector<uint16_t> out(static_cast<size_t>(gather_size(cu, which)));
    gather_rows(ids, cu, which, out_cu, out);
    CHECK(std::equal(out.begin() + out_cu[2], out.end(), ids.begin() + cu[2], ids.begin() + cu[3]));
    CHECK_THROWS(gather_size(cu, std::vector<int32_t>{static_cast<int32_t>(owner.size())}), std::out_of_range);
}

TEST(texts_that_contain_patterns) {
    std::mt19937 random(5);
    std::vector<std::string> patterns, texts;
    for (const std::string pattern : {"A", "AA", "AAC", "CAG", "TTACAGG", "ACGTACGTACGTACGTACGT"})
        patterns.push_back(pattern);
    for (int i = 0; i < 3000; ++i) {
        const auto letters = random_letters(random() % 40, random());
        texts.emplace_back(letters.begin(), letters.end());
    }
    const auto join = [](const std::vector<std::string>& strings, std::vector<int64_t>& offsets) {
        std::vector<uint8_t> joined;
        offsets = {0};
        for (const auto& string : strings) {
            joined.insert(joined.end(), string.begin(), string.end());
            offsets.push_back(static_cast<int64_t>(joined.size()));
        }
        return joined;
    };
    const auto reads_as = [](const std::string& text, const std::string& pattern, bool reverse) {
        for (size_t at = 0; at + pattern.size() <= text.size(); ++at) {
            size_t same = 0;
            for (size_t i = 0; i < pattern.size(); ++i) {
                const uint8_t letter = static_cast<uint8_t>(text[reverse ? at + pattern.size() - 1 - i : at + i]);
                const uint8_t digit = kDigit[letter];
                same += digit != kNotBase && (reverse ? digit ^ 1 : digit) == kDigit[static_cast<uint8_t>(pattern[i])];
            }
            if (same == pattern.size()) return true;
        }
        return false;
    };
    std::vector<int64_t> pattern_offsets, text_offsets;
    const auto pattern_bytes = join(patterns, pattern_offsets), text_bytes = join(texts, text_offsets);
    std::vector<uint8_t> marked(texts.size());
    for (size_t i = 0; i < marked.size(); ++i) marked[i] = i % 3 == 0;
    const Strings sought{pattern_bytes, pattern_offsets}, read{text_bytes, text_offsets};
    for (const bool both : {false, true}) {
        for (const int threads : {1, 3}) {
            std::vector<int64_t> all(patterns.size()), chosen(patterns.size());
            count_containing(sought, read, marked, both, all, chosen, threads);
            for (size_t i = 0; i < patterns.size(); ++i) {
                int64_t held = 0, held_marked = 0;
                for (size_t j = 0; j < texts.size(); ++j) {
                    const bool here =
                        reads_as(texts[j], patterns[i], false) || (both && reads_as(texts[j], patterns[i], true));
                    held += here;
                    held_marked += here && marked[j];
                }
                CHECK(all[i] == held);
                CHECK(chosen[i] == held_marked);
            }
        }
    }
    std::vector<int64_t> few(1), right(patterns.size());
    CHECK_THROWS(count_containing(sought, read, marked, true, few, right, 1), std::invalid_argument);
    marked.pop_back();
    CHECK_THROWS(count_containing(sought, read, marked, true, right, right, 1), std::invalid_argument);
}

TEST(distinct_pieces_of_every_length) {
    std::vector<uint16_t> ids;
    std::vector<int32_t> cu{0};
    for (int round = 0; round < 2; ++round) {
        for (uint16_t n = 0; n < 70; ++n) {
            ids.insert(ids.end(), n, 7);
            cu.push_back(static_cast<int32_t>(ids.size()));
        }
    }
    std::vector<int32_t> inverse(140);
    const auto first = distinct(ids, cu, inverse);
    CHECK(first.size() == 70);
    for (int32_t j = 0; j < 140; ++j) CHECK(inverse[j] == j % 70);
    cu.back() += 1;
    CHECK_THROWS(distinct(ids, cu, inverse), std::invalid_argument);
}

TEST(edits_fill_exactly_their_windows) {
    const auto span = bytes("ACGTACGTA");
    const auto alt = bytes("GGG");
    const std::vector<int64_t> offsets{0, 9}, alt_offsets{0, 3};
    for (int64_t at = 0; at <= 9; ++at) {
        for (int64_t deleted = 0; deleted < 12; ++deleted) {
            for (int64_t length = 0; length < 16; ++length) {
                std::vector<uint8_t> out(static_cast<size_t>(length));
                const std::vector<int64_t> ats{at}, deletions{deleted}, lengths{length};
                edit_windows({span, offsets}, ats, deletions, {alt, alt_offsets}, lengths, out, 1);
                std::string expected = "ACGTACGTA";
                expected.replace(at, deleted, "GGG");
                expected.resize(length, 'N');
                CHECK(out == bytes(expected));
            }
        }
    }
}

TEST(left_alignment_moves_through_repeats) {
    const auto flank = bytes("GCACAcA");
    const auto unit = bytes("CA");
    const std::vector<int64_t> flank_offsets{0, 7}, unit_offsets{0, 2}, none{0, 0};
    std::vector<int64_t> shift(1);
    std::vector<uint8_t> edge(1);
    left_align({flank, flank_offsets}, {unit, unit_offsets}, {{}, none}, shift, edge);
    CHECK(shift[0] == 6);
    CHECK(edge[0] == 0);
    left_align({flank, flank_offsets}, {unit, unit_offsets}, {unit, unit_offsets}, shift, edge);
    CHECK(shift[0] == 0);
    std::vector<int32_t> prefix(1), suffix(1);
    trim({flank, flank_offsets}, {unit, unit_offsets}, prefix, suffix);
    CHECK(prefix[0] == 0);
    CHECK(suffix[0] == 2);
}

TEST(reference_codes_agree_with_their_first_base) {
    const auto genome = bytes("aRYN");
    const std::vector<int64_t> offsets{0, 1, 2, 3, 4};
    std::vector<uint8_t> agrees(4);
    match_reference({genome, offsets}, {bytes("AACA"), offsets}, agrees);
    CHECK(agrees == (std::vector<uint8_t>{1, 1, 1, 0}));
    match_reference({genome, offsets}, {bytes("TGTN"), offsets}, agrees);
    CHECK(agrees == (std::vector<uint8_t>{0, 0, 0, 1}));
}

TEST(complement_is_its_own_inverse) {
    for (int byte = 0; byte < 256; ++byte) {
        const auto letter = static_cast<uint8_t>(byte);
        if (letter != 'U' && letter != 'u') CHECK(kComplement[kComplement[letter]] == letter);
        if (kDigit[letter] != kNotBase) CHECK(kDigit[kComplement[letter]] == (kDigit[letter] ^ 1));
    }
}

TEST(windows_add_up_inside_the_stretch) {
    const std::vector<int64_t> starts{-5, 2, 9}, ends{3, 5, 20};
    const std::vector<float> scores{1, 2, 4};
    std::vector<double> sums(10);
    std::vector<int32_t> counts(10);
    overlap_add(starts, ends, scores, 0, sums, counts);
    CHECK(sums == (std::vector<double>{1, 1, 3, 2, 2, 0, 0, 0, 0, 4}));
    CHECK(counts == (std::vector<int32_t>{1, 1, 2, 1, 1, 0, 0, 0, 0, 1}));
    CHECK_THROWS(overlap_add(starts, ends, std::vector<float>(2), 0, sums, counts), std::invalid_argument);
}

TEST(threads_cover_the_range_once_and_pass_errors_on) {
    std::vector<int> seen(1001, 0);
    parallel_for(1001, 7, 10, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) ++seen[static_cast<size_t>(i)];
    });
    CHECK(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
    CHECK_THROWS(parallel_for(100, 4, 1,
                              [](int64_t first, int64_t) {
                                  if (first > 0) throw std::out_of_range("part");
                              }),
                 std::out_of_range);
}

}  // namespace
