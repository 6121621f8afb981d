#include "core/overlap.hpp"

#include <algorithm>
#include <stdexcept>

namespace dnabert {

void overlap_add(std::span<const int64_t> starts, std::span<const int64_t> ends, std::span<const float> scores,
                 int64_t origin, std::span<double> sums, std::span<int32_t> counts) {
    if (ends.size() != starts.size() || scores.size() != starts.size() || counts.size() != sums.size())
        throw std::invalid_argument("the arguments of overlap_add differ in length");
    const int64_t last = origin + static_cast<int64_t>(sums.size());
    for (size_t i = 0; i < starts.size(); ++i) {
        const int64_t begin = std::clamp(starts[i], origin, last) - origin;
        const int64_t end = std::clamp(ends[i], origin, last) - origin;
        const double score = scores[i];
        for (int64_t at = begin; at < end; ++at) sums[at] += score;
        for (int64_t at = begin; at < end; ++at) ++counts[at];
    }
}

}  // namespace dnabert
