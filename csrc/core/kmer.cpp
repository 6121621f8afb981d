#include "core/kmer.hpp"

#include <stdexcept>
#include <string>

#include "core/kmer_kernels.hpp"
#include "core/parallel.hpp"

namespace dnabert {

namespace {

constexpr int64_t kGrain = 1 << 18;  // k-mers below which a thread costs more than it saves

Kernel choose(Level level, int k, bool reverse) {
#if defined(__x86_64__)
    if (level == Level::avx512) return avx512_kernel(k, reverse);
    if (level == Level::avx2) return avx2_kernel(k, reverse);
#endif
    (void)level;
    return portable_kernel(k, reverse);
}

}  // namespace

void check_k(int k) {
    if (k < kMinK || k > kMaxK) throw std::invalid_argument("k must be 3, 4, 5 or 6, not " + std::to_string(k));
}

void kmer_ids(std::span<const uint8_t> bases, int k, std::span<uint16_t> out, bool reverse, int threads, Level level) {
    check_k(k);
    const int64_t n = std::ssize(bases);
    const int64_t count = kmer_count(n, k);
    if (std::ssize(out) != count)
        throw std::invalid_argument("the output of kmer_ids must have " + std::to_string(count) + " elements, not " +
                                    std::to_string(out.size()));
    const Kernel kernel = choose(level, k, reverse);
    parallel_for(count, threads, kGrain, [&](int64_t first, int64_t last) {
        // K-mers [first, last) of the strand; those of the reverse strand lie at the other end of the bases.
        const int64_t begin = reverse ? count - last : first;
        kernel(bases.data() + begin, last - first + k - 1, out.data() + first);
    });
}

}  // namespace dnabert
