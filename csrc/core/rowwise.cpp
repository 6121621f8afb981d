#include "core/rowwise.hpp"

#include <new>

#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/rowwise_kernels.hpp"

namespace dnabert {

namespace {

constexpr int64_t kGrain = 1 << 17;  // values below which a thread costs more than it saves

RowKernels choose(Level level) {
#if defined(__x86_64__)
    if (level == Level::avx512) return avx512_rows();
    if (level == Level::avx2 && has_fma()) return avx2_rows();
#endif
    (void)level;
    return portable_rows();
}

}  // namespace

constexpr std::align_val_t kAlign{64};

Scratch::Scratch(int64_t floats)
    : data(static_cast<float*>(::operator new(static_cast<size_t>(floats) * sizeof(float), kAlign))) {}

Scratch::~Scratch() {
    ::operator delete(data, kAlign);
}

void run_rows(const RowStep& step, int threads, Level level) {
    const RowKernels kernels = choose(level);
    parallel_for(step.rows, threads, 1 + kGrain / (step.width + 1),
                 [&](int64_t first, int64_t last) { kernels.rows(step, first, last); });
}

void run_attention(const Attention& attention, int threads, Level level) {
    const RowKernels kernels = choose(level);
    parallel_for(attention.pieces * attention.heads, threads, 4,
                 [&](int64_t first, int64_t last) { kernels.attention(attention, first, last); });
}

}  // namespace dnabert
