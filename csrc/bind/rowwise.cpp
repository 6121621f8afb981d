// The module _rowwise: row steps and attention on buffers of the caller's.
#include "core/rowwise.hpp"

#include <optional>

#include "bind/bind.hpp"

namespace dnabert::bind {

namespace {

using F32 = Array<float>;
using Bf16 = Array<uint16_t>;
using U8 = Array<uint8_t>;

struct Size {
    int64_t rows, width;
};

Size size_of(const py::array& array, const char* name) {
    if (array.ndim() != 2) throw std::invalid_argument(std::string(name) + " must have two dimensions");
    return {array.shape(0), array.shape(1)};
}

void check_size(const py::array& array, Size size, const char* name) {
    const Size found = size_of(array, name);
    if (found.rows != size.rows || found.width != size.width)
        throw std::invalid_argument(std::string(name) + " must be as large as the other rows");
}

const float* vector_of(const py::handle& object, int64_t size, const char* name) {
    if (!py::isinstance<F32>(object)) throw std::invalid_argument(std::string(name) + " must be contiguous fp32");
    const auto array = py::reinterpret_borrow<F32>(object);
    if (array.ndim() != 1 || array.size() != size)
        throw std::invalid_argument(std::string(name) + " must have " + std::to_string(size) + " elements");
    return array.data();
}

/// Rows as (fp32,), (bf16 as u16,) or (product fp32, scale, low, sums, bias).
RowSource source_of(const py::tuple& parts, Size& size) {
    RowSource source;
    if (parts.size() != 1 && parts.size() != 5) throw std::invalid_argument("a source has one part or five");
    if (py::isinstance<F32>(parts[0])) {
        source.f32 = py::reinterpret_borrow<F32>(parts[0]).data();
    } else if (py::isinstance<Bf16>(parts[0]) && parts.size() == 1) {
        source.bf16 = py::reinterpret_borrow<Bf16>(parts[0]).data();
    } else {
        throw std::invalid_argument("a source must be contiguous fp32, or bf16 as u16");
    }
    size = size_of(py::reinterpret_borrow<py::array>(parts[0]), "source");
    if (parts.size() == 5) {
        source.scale = vector_of(parts[1], size.rows, "scale");
        source.low = vector_of(parts[2], size.rows, "low");
        source.sums = vector_of(parts[3], size.width, "sums");
        source.bias = vector_of(parts[4], size.width, "bias");
    }
    return source;
}

/// (fp32,), (bf16 as u16,) or (codes u8, scale, low), all to be written.
RowSink sink_of(const py::tuple& parts, Size size) {
    RowSink sink;
    if (parts.size() != 1 && parts.size() != 3) throw std::invalid_argument("a sink has one part or three");
    if (py::isinstance<F32>(parts[0]) && parts.size() == 1) {
        sink.f32 = py::reinterpret_borrow<F32>(parts[0]).mutable_data();
    } else if (py::isinstance<Bf16>(parts[0]) && parts.size() == 1) {
        sink.bf16 = py::reinterpret_borrow<Bf16>(parts[0]).mutable_data();
    } else if (py::isinstance<U8>(parts[0]) && parts.size() == 3) {
        sink.codes = py::reinterpret_borrow<U8>(parts[0]).mutable_data();
        sink.scale = const_cast<float*>(vector_of(parts[1], size.rows, "scale"));
        sink.low = const_cast<float*>(vector_of(parts[2], size.rows, "low"));
    } else {
        throw std::invalid_argument("a sink must be contiguous fp32, bf16 as u16, or u8 codes with scale and low");
    }
    check_size(py::reinterpret_borrow<py::array>(parts[0]), size, "sink");
    return sink;
}

void run(const RowStep& step, int threads, const std::string& level) {
    const Level chosen = level_of(level);
    if (step.width == 0) throw std::invalid_argument("rows must not be empty");
    py::gil_scoped_release release;
    run_rows(step, threads, chosen);
}

void py_convert(const py::tuple& source, const py::tuple& sink, bool gelu, int threads, const std::string& level) {
    Size size{};
    RowStep step;
    step.kind = gelu ? RowKind::gelu : RowKind::convert;
    step.source = source_of(source, size);
    step.sink = sink_of(sink, size);
    step.rows = size.rows;
    step.width = size.width;
    run(step, threads, level);
}

void py_add_norm(const std::optional<py::tuple>& source, F32 stream, const F32& weight, const F32& shift, float eps,
                 const std::optional<py::tuple>& sink, int threads, const std::string& level) {
    Size size = size_of(stream, "stream");
    RowStep step;
    step.kind = RowKind::add_norm;
    if (source) {
        step.source = source_of(*source, size);
        check_size(stream, size, "stream");
    }
    if (sink) step.sink = sink_of(*sink, size);
    step.stream = stream.mutable_data();
    step.weight = vector_of(weight, size.width, "weight");
    step.shift = vector_of(shift, size.width, "shift");
    step.eps = eps;
    step.rows = size.rows;
    step.width = size.width;
    run(step, threads, level);
}

/// Bounds that begin at 0, never fall and end at `rows`.
std::span<const int32_t> bounds_of(const Array<int32_t>& array, int64_t rows, const char* name) {
    const auto bounds = view(array, name);
    bool rising = !bounds.empty() && bounds.front() == 0 && bounds.back() == rows;
    for (size_t i = 1; rising && i < bounds.size(); ++i) rising = bounds[i - 1] <= bounds[i];
    if (!rising) throw std::invalid_argument(std::string(name) + " must rise from 0 to the number of rows");
    return bounds;
}

template <class T>
void attend(const Array<T>& query, const Array<T>& kv, const Array<int32_t>& query_bounds, const Array<int32_t>& bounds,
            int64_t heads, Array<T> out, int threads, const std::string& level) {
    const Size queries = size_of(query, "query"), keys = size_of(kv, "kv"), size = size_of(out, "out");
    if (heads < 1 || size.width % heads != 0 || queries.rows != size.rows || queries.width < size.width ||
        keys.width < 2 * size.width)
        throw std::invalid_argument("query, kv and out do not fit together");
    Attention job;
    job.query = query.data();
    job.key = kv.data() + keys.width - 2 * size.width;
    job.value = kv.data() + keys.width - size.width;
    job.out = out.mutable_data();
    job.bf16 = sizeof(T) == 2;
    job.query_stride = queries.width;
    job.key_stride = keys.width;
    job.out_stride = size.width;
    job.query_bounds = bounds_of(query_bounds, queries.rows, "query_bounds").data();
    job.bounds = bounds_of(bounds, keys.rows, "bounds").data();
    if (query_bounds.size() != bounds.size()) throw std::invalid_argument("both bounds must have one entry a piece");
    for (int64_t i = 0; i + 1 < bounds.size(); ++i) {
        if (job.bounds[i] == job.bounds[i + 1] && job.query_bounds[i] < job.query_bounds[i + 1])
            throw std::invalid_argument("a piece without keys must have no queries");
    }
    job.pieces = bounds.size() - 1;
    job.heads = heads;
    job.width = size.width / heads;
    const Level chosen = level_of(level);
    py::gil_scoped_release release;
    run_attention(job, threads, chosen);
}

}  // namespace

}  // namespace dnabert::bind

