#include "core/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <stdexcept>

namespace dnabert {

namespace {

/// What CPUID and the operating system allow. Not __builtin_cpu_supports: it needs the compiler's run-time library to
/// have asked, and not every one does (zig's answers no to all).
struct Processor {
    bool avx2 = false;
    bool fma = false;
    bool avx512f = false;
    bool avx512bw = false;
    bool avx512vbmi = false;
    bool avx512vnni = false;
    bool avx_vnni = false;
};

const Processor& processor() {
    static const Processor found = [] {
        Processor here;
#if defined(__x86_64__)
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return here;
        const bool fma = ecx >> 12 & 1U;
        if (!(ecx >> 27 & 1U) || !(ecx >> 28 & 1U)) return here;  // OSXSAVE and AVX
        unsigned low = 0, high = 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        const bool wide = (low & 0x06U) == 0x06U;            // the system keeps XMM and YMM
        const bool widest = wide && (low & 0xE0U) == 0xE0U;  // and masks and ZMM
        if (!wide || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return here;
        here.avx2 = ebx >> 5 & 1U;
        here.fma = fma;
        here.avx512f = widest && (ebx >> 16 & 1U);
        here.avx512bw = widest && (ebx >> 30 & 1U);
        here.avx512vbmi = widest && (ecx >> 1 & 1U);
        here.avx512vnni = widest && (ecx >> 11 & 1U);
        here.avx_vnni = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1U);
#endif
        return here;
    }();
    return found;
}

}  // namespace

std::vector<std::pair<std::string, bool>> cpu_features() {
#if defined(__x86_64__)
    const Processor& here = processor();
    return {
        {"avx2", here.avx2},
        {"avx512f", here.avx512f},
        {"avx512bw", here.avx512bw},
        {"avx512vbmi", here.avx512vbmi},
        {"avx512vnni", here.avx512vnni},
    };
#else
    return {};
#endif
}

bool has_fma() {
    return processor().fma;
}

bool has_vnni() {
    return processor().avx512vnni || (processor().avx2 && processor().avx_vnni);
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
