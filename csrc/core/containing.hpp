// In how many strings each of many patterns occurs. Knows letters and strands, nothing of motifs.
#pragma once

#include <cstdint>
#include <span>

#include "core/alleles.hpp"

namespace dnabert {

/// all[i]: how many texts hold pattern i or, with `both_strands`, its reverse complement, each text counted once;
/// chosen[i]: those of them for which marked[text] is not 0. Any case, U as T; no pattern reaches over another letter
/// of a text. Patterns are distinct strings of A, C, G, T (with `both_strands` none is another's reverse complement);
/// std::invalid_argument for others. An automaton of all patterns reads each text once (Aho and Corasick 1975).
void count_containing(const Strings& patterns, const Strings& texts, std::span<const uint8_t> marked, bool both_strands,
                      std::span<int64_t> all, std::span<int64_t> chosen, int threads);

}  // namespace dnabert
