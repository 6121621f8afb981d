// Bindings of genotypes.
#include "core/genotypes.hpp"

#include "bind/bind.hpp"

namespace dnabert::bind {

namespace {

int64_t py_genotypes(const Array<uint8_t>& text, const Array<int64_t>& columns, size_t samples, Array<int16_t> alleles,
                     Array<uint8_t> phased, Array<int64_t> phase_set) {
    const auto bytes = view(text, "text");
    if (columns.ndim() != 2) throw std::invalid_argument("columns must be n x 9");
    const std::span<const int64_t> places{columns.data(), static_cast<size_t>(columns.size())};
    const auto carried = fill(alleles, "alleles");
    const auto known = fill(phased, "phased");
    const auto sets = fill(phase_set, "phase_set");
    py::gil_scoped_release release;
    return read_genotypes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, places, samples, carried, known,
                          sets);
}

}  // namespace

void bind_genotypes(py::module_& m) {
    m.def("genotypes", &py_genotypes, py::arg("text"), py::arg("columns"), py::arg("samples"),
          py::arg("alleles").noconvert(), py::arg("phased").noconvert(), py::arg("phase_set").noconvert(),
          "Fills alleles i16[n * samples * 2], phased u8[n * samples] and phase_set i64[n * samples]; the first record "
          "that cannot be read, or -1.");
}

}  // namespace dnabert::bind
