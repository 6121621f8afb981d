// Scores of overlapping windows added up per base. Knows no genome.
#pragma once

#include <cstdint>
#include <span>

namespace dnabert {

/// Adds scores[i] to sums, and 1 to counts, at each position of [starts[i], ends[i]) that lies in
/// [origin, origin + sums.size()); element 0 stands for position `origin`. Windows are added in the order given, so
/// equal input gives equal bits.
void overlap_add(std::span<const int64_t> starts, std::span<const int64_t> ends, std::span<const float> scores,
                 int64_t origin, std::span<double> sums, std::span<int32_t> counts);

}  // namespace dnabert