PYBIND11_MODULE(_rowwise, m) {
    using namespace dnabert::bind;
    using dnabert::bind::F32;
    m.doc() = "Row steps and attention between the matrix products of a frozen encoder.";
    m.def("convert", &py_convert, py::arg("source"), py::arg("sink"), py::arg("gelu") = false, py::arg("threads") = 1,
          py::arg("level") = "auto", "Rows from source to sink, through the exact GELU where asked.");
    m.def("add_norm", &py_add_norm, py::arg("source"), py::arg("stream").noconvert(), py::arg("weight").noconvert(),
          py::arg("shift").noconvert(), py::arg("eps"), py::arg("sink"), py::arg("threads") = 1,
          py::arg("level") = "auto", "LayerNorm of source plus stream, to the stream and to the sink.");
    const auto bind_attention = [&m](auto kind) {
        using T = decltype(kind);
        m.def("attention", &attend<T>, py::arg("query").noconvert(), py::arg("kv").noconvert(),
              py::arg("query_bounds").noconvert(), py::arg("bounds").noconvert(), py::arg("heads"),
              py::arg("out").noconvert(), py::arg("threads") = 1, py::arg("level") = "auto",
              "Softmax attention of pieces, fp32 or bf16 as u16; keys and values are the last columns of kv.");
    };
    bind_attention(float{});
    bind_attention(uint16_t{});
    m.def("has_vnni", &dnabert::has_vnni, "Whether this machine multiplies u8 by s8 without saturating (VNNI).");
}
