// Bindings of tables of scores.
#include "core/score_table.hpp"

#include <mutex>

#include "bind/bind.hpp"

namespace dnabert::bind {

namespace {

/// A table with the lock that lets threads share it.
struct Guarded {
    Guarded(const std::string& path, const std::string& index) : table(path, index) {}

    ScoreTable table;
    std::mutex mutex;
};

void py_find(Guarded& self, size_t contig, const Array<int64_t>& start, const Array<uint8_t>& deleted,
             const Array<int64_t>& deleted_offsets, const Array<uint8_t>& inserted,
             const Array<int64_t>& inserted_offsets, const Array<int32_t>& columns, Array<float> values,
             Array<uint8_t> hits) {
    const ScoreTable::Alleles alleles{view(start, "start"), view(deleted, "deleted"),
                                      view(deleted_offsets, "deleted_offsets"), view(inserted, "inserted"),
                                      view(inserted_offsets, "inserted_offsets")};
    const auto chosen = view(columns, "columns");
    const auto to = fill(values, "values");
    const auto found = fill(hits, "hits");
    py::gil_scoped_release release;
    std::lock_guard lock(self.mutex);
    self.table.find(contig, alleles, chosen, to, found);
}

}  // namespace

void bind_score_table(py::module_& m) {
    py::class_<Guarded>(m, "ScoreTable", "A BGZF table of scores of alleles with its .tbi or .csi, searched forward.")
        .def(py::init([](const std::string& path, const std::string& index) {
                 py::gil_scoped_release release;
                 return std::make_unique<Guarded>(path, index);
             }),
             py::arg("path"), py::arg("index"))
        .def_property_readonly("header", [](const Guarded& t) { return py::bytes(t.table.header()); })
        .def_property_readonly(
            "contigs",
            [](const Guarded& t) {
                py::list names;
                for (const auto& contig : t.table.contigs()) {
                    names.append(py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
                        contig.name.data(), static_cast<py::ssize_t>(contig.name.size()), "replace")));
                }
                return names;
            })
        .def("find", &py_find, py::arg("contig"), py::arg("start"), py::arg("deleted"), py::arg("deleted_offsets"),
             py::arg("inserted"), py::arg("inserted_offsets"), py::arg("columns"), py::arg("values").noconvert(),
             py::arg("hits").noconvert(),
             "Numbers f32[columns * n] of alleles that ascend on a contig, NaN for none, and hits u8[n]: 0 no row, "
             "1 found, 2 another ALT, 3 another REF.");
}

}  // namespace dnabert::bind
