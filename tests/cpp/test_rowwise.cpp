// Row steps and attention on buffers of exactly the size they need, at every level, so that a sanitizer sees any step
// beyond. Values are checked against torch in tests/kernels; here the levels against each other.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "core/rowwise.hpp"

namespace {

using namespace dnabert;

std::vector<Level> levels() {
    std::vector<Level> all{Level::portable, Level::avx2, Level::avx512};
    std::erase_if(all, [](Level level) { return level > best_level(); });
    return all;
}

std::vector<float> draw(int64_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(n));
    for (float& value : values) value = normal(random);
    return values;
}

std::vector<uint16_t> upper_halves(const std::vector<float>& values) {
    std::vector<uint16_t> halves;
    for (const float value : values) {
        uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        halves.push_back(static_cast<uint16_t>(bits >> 16));
    }
    return halves;
}

bool close(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
    for (size_t i = 0; i < a.size(); ++i) {
        if (!(std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(a[i])))) return false;
    }
    return a.size() == b.size();
}

struct Rows {
    std::vector<float> stream, exact;
    std::vector<uint16_t> bf16;
    std::vector<uint8_t> codes;
    std::vector<float> scale, low;

    std::vector<float> values(int64_t width) const {
        std::vector<float> found;
        for (size_t i = 0; i < codes.size(); ++i) {
            const size_t row = i / static_cast<size_t>(width);
            found.push_back(scale[row] * codes[i] + low[row]);
        }
        return found;
    }
};

/// All sources, steps and sinks over rows x width values.
Rows run_all(int64_t rows, int64_t width, RowKind kind, Level level, int threads) {
    const auto n = static_cast<size_t>(rows * width);
    const auto x = draw(rows * width, 1), row = draw(rows, 2), low = draw(rows, 3), column = draw(width, 4);
    const auto bias = draw(width, 5), weight = draw(width, 6), shift = draw(width, 7);
    const auto halves = upper_halves(x);
    Rows found{draw(rows * width, 8),
               std::vector<float>(n),
               std::vector<uint16_t>(n),
               std::vector<uint8_t>(n),
               std::vector<float>(static_cast<size_t>(rows)),
               std::vector<float>(static_cast<size_t>(rows))};
    const RowSource product{x.data(), nullptr, row.data(), low.data(), column.data(), bias.data()};
    RowStep step{kind, product, {}, found.stream.data(), weight.data(), shift.data(), 1e-12F, rows, width};
    step.sink.codes = found.codes.data();
    step.sink.scale = found.scale.data();
    step.sink.low = found.low.data();
    run_rows(step, threads, level);
    step.sink = {};
    step.sink.f32 = found.exact.data();
    step.source = {};
    step.source.bf16 = halves.data();
    run_rows(step, threads, level);
    step.source = {};
    step.source.f32 = x.data();
    step.sink = {};
    step.sink.bf16 = found.bf16.data();
    run_rows(step, threads, level);
    return found;
}

TEST(row_steps_of_every_kind_width_and_level) {
    for (const RowKind kind : {RowKind::convert, RowKind::gelu, RowKind::add_norm}) {
        for (const int64_t width : {2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 48, 100}) {
            for (const int64_t rows : {1, 5}) {
                const Rows expected = run_all(rows, width, kind, Level::portable, 1);
                for (const Level level : levels()) {
                    const Rows found = run_all(rows, width, kind, level, 1);
                    CHECK(close(found.exact, expected.exact, 2e-3F));
                    CHECK(close(found.stream, expected.stream, 2e-3F));
                    CHECK(close(found.scale, expected.scale, 2e-3F));
                    CHECK(close(found.low, expected.low, 2e-3F));
                    for (size_t i = 0; i < found.codes.size(); ++i)
                        CHECK(std::abs(int{found.codes[i]} - int{expected.codes[i]}) <= 1);
                }
            }
        }
    }
}

TEST(threads_share_the_rows_of_a_step) {
    const Rows one = run_all(4000, 90, RowKind::gelu, best_level(), 1);
    const Rows three = run_all(4000, 90, RowKind::gelu, best_level(), 3);
    CHECK(one.codes == three.codes);
    CHECK(one.exact == three.exact);
    CHECK(one.bf16 == three.bf16);
}

TEST(row_steps_of_no_rows) {
    RowStep step;
    step.width = 8;
    for (const Level level : levels()) run_rows(step, 1, level);
}

TEST(rows_that_are_not_finite_have_no_offset) {
    for (const Level level : levels()) {
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            auto x = draw(3 * 21, 1);
            x[21 + 20] = bad;
            std::vector<uint8_t> codes(x.size());
            std::vector<float> scale(3), low(3);
            RowStep step;
            step.source.f32 = x.data();
            step.sink = {nullptr, nullptr, codes.data(), scale.data(), low.data()};
            step.rows = 3;
            step.width = 21;
            run_rows(step, 1, level);
            CHECK(!std::isnan(low[0]) && std::isnan(low[1]) && !std::isnan(low[2]));
        }
    }
}

template <class T>
std::vector<T> attend(const std::vector<T>& query, const std::vector<T>& kv, const std::vector<int32_t>& query_bounds,
                      const std::vector<int32_t>& bounds, int64_t heads, int64_t width, Level level, int threads) {
    std::vector<T> out(query.size());
    Attention job;
    job.query = query.data();
    job.key = kv.data();
    job.value = kv.data() + heads * width;
    job.out = out.data();
    job.bf16 = sizeof(T) == 2;
    job.query_stride = job.out_stride = heads * width;
    job.key_stride = 2 * heads * width;
    job.query_bounds = query_bounds.data();
    job.bounds = bounds.data();
    job.pieces = static_cast<int64_t>(bounds.size()) - 1;
    job.heads = heads;
    job.width = width;
    run_attention(job, threads, level);
    return out;
}

TEST(attention_of_any_lengths_widths_and_levels) {
    const std::vector<int32_t> bounds{0, 1, 18, 83, 213}, query_bounds{0, 1, 18, 18, 58};
    for (const int64_t width : {1, 8, 20, 64, 70}) {
        const auto query = draw(58 * 2 * width, 1), kv = draw(213 * 4 * width, 2);
        const auto expected = attend(query, kv, query_bounds, bounds, 2, width, Level::portable, 1);
        for (const Level level : levels()) {
            CHECK(close(attend(query, kv, query_bounds, bounds, 2, width, level, 1), expected, 1e-5F));
            CHECK(attend(query, kv, query_bounds, bounds, 2, width, level, 2) ==
                  attend(query, kv, query_bounds, bounds, 2, width, level, 1));
            const auto halves = attend(upper_halves(query), upper_halves(kv), query_bounds, bounds, 2, width, level, 1);
            CHECK(halves.size() == expected.size());
        }
    }
}

}  // namespace
