// Which pieces of a packed batch are equal in content. Knows only ids and their bounds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dnabert {

/// Groups the m pieces of a packed batch by content. inverse[j] is the group of piece j; the return value holds the
/// first piece of each group, groups in order of first appearance. Exact: equal hashes are followed by a comparison.
std::vector<int32_t> distinct(std::span<const uint16_t> ids, std::span<const int32_t> cu_seqlens,
                              std::span<int32_t> inverse);

/// A 64-bit hash of n bytes: multiply and fold of 128-bit products, 16 bytes a step.
uint64_t hash_bytes(const void* data, size_t n);

}  // namespace dnabert
