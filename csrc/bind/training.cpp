// Bindings of what training reads: samples of a corpus, and masking.
#include "bind/bind.hpp"
#include "core/corpus.hpp"
#include "core/masking.hpp"

namespace dnabert::bind {

namespace {

template <class T>
Array<T> copied(const std::vector<T>& values) {
    return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

Array<int64_t> py_clean_runs(const Array<uint8_t>& bases) {
    const auto from = view(bases, "bases");
    std::vector<int64_t> found;
    {
        py::gil_scoped_release release;
        found = clean_runs(from);
    }
    return copied(found);
}

Array<int64_t> py_split_runs(const Array<int64_t>& edges, int64_t shortest, int64_t longest, uint64_t seed,
                             uint32_t stream) {
    const auto borders = view(edges, "edges");
    std::vector<int64_t> cuts;
    {
        py::gil_scoped_release release;
        cuts = split_runs(borders, {shortest, longest}, seed, stream);
    }
    return copied(cuts);
}

void py_place_samples(const Array<int64_t>& edges, const Array<int64_t>& cuts, int64_t random, int64_t shortest,
                      int64_t longest, bool both_strands, uint64_t seed, uint32_t stream, uint64_t first,
                      Array<int64_t> run, Array<int64_t> start, Array<int64_t> length, Array<uint8_t> reverse) {
    const Pass pass{view(edges, "edges"), view(cuts, "cuts"), random, {shortest, longest}, both_strands, seed, stream};
    const auto runs = fill(run, "run");
    const auto starts = fill(start, "start");
    const auto lengths = fill(length, "length");
    const auto backward = fill(reverse, "reverse");
    py::gil_scoped_release release;
    place_samples(pass, first, runs, starts, lengths, backward);
}

void py_orient(Array<uint8_t> bases, const Array<int64_t>& offsets, const Array<uint8_t>& reverse) {
    const auto to = fill(bases, "bases");
    const auto borders = view(offsets, "offsets");
    const auto backward = view(reverse, "reverse");
    py::gil_scoped_release release;
    orient(to, borders, backward);
}

py::tuple py_mask(Array<uint16_t> ids, const Array<int32_t>& cu_seqlens, const Array<int32_t>& owner, int k, int span,
                  double rate, bool whole_spans, uint64_t seed, uint64_t first, uint32_t stream) {
    const auto tokens = fill(ids, "ids");
    const auto bounds = view(cu_seqlens, "cu_seqlens");
    const auto window = view(owner, "owner");
    Hidden hidden;
    {
        py::gil_scoped_release release;
        hidden = mask(tokens, bounds, window, {k, span, rate, whole_spans}, seed, first, stream);
    }
    return py::make_tuple(copied(hidden.rows), copied(hidden.labels));
}

py::arg array(const char* name) {
    return py::arg(name).noconvert();
}

}  // namespace

void bind_training(py::module_& m) {
    m.def("clean_runs", &py_clean_runs, array("bases"),
          "The maximal runs of A, C, G, T, U of bases: begin, end, begin, end ...");
    m.def("split_runs", &py_split_runs, array("edges"), py::arg("shortest"), py::arg("longest"), py::arg("seed"),
          py::arg("stream"),
          "Where the pieces of a split of runs that lie side by side begin, and the end of the last.");
    m.def("place_samples", &py_place_samples, array("edges"), array("cuts"), py::arg("random"), py::arg("shortest"),
          py::arg("longest"), py::arg("both_strands"), py::arg("seed"), py::arg("stream"), py::arg("first"),
          array("run"), array("start"), array("length"), array("reverse"),
          "Write run, start in it, length and strand of samples first, first + 1, ... of an endless stream of passes.");
    m.def("orient", &py_orient, array("bases"), array("offsets"), array("reverse"),
          "Turn strings into upper case with T for U in place, those of `reverse` into their reverse complement.");
    m.def("mask", &py_mask, array("ids"), array("cu_seqlens"), array("owner"), py::arg("k"), py::arg("span"),
          py::arg("rate"), py::arg("whole_spans"), py::arg("seed"), py::arg("first"), py::arg("stream"),
          "Mask packed pieces in place; (rows, labels): which ids were masked, and what stood there.");
}

}  // namespace dnabert::bind
