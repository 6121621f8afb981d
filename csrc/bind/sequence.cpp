// Bindings of k-mers, rows, distinct pieces, alleles, tracks and patterns.
#include "bind/bind.hpp"
#include "core/alleles.hpp"
#include "core/containing.hpp"
#include "core/cpu.hpp"
#include "core/distinct.hpp"
#include "core/kmer.hpp"
#include "core/overlap.hpp"
#include "core/rows.hpp"

namespace dnabert::bind {

namespace {

Strings strings(const Array<uint8_t>& bytes, const Array<int64_t>& offsets, const char* name) {
    return {view(bytes, name), view(offsets, name)};
}

void py_kmer_ids(const Array<uint8_t>& bases, int k, Array<uint16_t> out, bool reverse, int threads,
                 const std::string& level) {
    const auto from = view(bases, "bases");
    const auto to = fill(out, "out");
    const Level chosen = level_of(level);
    py::gil_scoped_release release;
    kmer_ids(from, k, to, reverse, threads, chosen);
}

py::tuple py_row_sizes(const Array<int64_t>& lengths, int k, int64_t piece) {
    const RowSizes sizes = row_sizes(view(lengths, "lengths"), k, piece);
    return py::make_tuple(sizes.pieces, sizes.tokens);
}

void py_rows(const Array<uint8_t>& bases, const Array<int64_t>& starts, const Array<int64_t>& ends,
             const Array<uint8_t>& reverse, int k, int64_t piece, Array<int32_t> cu_seqlens, Array<int32_t> owner,
             Array<uint16_t> ids, int threads) {
    const auto from = view(bases, "bases");
    const auto begin = view(starts, "starts");
    const auto end = view(ends, "ends");
    const auto strand = view(reverse, "reverse");
    const auto bounds = fill(cu_seqlens, "cu_seqlens");
    const auto window = fill(owner, "owner");
    const auto to = fill(ids, "ids");
    py::gil_scoped_release release;
    rows(from, begin, end, strand, k, piece, bounds, window, to, threads);
}

py::tuple py_gather_rows(const Array<uint16_t>& ids, const Array<int32_t>& cu_seqlens, const Array<int32_t>& which) {
    const auto from = view(ids, "ids");
    const auto bounds = view(cu_seqlens, "cu_seqlens");
    const auto pieces = view(which, "which");
    Array<uint16_t> out_ids(gather_size(bounds, pieces));
    Array<int32_t> out_cu_seqlens(static_cast<py::ssize_t>(pieces.size() + 1));
    const auto to = fill(out_ids, "ids");
    const auto to_bounds = fill(out_cu_seqlens, "cu_seqlens");
    {
        py::gil_scoped_release release;
        gather_rows(from, bounds, pieces, to_bounds, to);
    }
    return py::make_tuple(out_ids, out_cu_seqlens);
}

py::tuple py_distinct(const Array<uint16_t>& ids, const Array<int32_t>& cu_seqlens) {
    const auto from = view(ids, "ids");
    const auto bounds = view(cu_seqlens, "cu_seqlens");
    if (bounds.empty()) throw std::invalid_argument("cu_seqlens must have at least one element");
    Array<int32_t> inverse(static_cast<py::ssize_t>(bounds.size() - 1));
    const auto to = fill(inverse, "inverse");
    std::vector<int32_t> first;
    {
        py::gil_scoped_release release;
        first = distinct(from, bounds, to);
    }
    return py::make_tuple(Array<int32_t>(static_cast<py::ssize_t>(first.size()), first.data()), inverse);
}

void py_copy_spans(const Array<uint8_t>& bases, const Array<int64_t>& starts, const Array<int64_t>& ends,
                   Array<uint8_t> out) {
    const auto from = view(bases, "bases");
    const auto begin = view(starts, "starts");
    const auto end = view(ends, "ends");
    const auto to = fill(out, "out");
    py::gil_scoped_release release;
    copy_spans(from, begin, end, to);
}

void py_edit_windows(const Array<uint8_t>& bases, const Array<int64_t>& offsets, const Array<int64_t>& at,
                     const Array<int64_t>& deleted, const Array<uint8_t>& alt, const Array<int64_t>& alt_offsets,
                     const Array<int64_t>& length, Array<uint8_t> out, int threads) {
    const Strings spans = strings(bases, offsets, "bases");
    const Strings alleles = strings(alt, alt_offsets, "alt");
    const auto where = view(at, "at");
    const auto removed = view(deleted, "deleted");
    const auto lengths = view(length, "length");
    const auto to = fill(out, "out");
    py::gil_scoped_release release;
    edit_windows(spans, where, removed, alleles, lengths, to, threads);
}

void py_match_reference(const Array<uint8_t>& bases, const Array<int64_t>& offsets, const Array<uint8_t>& ref,
                        const Array<int64_t>& ref_offsets, Array<uint8_t> out) {
    const Strings genome = strings(bases, offsets, "bases");
    const Strings alleles = strings(ref, ref_offsets, "ref");
    const auto to = fill(out, "out");
    py::gil_scoped_release release;
    match_reference(genome, alleles, to);
}

void py_trim(const Array<uint8_t>& ref, const Array<int64_t>& ref_offsets, const Array<uint8_t>& alt,
             const Array<int64_t>& alt_offsets, Array<int32_t> prefix, Array<int32_t> suffix) {
    const Strings from = strings(ref, ref_offsets, "ref");
    const Strings other = strings(alt, alt_offsets, "alt");
    const auto left = fill(prefix, "prefix");
    const auto right = fill(suffix, "suffix");
    py::gil_scoped_release release;
    trim(from, other, left, right);
}

void py_left_align(const Array<uint8_t>& flank, const Array<int64_t>& flank_offsets, const Array<uint8_t>& ref,
                   const Array<int64_t>& ref_offsets, const Array<uint8_t>& alt, const Array<int64_t>& alt_offsets,
                   Array<int64_t> shift, Array<uint8_t> hit_edge) {
    const Strings before = strings(flank, flank_offsets, "flank");
    const Strings from = strings(ref, ref_offsets, "ref");
    const Strings other = strings(alt, alt_offsets, "alt");
    const auto steps = fill(shift, "shift");
    const auto edge = fill(hit_edge, "hit_edge");
    py::gil_scoped_release release;
    left_align(before, from, other, steps, edge);
}

void py_reverse_complement(const Array<uint8_t>& bases, const Array<int64_t>& offsets, Array<uint8_t> out) {
    const Strings from = strings(bases, offsets, "bases");
    const auto to = fill(out, "out");
    py::gil_scoped_release release;
    reverse_complement(from, to);
}

void py_overlap_add(const Array<int64_t>& starts, const Array<int64_t>& ends, const Array<float>& scores,
                    int64_t origin, Array<double> sums, Array<int32_t> counts) {
    const auto begin = view(starts, "starts");
    const auto end = view(ends, "ends");
    const auto value = view(scores, "scores");
    const auto total = fill(sums, "sums");
    const auto number = fill(counts, "counts");
    py::gil_scoped_release release;
    overlap_add(begin, end, value, origin, total, number);
}

void py_count_containing(const Array<uint8_t>& patterns, const Array<int64_t>& pattern_offsets,
                         const Array<uint8_t>& texts, const Array<int64_t>& text_offsets, const Array<uint8_t>& marked,
                         bool both_strands, Array<int64_t> all, Array<int64_t> chosen, int threads) {
    const Strings sought = strings(patterns, pattern_offsets, "patterns");
    const Strings read = strings(texts, text_offsets, "texts");
    const auto which = view(marked, "marked");
    const auto total = fill(all, "all");
    const auto some = fill(chosen, "chosen");
    py::gil_scoped_release release;
    count_containing(sought, read, which, both_strands, total, some, threads);
}

py::dict py_cpu_features() {
    py::dict features;
    for (const auto& [name, here] : cpu_features()) features[name.c_str()] = here;
    return features;
}

py::arg_v threads_arg() {
    return py::arg("threads") = 1;
}

py::arg array(const char* name) {
    return py::arg(name).noconvert();
}

void bind_tokens(py::module_& m) {
    m.def("kmer_ids", &py_kmer_ids, array("bases"), py::arg("k"), array("out"), py::arg("reverse"), threads_arg(),
          py::arg("level") = "auto",
          "Write the token ids u16[max(0, n-k+1)] of the k-mers of bases u8[n]; reverse: of the reverse complement.");
    m.def("row_sizes", &py_row_sizes, array("lengths"), py::arg("k"), py::arg("piece") = 510,
          "(pieces, tokens) of the packed layout of windows of lengths i64[n].");
    m.def("rows", &py_rows, array("bases"), array("starts"), array("ends"), array("reverse"), py::arg("k"),
          py::arg("piece"), array("cu_seqlens"), array("owner"), array("ids"), threads_arg(),
          "Write windows bases[starts[i]:ends[i]] as packed pieces [CLS] ids [SEP] of at most `piece` k-mers.");
    m.def("gather_rows", &py_gather_rows, array("ids"), array("cu_seqlens"), array("which"),
          "(ids, cu_seqlens) of the pieces `which` i32[p], in that order.");
    m.def("distinct", &py_distinct, array("ids"), array("cu_seqlens"),
          "(first i32[u], inverse i32[m]): the pieces that differ in content, in order of first appearance.");
}

void bind_alleles(py::module_& m) {
    m.def("copy_spans", &py_copy_spans, array("bases"), array("starts"), array("ends"), array("out"),
          "Write bases[starts[i]:ends[i]] end to end.");
    m.def("edit_windows", &py_edit_windows, array("bases"), array("offsets"), array("at"), array("deleted"),
          array("alt"), array("alt_offsets"), array("length"), array("out"), threads_arg(),
          "Write span[:at] + alt + span[at+deleted:], cut or filled with N to length, for each span.");
    m.def("match_reference", &py_match_reference, array("bases"), array("offsets"), array("ref"), array("ref_offsets"),
          array("out"), "Write 1 where REF is what the genome has (any case; IUPAC as VCF 4.3 section 1.6.1), else 0.");
    m.def("trim", &py_trim, array("ref"), array("ref_offsets"), array("alt"), array("alt_offsets"), array("prefix"),
          array("suffix"), "Write the lengths of the common prefix, and of the common suffix of the rest.");
    m.def("left_align", &py_left_align, array("flank"), array("flank_offsets"), array("ref"), array("ref_offsets"),
          array("alt"), array("alt_offsets"), array("shift"), array("hit_edge"),
          "Write how far a trimmed insertion or deletion moves left in its flank, and whether the flank ended first.");
    m.def("reverse_complement", &py_reverse_complement, array("bases"), array("offsets"), array("out"),
          "Write the reverse complement of each string; IUPAC codes too, case kept.");
    m.def("overlap_add", &py_overlap_add, array("starts"), array("ends"), array("scores"), py::arg("origin"),
          array("sums"), array("counts"),
          "Add window scores to per-base sums f64[L] and counts i32[L], in window order.");
    m.def("count_containing", &py_count_containing, array("patterns"), array("pattern_offsets"), array("texts"),
          array("text_offsets"), array("marked"), py::arg("both_strands"), array("all"), array("chosen"), threads_arg(),
          "Write how many texts, and how many marked ones, hold each pattern at least once.");
}

}  // namespace

void bind_sequence(py::module_& m) {
    bind_tokens(m);
    bind_alleles(m);
    m.def("cpu_features", &py_cpu_features,
          "The instruction sets that matter here, and whether this machine has them.");
    m.def("kmer_level", [] { return level_name(best_level()); }, "The k-mer kernel this machine gets.");
}

}  // namespace dnabert::bind
