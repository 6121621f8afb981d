#include "core/alleles.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/alphabet.hpp"
#include "core/parallel.hpp"

namespace dnabert {

namespace {

constexpr int64_t kGrain = 4096;  // windows below which a thread costs more than it saves

[[noreturn]] void fail(const std::string& message) {
    throw std::invalid_argument(message);
}

bool same_letter(uint8_t a, uint8_t b) {
    return kUpper[a] == kUpper[b];
}

void check_sizes(bool right, const char* function) {
    if (!right) fail(std::string("the arguments of ") + function + " differ in length");
}

// Appends what fits of `from` at `at` and returns where it ends.
uint8_t* append(uint8_t* at, const uint8_t* end, std::span<const uint8_t> from) {
    const int64_t count = std::min<int64_t>(end - at, static_cast<int64_t>(from.size()));
    return std::copy_n(from.begin(), count, at);
}

}  // namespace

void Strings::check(const char* what) const {
    if (offsets.empty() || offsets.front() != 0 || offsets.back() != static_cast<int64_t>(bytes.size()) ||
        !std::is_sorted(offsets.begin(), offsets.end()))
        fail(std::string("the offsets of ") + what + " must ascend from 0 to the number of bytes");
}

void copy_spans(std::span<const uint8_t> bases, std::span<const int64_t> starts, std::span<const int64_t> ends,
                std::span<uint8_t> out) {
    check_sizes(starts.size() == ends.size(), "copy_spans");
    int64_t total = 0;
    for (size_t i = 0; i < starts.size(); ++i) {
        if (starts[i] < 0 || ends[i] < starts[i] || ends[i] > std::ssize(bases))
            fail("span " + std::to_string(i) + " lies outside the bases");
        total += ends[i] - starts[i];
    }
    if (total != std::ssize(out)) fail("the output of copy_spans must have the total length of the spans");
    uint8_t* to = out.data();
    for (size_t i = 0; i < starts.size(); ++i) to = std::copy(bases.data() + starts[i], bases.data() + ends[i], to);
}

void edit_windows(const Strings& spans, std::span<const int64_t> at, std::span<const int64_t> deleted,
                  const Strings& alt, std::span<const int64_t> length, std::span<uint8_t> out, int threads) {
    spans.check("the spans");
    alt.check("the ALT alleles");
    const int64_t n = spans.size();
    check_sizes(alt.size() == n && std::ssize(at) == n && std::ssize(deleted) == n && std::ssize(length) == n,
                "edit_windows");
    std::vector<int64_t> begin(static_cast<size_t>(n) + 1, 0);
    for (int64_t i = 0; i < n; ++i) {
        if (at[i] < 0 || deleted[i] < 0 || length[i] < 0 || at[i] > std::ssize(spans[i]))
            fail("edit " + std::to_string(i) + " lies outside its span");
        begin[i + 1] = begin[i] + length[i];
    }
    if (begin.back() != std::ssize(out)) fail("the output of edit_windows must have sum(length) bytes");

    parallel_for(n, threads, kGrain, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const auto span = spans[i];
            uint8_t* end = out.data() + begin[i + 1];
            uint8_t* to = append(out.data() + begin[i], end, span.first(at[i]));
            to = append(to, end, alt[i]);
            to = append(to, end, span.subspan(at[i] + std::min(deleted[i], std::ssize(span) - at[i])));
            std::fill(to, end, static_cast<uint8_t>('N'));
        }
    });
}

void match_reference(const Strings& genome, const Strings& ref, std::span<uint8_t> agrees) {
    genome.check("the genome's bases");
    ref.check("the REF alleles");
    check_sizes(ref.size() == genome.size() && std::ssize(agrees) == genome.size(), "match_reference");
    for (int64_t i = 0; i < genome.size(); ++i) {
        const auto have = genome[i];
        const auto want = ref[i];
        agrees[i] = std::equal(have.begin(), have.end(), want.begin(), want.end(),
                               [](uint8_t g, uint8_t r) { return same_letter(g, r) || kFirstBase[g] == kUpper[r]; });
    }
}

void trim(const Strings& ref, const Strings& alt, std::span<int32_t> prefix, std::span<int32_t> suffix) {
    ref.check("the REF alleles");
    alt.check("the ALT alleles");
    const int64_t n = ref.size();
    check_sizes(alt.size() == n && std::ssize(prefix) == n && std::ssize(suffix) == n, "trim");
    for (int64_t i = 0; i < n; ++i) {
        const auto r = ref[i];
        const auto a = alt[i];
        const auto left = std::mismatch(r.begin(), r.end(), a.begin(), a.end(), same_letter).first - r.begin();
        const auto rest_r = r.subspan(left);
        const auto rest_a = a.subspan(left);
        const auto right = std::mismatch(rest_r.rbegin(), rest_r.rend(), rest_a.rbegin(), rest_a.rend(), same_letter);
        prefix[i] = static_cast<int32_t>(left);
        suffix[i] = static_cast<int32_t>(right.first - rest_r.rbegin());
    }
}

void left_align(const Strings& flank, const Strings& ref, const Strings& alt, std::span<int64_t> shift,
                std::span<uint8_t> hit_edge) {
    flank.check("the flanks");
    ref.check("the REF alleles");
    alt.check("the ALT alleles");
    const int64_t n = flank.size();
    check_sizes(ref.size() == n && alt.size() == n && std::ssize(shift) == n && std::ssize(hit_edge) == n,
                "left_align");
    for (int64_t i = 0; i < n; ++i) {
        shift[i] = 0;
        hit_edge[i] = 0;
        const auto r = ref[i];
        const auto a = alt[i];
        if (r.empty() == a.empty()) continue;
        const auto unit = r.empty() ? a : r;
        const auto before = flank[i];
        const int64_t size = std::ssize(unit);
        const int64_t room = std::ssize(before);
        // Each step to the left turns the unit by one letter, so what counts is how far to the left of the unit the
        // sequence flank + unit repeats with the unit's length as its period.
        const auto letter = [&](int64_t from_right) {
            return from_right < size ? unit[size - 1 - from_right] : before[room - 1 - (from_right - size)];
        };
        int64_t steps = 0;
        while (steps < room && same_letter(letter(steps + size), letter(steps))) ++steps;
        shift[i] = steps;
        hit_edge[i] = steps == room;
    }
}

void reverse_complement(const Strings& strings, std::span<uint8_t> out) {
    strings.check("the strings");
    check_sizes(out.size() == strings.bytes.size(), "reverse_complement");
    for (int64_t i = 0; i < strings.size(); ++i) {
        const auto from = strings[i];
        std::transform(from.rbegin(), from.rend(), out.begin() + strings.offsets[i],
                       [](uint8_t letter) { return kComplement[letter]; });
    }
}

}  // namespace dnabert
