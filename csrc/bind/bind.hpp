// What the binding files share. A binding checks arguments, takes spans and releases the GIL once; it computes nothing.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <span>
#include <stdexcept>
#include <string>

namespace py = pybind11;

namespace dnabert::bind {

/// A contiguous one-dimensional array of exactly T; other dtypes are an error, never a silent copy.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<const T> view(const Array<T>& array, const char* name) {
    if (array.ndim() != 1) throw std::invalid_argument(std::string(name) + " must have one dimension");
    return {array.data(), static_cast<size_t>(array.size())};
}

template <class T>
std::span<T> fill(Array<T>& array, const char* name) {
    if (array.ndim() != 1) throw std::invalid_argument(std::string(name) + " must have one dimension");
    return {array.mutable_data(), static_cast<size_t>(array.size())};
}

void bind_sequence(py::module_& m);  // k-mers, rows, distinct pieces, alleles, tracks
void bind_files(py::module_& m);     // genomes, FASTA streams, VCF text, tables
void bind_training(py::module_& m);  // samples of a corpus, masking
void bind_score_table(py::module_& m);
void bind_genotypes(py::module_& m);  // genotypes of VCF records

}  // namespace dnabert::bind
