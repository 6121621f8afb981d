// Which instruction sets this machine has, and which k-mer kernel they allow.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dnabert {

/// The kernels of kmer.cpp, slowest first; a machine that has one has all before it.
enum class Level { portable, avx2, avx512 };

/// The fastest level of this machine, found once.
Level best_level();

/// "portable", "avx2" or "avx512".
const char* level_name(Level level);

/// The level of that name; "auto" is best_level(). Throws std::invalid_argument for a name or level that is not here.
Level level_of(const std::string& name);

/// The instruction sets that matter here, and whether this machine has them; empty where it is not an x86-64.
std::vector<std::pair<std::string, bool>> cpu_features();

/// Whether this machine multiplies and adds floats in one instruction, in registers of 256 bits.
bool has_fma();

/// Whether this machine adds products of u8 and s8 in 32 bits (AVX512-VNNI or AVX-VNNI).
bool has_vnni();

}  // namespace dnabert
