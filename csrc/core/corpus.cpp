#include "core/corpus.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/alphabet.hpp"
#include "core/random.hpp"

namespace dnabert {

namespace {

constexpr uint32_t kRounds = 8;
constexpr uint64_t kMaxOrder = uint64_t{1} << 52;  // so that roots of doubles are right, and halves have 27 bits

uint64_t wide(uint32_t low, uint32_t high) {
    return uint64_t{high} << 32 | low;
}

void check_lengths(Lengths lengths) {
    if (lengths.shortest < 1 || 2 * lengths.shortest > lengths.longest + 1 || lengths.longest > int64_t{1} << 31)
        throw std::invalid_argument("samples cannot have from " + std::to_string(lengths.shortest) + " to " +
                                    std::to_string(lengths.longest) + " bases");
}

void check_edges(std::span<const int64_t> edges) {
    if (edges.size() < 2 || edges.front() != 0) throw std::invalid_argument("edges begin with 0 and have a run");
}

/// The bases of a run, which must do for a sample.
int64_t size_of(std::span<const int64_t> edges, size_t run, Lengths lengths) {
    const int64_t size = edges[run + 1] - edges[run];
    if (size < lengths.shortest)
        throw std::invalid_argument("run " + std::to_string(run) + " has " + std::to_string(size) +
                                    " bases, fewer than the shortest sample");
    return size;
}

int64_t drawn_length(uint32_t word, Lengths lengths) {
    const int64_t drawn = below(word, static_cast<uint32_t>(lengths.longest));
    return std::max(drawn, lengths.shortest);
}

int64_t run_of(std::span<const int64_t> edges, int64_t base) {
    return std::upper_bound(edges.begin(), edges.end(), base) - edges.begin() - 1;
}

}  // namespace

std::vector<int64_t> clean_runs(std::span<const uint8_t> bases) {
    std::vector<int64_t> found;
    const int64_t n = static_cast<int64_t>(bases.size());
    for (int64_t at = 0; at < n;) {
        while (at < n && kDigit[bases[static_cast<size_t>(at)]] == kNotBase) ++at;
        if (at == n) break;
        found.push_back(at);
        while (at < n && kDigit[bases[static_cast<size_t>(at)]] != kNotBase) ++at;
        found.push_back(at);
    }
    return found;
}

std::vector<int64_t> split_runs(std::span<const int64_t> edges, Lengths lengths, uint64_t seed, uint32_t stream) {
    check_lengths(lengths);
    check_edges(edges);
    std::vector<int64_t> cuts;
    cuts.reserve(static_cast<size_t>(edges.back() / lengths.longest * 4 / 3) + edges.size());
    for (size_t r = 0; r + 1 < edges.size(); ++r) {
        size_of(edges, r, lengths);
        const Draws draws(seed, Purpose::split, stream, r);
        uint32_t piece = 0;
        for (int64_t at = edges[r], end = edges[r + 1]; at < end; ++piece) {
            cuts.push_back(at);
            const int64_t rest = end - at;
            if (rest <= lengths.longest) break;
            const Words words = draws.block(piece);
            const bool full = words[0] < 1u << 31;
            const int64_t length = full ? lengths.longest : drawn_length(words[1], lengths);
            at += std::min(length, rest - lengths.shortest);
        }
    }
    cuts.push_back(edges.back());
    return cuts;
}

uint64_t permuted(uint64_t number, uint64_t n, uint64_t seed, uint32_t stream, uint64_t pass) {
    if (n > kMaxOrder) throw std::invalid_argument("an order of more than 2^52 numbers");
    if (number >= n) throw std::invalid_argument(std::to_string(number) + " is not below " + std::to_string(n));
    const uint64_t rows = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
    const uint64_t columns = (n + rows - 1) / rows;
    const Draws draws(seed, Purpose::order, stream, pass);
    do {
        uint64_t row = number / columns, column = number % columns;
        for (uint32_t round = 0; round < kRounds; ++round) {
            const uint64_t half = round % 2 == 0 ? column : row;
            const Words words = draws.block(round << 28 | static_cast<uint32_t>(half));
            if (round % 2 == 0) {
                row = (row + below(wide(words[0], words[1]), rows)) % rows;
            } else {
                column = (column + below(wide(words[0], words[1]), columns)) % columns;
            }
        }
        number = row * columns + column;
    } while (number >= n);
    return number;
}

void place_samples(const Pass& pass, uint64_t first, std::span<int64_t> run, std::span<int64_t> start,
                   std::span<int64_t> length, std::span<uint8_t> reverse) {
    check_lengths(pass.lengths);
    check_edges(pass.edges);
    const size_t n = run.size();
    if (start.size() != n || length.size() != n || reverse.size() != n)
        throw std::invalid_argument("run, start, length and reverse differ in length");
    const uint64_t total = static_cast<uint64_t>(pass.length());
    const uint64_t pieces = total - static_cast<uint64_t>(pass.random);
    if (pass.random < 0 || pass.random > int64_t{1} << 31 || pass.edges.size() < 2 || total == 0)
        throw std::invalid_argument("a pass has no samples");
    if (pieces > 0 && (pass.cuts.front() != 0 || pass.cuts.back() != pass.edges.back()))
        throw std::invalid_argument("the cuts are not those of these runs");
    for (size_t i = 0; i < n; ++i) {
        const uint64_t number = first + i;
        const uint64_t place = permuted(number % total, total, pass.seed, pass.stream, number / total);
        const Words words = Draws(pass.seed, Purpose::place, pass.stream, number).block(0);
        reverse[i] = pass.both_strands && words[0] >> 31;
        if (place < pieces) {
            const int64_t begin = pass.cuts[place];
            run[i] = run_of(pass.edges, begin);
            start[i] = begin - pass.edges[static_cast<size_t>(run[i])];
            length[i] = pass.cuts[place + 1] - begin;
        } else {
            // A run has as many places as its share of the bases, to within one; where they lie in it is drawn.
            const int64_t which = static_cast<int64_t>(place - pieces);
            const int64_t bases = pass.edges.back();
            run[i] = run_of(pass.edges, which * (bases / pass.random) + which * (bases % pass.random) / pass.random);
            const size_t r = static_cast<size_t>(run[i]);
            const int64_t size = size_of(pass.edges, r, pass.lengths);
            const uint64_t starts = static_cast<uint64_t>(size - pass.lengths.shortest + 1);
            start[i] = static_cast<int64_t>(below(wide(words[1], words[2]), starts));
            length[i] = std::min(drawn_length(words[3], pass.lengths), size - start[i]);
        }
    }
}

void orient(std::span<uint8_t> bases, std::span<const int64_t> offsets, std::span<const uint8_t> reverse) {
    if (offsets.size() != reverse.size() + 1 || offsets.front() != 0 ||
        offsets.back() != static_cast<int64_t>(bases.size()) || !std::is_sorted(offsets.begin(), offsets.end()))
        throw std::invalid_argument("offsets must ascend from 0 to the number of bases, one more than reverse has");
    for (size_t i = 0; i < reverse.size(); ++i) {
        uint8_t* from = bases.data() + offsets[i];
        uint8_t* to = bases.data() + offsets[i + 1];
        for (uint8_t* at = from; at < to; ++at) *at = kUpper[*at];
        if (reverse[i] == 0) continue;
        std::reverse(from, to);
        for (uint8_t* at = from; at < to; ++at) *at = kComplement[*at];
    }
}

}  // namespace dnabert
