#include "bind/bind.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "The C++ core of dnabert_fast: k-mers, windows, genomes and VCF text.";
    dnabert::bind::bind_sequence(m);
    dnabert::bind::bind_files(m);
    dnabert::bind::bind_training(m);
    dnabert::bind::bind_score_table(m);
    dnabert::bind::bind_genotypes(m);
}
