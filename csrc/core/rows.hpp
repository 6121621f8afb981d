// Windows laid out as packed pieces [CLS] ids [SEP]. Knows nothing of where windows come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dnabert {

/// How many pieces of at most `piece` k-mers a window of `kmers` k-mers has: ceil, and one empty piece for none.
constexpr int64_t piece_count(int64_t kmers, int64_t piece) {
    return kmers == 0 ? 1 : (kmers + piece - 1) / piece;
}

struct RowSizes {
    int64_t pieces;
    int64_t tokens;
};

/// The sizes of the layout of windows of these lengths (bases). Throws std::invalid_argument if a length is negative or
/// the tokens do not fit in 31 bits.
RowSizes row_sizes(std::span<const int64_t> lengths, int k, int64_t piece);

/// Windows as packed pieces. Window i is bases[starts[i], ends[i]), read as its reverse complement where reverse[i];
/// windows may overlap. Piece j holds ids[cu_seqlens[j], cu_seqlens[j+1]) = [CLS], up to `piece` ids, [SEP], and
/// belongs to window owner[j]; pieces are in window order, 5' -> 3'. The outputs have the sizes that row_sizes gives.
void rows(std::span<const uint8_t> bases, std::span<const int64_t> starts, std::span<const int64_t> ends,
          std::span<const uint8_t> reverse, int k, int64_t piece, std::span<int32_t> cu_seqlens,
          std::span<int32_t> owner, std::span<uint16_t> ids, int threads);

/// Throws std::invalid_argument unless cu_seqlens ascends from 0 to `tokens`.
void check_cu_seqlens(std::span<const int32_t> cu_seqlens, size_t tokens);

/// The pieces `which`, in that order, copied out of a packed layout: out_cu_seqlens i32[which + 1] is written, out_ids
/// has the sum of their lengths (gather_size).
void gather_rows(std::span<const uint16_t> ids, std::span<const int32_t> cu_seqlens, std::span<const int32_t> which,
                 std::span<int32_t> out_cu_seqlens, std::span<uint16_t> out_ids);

/// The tokens of the pieces `which`. Throws std::out_of_range for a piece that is not there.
int64_t gather_size(std::span<const int32_t> cu_seqlens, std::span<const int32_t> which);

}  // namespace dnabert
