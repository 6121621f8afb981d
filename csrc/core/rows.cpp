#include "core/rows.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/kmer.hpp"
#include "core/parallel.hpp"

namespace dnabert {

namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
constexpr int64_t kGrain = 512;  // pieces below which a thread costs more than it saves

void add_window(RowSizes& sizes, int64_t length, int k, int64_t piece) {
    if (length < 0) throw std::invalid_argument("a window has a negative length: " + std::to_string(length));
    const int64_t kmers = kmer_count(length, k);
    const int64_t pieces = piece_count(kmers, piece);
    sizes.pieces += pieces;
    sizes.tokens += kmers + 2 * pieces;
    if (sizes.tokens > kMaxTokens) throw std::invalid_argument("more than 2^31 - 1 tokens in one batch; cut it");
}

void check_piece(int64_t piece) {
    if (piece < 1) throw std::invalid_argument("a piece must hold at least one k-mer, not " + std::to_string(piece));
}

}  // namespace

RowSizes row_sizes(std::span<const int64_t> lengths, int k, int64_t piece) {
    check_k(k);
    check_piece(piece);
    RowSizes sizes{0, 0};
    for (const int64_t length : lengths) add_window(sizes, length, k, piece);
    return sizes;
}

void rows(std::span<const uint8_t> bases, std::span<const int64_t> starts, std::span<const int64_t> ends,
          std::span<const uint8_t> reverse, int k, int64_t piece, std::span<int32_t> cu_seqlens,
          std::span<int32_t> owner, std::span<uint16_t> ids, int threads) {
    check_k(k);
    check_piece(piece);
    const size_t n = starts.size();
    if (ends.size() != n || reverse.size() != n)
        throw std::invalid_argument("starts, ends and reverse differ in length");
    RowSizes sizes{0, 0};
    for (size_t i = 0; i < n; ++i) {
        if (starts[i] < 0 || ends[i] > static_cast<int64_t>(bases.size()))
            throw std::invalid_argument("window " + std::to_string(i) + " lies outside the bases");
        add_window(sizes, ends[i] - starts[i], k, piece);
    }
    if (static_cast<int64_t>(owner.size()) != sizes.pieces || cu_seqlens.size() != owner.size() + 1 ||
        static_cast<int64_t>(ids.size()) != sizes.tokens)
        throw std::invalid_argument("the outputs of rows do not have the sizes that row_sizes gives");

    cu_seqlens[0] = 0;
    size_t row = 0;
    for (size_t i = 0; i < n; ++i) {
        const int64_t kmers = kmer_count(ends[i] - starts[i], k);
        for (int64_t at = 0; at == 0 || at < kmers; at += piece, ++row) {
            owner[row] = static_cast<int32_t>(i);
            cu_seqlens[row + 1] = cu_seqlens[row] + static_cast<int32_t>(std::min(piece, kmers - at) + 2);
        }
    }
    parallel_for(sizes.pieces, threads, kGrain, [&](int64_t first, int64_t last) {
        for (int64_t j = first; j < last; ++j) {
            const size_t i = static_cast<size_t>(owner[j]);
            // Pieces of a window are consecutive, so its earlier tokens tell which k-mer this piece starts at.
            int64_t before = 0;
            if (j > 0 && owner[j - 1] == owner[j]) {
                const auto head = std::lower_bound(owner.begin(), owner.begin() + j, owner[j]) - owner.begin();
                before = (j - head) * piece;
            }
            const int64_t count = cu_seqlens[j + 1] - cu_seqlens[j] - 2;
            const std::span<uint16_t> out = ids.subspan(cu_seqlens[j], count + 2);
            out.front() = kCls;
            out.back() = kSep;
            if (count == 0) continue;
            // Read backwards, k-mer t of the window starts at (its k-mers - 1 - t) forwards.
            const int64_t start = reverse[i] ? ends[i] - k + 1 - before - count : starts[i] + before;
            kmer_ids(bases.subspan(start, count + k - 1), k, out.subspan(1, count), reverse[i] != 0);
        }
    });
}

void check_cu_seqlens(std::span<const int32_t> cu_seqlens, size_t tokens) {
    if (cu_seqlens.empty() || cu_seqlens.front() != 0 || static_cast<size_t>(cu_seqlens.back()) != tokens)
        throw std::invalid_argument("cu_seqlens must go from 0 to the number of ids, " + std::to_string(tokens));
    if (!std::is_sorted(cu_seqlens.begin(), cu_seqlens.end())) throw std::invalid_argument("cu_seqlens must ascend");
}

int64_t gather_size(std::span<const int32_t> cu_seqlens, std::span<const int32_t> which) {
    int64_t tokens = 0;
    for (const int32_t j : which) {
        if (j < 0 || static_cast<size_t>(j) + 1 >= cu_seqlens.size())
            throw std::out_of_range("there is no piece " + std::to_string(j));
        tokens += cu_seqlens[j + 1] - cu_seqlens[j];
    }
    if (tokens > kMaxTokens) throw std::invalid_argument("more than 2^31 - 1 tokens in one batch; cut it");
    return tokens;
}

void gather_rows(std::span<const uint16_t> ids, std::span<const int32_t> cu_seqlens, std::span<const int32_t> which,
                 std::span<int32_t> out_cu_seqlens, std::span<uint16_t> out_ids) {
    check_cu_seqlens(cu_seqlens, ids.size());
    const int64_t tokens = gather_size(cu_seqlens, which);
    if (out_cu_seqlens.size() != which.size() + 1 || static_cast<int64_t>(out_ids.size()) != tokens)
        throw std::invalid_argument("the outputs of gather_rows do not have the sizes that gather_size gives");
    int32_t at = 0;
    for (size_t i = 0; i < which.size(); ++i) {
        const int32_t begin = cu_seqlens[which[i]];
        const int32_t length = cu_seqlens[which[i] + 1] - begin;
        out_cu_seqlens[i] = at;
        std::copy_n(ids.begin() + begin, length, out_ids.begin() + at);
        at += length;
    }
    out_cu_seqlens[which.size()] = at;
}

}  // namespace dnabert
