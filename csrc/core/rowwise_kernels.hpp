// The row steps and attention of each instruction set. Only rowwise*.cpp see this.
#pragma once

#include "core/rowwise.hpp"

namespace dnabert {

/// Room for floats, aligned for the widest vectors; not initialised.
class Scratch {
  public:
    explicit Scratch(int64_t floats);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    float* const data;
};

struct RowKernels {
    void (*rows)(const RowStep& step, int64_t first, int64_t last);
    /// Heads of pieces, numbered piece · heads + head.
    void (*attention)(const Attention& attention, int64_t first, int64_t last);
};

RowKernels portable_rows();
#if defined(__x86_64__)
RowKernels avx2_rows();
RowKernels avx512_rows();
#endif

}  // namespace dnabert
