// Which tokens of a packed batch a network has to guess. Knows ids and pieces, no bases.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dnabert {

/// Spans of `span` >= k consecutive tokens are masked, `rate` of all tokens but for overlaps: each token is the centre
/// of a span with probability rate / span.
struct Masking {
    int k;
    int span;
    double rate;
    bool whole_spans;  // what becomes of a masked token is drawn once for all that touch, not for each token
};

/// What was masked: rows i64 ascending into the ids, and the ids that stood there.
struct Hidden {
    std::vector<int64_t> rows;
    std::vector<int64_t> labels;
};

/// Masks ids in place. Piece j is [CLS], tokens, [SEP] at ids[cu_seqlens[j], cu_seqlens[j+1]); [CLS] and [SEP] stay.
/// Of the masked tokens 80 % become [MASK], 10 % an id drawn from the whole vocabulary, 10 % stay as they are. Numbers
/// are keyed by (seed, stream, first + owner[j], place), pieces of one owner apart by their order.
/// Throws std::invalid_argument for a k, span, rate or stream that cannot be, or sizes that do not fit.
Hidden mask(std::span<uint16_t> ids, std::span<const int32_t> cu_seqlens, std::span<const int32_t> owner,
            const Masking& masking, uint64_t seed, uint64_t first, uint32_t stream);

}  // namespace dnabert
