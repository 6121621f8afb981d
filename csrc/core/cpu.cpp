#include "core/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <stdexcept>

namespace dnabert {

std::vector<std::pair<std::string, bool>> cpu_features() {
#if defined(__x86_64__)
    return {
        {"avx2", __builtin_cpu_supports("avx2") != 0},
        {"avx512f", __builtin_cpu_supports("avx512f") != 0},
        {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
        {"avx512vbmi", __builtin_cpu_supports("avx512vbmi") != 0},
        {"avx512vnni", __builtin_cpu_supports("avx512vnni") != 0},
    };
#else
    return {};
#endif
}

bool has_vnni() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni")) return true;
    if (!__builtin_cpu_supports("avx2")) return false;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    // Leaf 7, subleaf 1: AVX-VNNI is bit 4 of EAX.
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1U);
#else
    return false;
#endif
}

Level best_level() {
    static const Level level = [] {
        bool avx2 = false;
        bool avx512 = true;
        for (const auto& [name, here] : cpu_features()) {
            if (name == "avx2") avx2 = here;
            avx512 = avx512 && here;
        }
        if (!avx2) return Level::portable;
        return avx512 ? Level::avx512 : Level::avx2;
    }();
    return level;
}

const char* level_name(Level level) {
    switch (level) {
        case Level::avx512:
            return "avx512";
        case Level::avx2:
            return "avx2";
        case Level::portable:
            break;
    }
    return "portable";
}

Level level_of(const std::string& name) {
    if (name == "auto") return best_level();
    for (const Level level : {Level::portable, Level::avx2, Level::avx512}) {
        if (name != level_name(level)) continue;
        if (level > best_level()) throw std::invalid_argument("this machine does not have " + name);
        return level;
    }
    throw std::invalid_argument("level must be auto, portable, avx2 or avx512, not " + name);
}

}  // namespace dnabert
