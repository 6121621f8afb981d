// Bindings of genomes, FASTA streams, VCF text and tables; here FormatError becomes dnabert_fast.errors.FormatError.
#include <mutex>

#include "bind/bind.hpp"
#include "core/error.hpp"
#include "core/fasta.hpp"
#include "core/genome.hpp"
#include "core/sections.hpp"
#include "core/source.hpp"
#include "core/table.hpp"
#include "core/vcf_splice.hpp"
#include "core/vcf_text.hpp"

namespace dnabert::bind {

namespace {

/// An array that owns the vector, without a copy.
template <class T, class Allocator>
py::array_t<T> owned(std::vector<T, Allocator>&& values) {
    auto* kept = new std::vector<T, Allocator>(std::move(values));
    py::capsule owner(kept, [](void* p) { delete static_cast<std::vector<T, Allocator>*>(p); });
    return py::array_t<T>(static_cast<py::ssize_t>(kept->size()), kept->data(), owner);
}

std::string_view text_of(const Array<uint8_t>& array) {
    const auto bytes = view(array, "text");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const int64_t> columns_of(const Array<int64_t>& columns) {
    if (columns.ndim() != 2 || columns.shape(1) != static_cast<py::ssize_t>(VcfColumns::kWidth)) {
        throw std::invalid_argument("columns must be n x 9");
    }
    return {columns.data(), static_cast<size_t>(columns.size())};
}

py::str lenient(std::string_view text) {
    return py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

void py_fetch(const Genome& genome, const Array<int32_t>& contig, const Array<int64_t>& start,
              const Array<int64_t>& end, Array<uint8_t> out) {
    const auto contigs = view(contig, "contig");
    const auto starts = view(start, "start");
    const auto ends = view(end, "end");
    const auto to = fill(out, "out");
    py::gil_scoped_release release;
    genome.fetch(contigs, starts, ends, to);
}

/// A stream with the lock that lets threads share it.
template <class Stream>
struct Guarded {
    template <class... Args>
    explicit Guarded(const Args&... args) : stream(args...) {}

    Stream stream;
    std::mutex mutex;
};

py::object py_next_bases(Guarded<FastaStream>& self, Array<uint8_t> out) {
    const auto to = fill(out, "out");
    FastaChunk chunk;
    bool found = false;
    {
        py::gil_scoped_release release;
        std::lock_guard lock(self.mutex);
        found = self.stream.next(to, chunk);
    }
    if (!found) return py::none();
    return py::make_tuple(lenient(chunk.name), chunk.contig, chunk.offset, chunk.size);
}

py::object py_next_records(Guarded<VcfText>& self, size_t max_records) {
    Bytes text;
    VcfLines lines;
    {
        py::gil_scoped_release release;
        std::lock_guard lock(self.mutex);
        if (self.stream.next(max_records, lines)) text.assign(lines.text.begin(), lines.text.end());
    }
    if (text.empty()) return py::none();
    return py::make_tuple(owned(std::move(text)), lines.first_line, lines.section);
}

void py_enter(Guarded<VcfText>& self, int64_t first, int64_t end, int64_t stored, int64_t within) {
    py::gil_scoped_release release;
    std::lock_guard lock(self.mutex);
    self.stream.enter(first, end, stored, within);
}

py::tuple py_find_sections(const std::string& path, int64_t bytes) {
    Sections sections;
    {
        py::gil_scoped_release release;
        sections = find_sections(path, bytes);
    }
    return py::make_tuple(sections.text, owned(std::move(sections.stored)), owned(std::move(sections.within)));
}

py::tuple py_vcf_split(const Array<uint8_t>& text, int64_t first_line, const std::string& path) {
    const auto from = text_of(text);
    VcfColumns split;
    {
        py::gil_scoped_release release;
        split = split_vcf(from, first_line, path);
    }
    const auto n = static_cast<py::ssize_t>(split.pos.size());
    return py::make_tuple(owned(std::move(split.columns)).reshape({n, py::ssize_t{VcfColumns::kWidth}}),
                          owned(std::move(split.pos)));
}

py::tuple py_vcf_alleles(const Array<uint8_t>& text, const Array<int64_t>& columns) {
    const auto from = text_of(text);
    const auto places = columns_of(columns);
    VcfAlleles alleles;
    {
        py::gil_scoped_release release;
        alleles = split_alleles(from, places);
    }
    return py::make_tuple(owned(std::move(alleles.record)), owned(std::move(alleles.start)),
                          owned(std::move(alleles.end)), owned(std::move(alleles.kind)));
}

py::tuple py_vcf_contigs(const Array<uint8_t>& text, const Array<int64_t>& columns) {
    const auto from = text_of(text);
    const auto places = columns_of(columns);
    VcfContigs contigs;
    {
        py::gil_scoped_release release;
        contigs = vcf_contigs(from, places);
    }
    py::list names;
    for (const std::string& name : contigs.names) names.append(lenient(name));
    return py::make_tuple(names, owned(std::move(contigs.code)));
}

py::array_t<uint8_t> py_vcf_splice(const Array<uint8_t>& text, const Array<int64_t>& columns,
                                   const Array<int32_t>& record, const std::vector<std::string>& names,
                                   const Array<float>& values, const Array<uint32_t>& flags,
                                   const std::vector<std::string>& reasons, const std::string& flag_field,
                                   bool overwrite, const std::string& path) {
    const auto from = text_of(text);
    const auto places = columns_of(columns);
    const auto records = view(record, "record");
    const auto n = static_cast<py::ssize_t>(records.size());
    if (values.ndim() != 2 || values.shape(0) != static_cast<py::ssize_t>(names.size()) || values.shape(1) != n) {
        throw std::invalid_argument("values must be names x alleles");
    }
    const auto bits = view(flags, "flags");
    if (bits.size() != records.size()) throw std::invalid_argument("flags must have one value an allele");
    const VcfFields fields{names, values.data(), bits.data(), reasons, flag_field, overwrite};
    Bytes result;
    {
        py::gil_scoped_release release;
        result = splice_vcf(from, places, records, fields, path);
    }
    return owned(std::move(result));
}

/// A column out of (u8 bytes, i64 offsets), i64, i32 or f32.
TableColumn column_of(const py::handle& object) {
    if (py::isinstance<py::tuple>(object)) {
        const auto pair = py::reinterpret_borrow<py::tuple>(object);
        if (pair.size() == 2 && py::isinstance<Array<uint8_t>>(pair[0]) && py::isinstance<Array<int64_t>>(pair[1])) {
            return TextColumn{view(py::reinterpret_borrow<Array<uint8_t>>(pair[0]), "bytes"),
                              view(py::reinterpret_borrow<Array<int64_t>>(pair[1]), "offsets")};
        }
    }
    if (py::isinstance<Array<int64_t>>(object)) return view(py::reinterpret_borrow<Array<int64_t>>(object), "column");
    if (py::isinstance<Array<int32_t>>(object)) return view(py::reinterpret_borrow<Array<int32_t>>(object), "column");
    if (py::isinstance<Array<float>>(object)) return view(py::reinterpret_borrow<Array<float>>(object), "column");
    throw std::invalid_argument("a column is (u8 bytes, i64 offsets), i64, i32 or f32, contiguous");
}

py::array_t<uint8_t> py_format_table(const py::list& columns, size_t rows) {
    std::vector<TableColumn> all;
    for (const py::handle column : columns) all.push_back(column_of(column));
    Bytes result;
    {
        py::gil_scoped_release release;
        result = format_table(all, rows);
    }
    return owned(std::move(result));
}

/// Messages may hold paths and bytes that are not UTF-8.
void translate(std::exception_ptr thrown) {
    try {
        if (thrown) std::rethrow_exception(thrown);
    } catch (const FormatError& error) {
        PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> stored;
        py::object& type = stored
                               .call_once_and_store_result([] {
                                   return py::object(py::module_::import("dnabert_fast.errors").attr("FormatError"));
                               })
                               .get_stored();
        const std::string_view text(error.what());
        const auto message = py::reinterpret_steal<py::object>(
            PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "backslashreplace"));
        PyErr_SetObject(type.ptr(), message.ptr());
    }
}

/// Called without the GIL, in the middle of a read.
void check_signals() {
    py::gil_scoped_acquire hold;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

void bind_files(py::module_& m) {
    py::register_local_exception_translator(&translate);
    on_interrupt(&check_signals);

    py::class_<Genome>(m, "Genome", "Random access to FASTA (plain, BGZF) and .2bit; other FASTA is unpacked first.")
        .def(py::init([](const std::string& path, const std::string& index_dir, const std::string& temp_dir) {
                 py::gil_scoped_release release;
                 return std::make_unique<Genome>(path, index_dir, temp_dir);
             }),
             py::arg("path"), py::arg("index_dir"), py::arg("temp_dir"))
        .def_property_readonly("names", &Genome::names)
        .def_property_readonly("lengths", [](const Genome& g) { return owned(std::vector<int64_t>(g.lengths())); })
        .def_property_readonly("kind", &Genome::kind)
        .def_property_readonly("notes", &Genome::notes)
        .def("fetch", &py_fetch, py::arg("contig"), py::arg("start"), py::arg("end"), py::arg("out").noconvert(),
             "Bases of windows [start, end) of i32 contigs, end to end, to out u8; outside a contig 'N'.");

    using Fasta = Guarded<FastaStream>;
    py::class_<Fasta>(m, "FastaStream", "The bases of a FASTA file (plain, gzip, BGZF, '-') in bounded chunks.")
        .def(py::init([](const std::string& path, size_t overlap) {
                 py::gil_scoped_release release;
                 return std::make_unique<Fasta>(path, overlap);
             }),
             py::arg("path"), py::arg("overlap") = 0)
        .def(
            "next", &py_next_bases, py::arg("out").noconvert(),
            "Fills out u8 with bases of one contig: (name, number of the contig, offset, bases), or None at the end. A "
            "chunk starts with the last `overlap` bases of the chunk before it in the same contig.");

    using Vcf = Guarded<VcfText>;
    py::class_<Vcf>(m, "VcfText", "The header and the lines of a VCF file (plain, gzip, BGZF, '-').")
        .def(py::init([](const std::string& path, int64_t section_bytes) {
                 py::gil_scoped_release release;
                 return std::make_unique<Vcf>(path, section_bytes);
             }),
             py::arg("path"), py::arg("section_bytes"))
        .def_property_readonly("header", [](const Vcf& v) { return py::bytes(std::string(v.stream.header())); })
        .def_property_readonly("taken", [](const Vcf& v) { return v.stream.taken(); })
        .def("next", &py_next_records, py::arg("max_records"),
             "(text u8 of up to max_records whole lines of a section, number of the first line or 0, section), or None "
             "at the end.")
        .def("enter", &py_enter, py::arg("first"), py::arg("end"), py::arg("stored"), py::arg("within"),
             "Goes on to sections [first, end), of which the first stands where find_sections says.");

    m.def("find_sections", &py_find_sections, py::arg("path"), py::arg("bytes"),
          "Bytes of the text of a plain or BGZF file, and of each section's start stored i64[n] and within i64[n].");
    m.def("vcf_split", &py_vcf_split, py::arg("text"), py::arg("first_line"), py::arg("path"),
          "columns i64[n, 9] (starts of the eight columns, end of INFO) and POS i64[n].");
    m.def("vcf_alleles", &py_vcf_alleles, py::arg("text"), py::arg("columns"),
          "record i32[a], start i64[a], end i64[a] and kind u8[a] of each ALT.");
    m.def("vcf_contigs", &py_vcf_contigs, py::arg("text"), py::arg("columns"),
          "The distinct CHROM values in order of appearance, and code i32[n] of each record.");
    m.def("vcf_splice", &py_vcf_splice, py::arg("text"), py::arg("columns"), py::arg("record"), py::arg("names"),
          py::arg("values"), py::arg("flags"), py::arg("reasons"), py::arg("flag_field"), py::arg("overwrite"),
          py::arg("path"), "The records with NAME=values f32[names, a] and flags u32[a] added to INFO, as u8.");
    m.def("format_table", &py_format_table, py::arg("columns"), py::arg("rows"),
          "Tab-separated text of columns (u8 bytes, i64 offsets), i64, i32 or f32, as u8.");
}

}  // namespace dnabert::bind
