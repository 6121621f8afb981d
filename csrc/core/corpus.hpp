// Samples of a corpus as places, keyed by their number: the split of N-free runs into pieces, random places, their
// order. Runs lie side by side on one line of bases; edges i64[r+1] are their borders. Knows no genomes and no ids.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dnabert {

/// The maximal runs of A, C, G, T, U in either case: begin, end, begin, end ...
std::vector<int64_t> clean_runs(std::span<const uint8_t> bases);

/// How long samples are, in bases: 1 <= shortest, 2 * shortest <= longest + 1.
struct Lengths {
    int64_t shortest;
    int64_t longest;
};

/// Cuts every run into pieces that follow one another: all of what remains if that is at most `longest`; else, one time
/// in two, `longest`, and otherwise a number drawn from [0, longest), `shortest` at least. A piece that would leave
/// fewer than `shortest` leaves `shortest`. Returns where pieces begin, and the end of the last. Runs have `shortest`
/// bases at least (std::invalid_argument).
std::vector<int64_t> split_runs(std::span<const int64_t> edges, Lengths lengths, uint64_t seed, uint32_t stream);

/// Where `number` < n stands in an order of [0, n) that depends on (seed, stream, pass) alone; no order is stored.
/// A Feistel network on the two digits of a number in base about sqrt(n), walking on where it leaves [0, n) (Black and
/// Rogaway 2002, "Ciphers with arbitrary finite domains").
uint64_t permuted(uint64_t number, uint64_t n, uint64_t seed, uint32_t stream, uint64_t pass);

/// What a pass has: the pieces of a split (cuts as split_runs returns them, or empty), then `random` places, which fall
/// evenly on the bases.
struct Pass {
    std::span<const int64_t> edges;
    std::span<const int64_t> cuts;
    int64_t random;
    Lengths lengths;
    bool both_strands;
    uint64_t seed;
    uint32_t stream;

    int64_t length() const { return (cuts.empty() ? 0 : static_cast<int64_t>(cuts.size()) - 1) + random; }
};

/// Samples first, first + 1, ... of the endless stream of passes: the run, the base of that run it begins at, its
/// length, and whether it is read backwards (half of them, with both_strands). A random place begins at any base of its
/// run but the last shortest - 1, has a length drawn as in split_runs and ends with its run at the latest.
void place_samples(const Pass& pass, uint64_t first, std::span<int64_t> run, std::span<int64_t> start,
                   std::span<int64_t> length, std::span<uint8_t> reverse);

/// Turns strings bases[offsets[i], offsets[i+1]) into upper case with T for U, in place; where reverse[i], into that of
/// the reverse complement.
void orient(std::span<uint8_t> bases, std::span<const int64_t> offsets, std::span<const uint8_t> reverse);

}  // namespace dnabert
