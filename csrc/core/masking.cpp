#include "core/masking.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/kmer.hpp"
#include "core/random.hpp"
#include "core/rows.hpp"

namespace dnabert {

namespace {

constexpr int64_t kMaxPiece = 1 << 15;  // tokens; blocks of centres, then of outcomes, then of the owner's next piece
constexpr uint32_t kOutcomes = 1u << 15, kPieceBlocks = 1u << 16;
constexpr uint32_t kMaskBelow = static_cast<uint32_t>(threshold(0.8));
constexpr uint32_t kRandomBelow = static_cast<uint32_t>(threshold(0.9));

/// One piece without its [CLS] and [SEP].
class Piece {
  public:
    Piece(std::span<uint16_t> ids, int64_t row, const Masking& masking, const Draws& draws, uint32_t block,
          Hidden& hidden)
        : ids_(ids), row_(row), masking_(masking), draws_(draws), block_(block), hidden_(hidden) {}

    void mask() {
        const int64_t n = static_cast<int64_t>(ids_.size());
        const int64_t left = (masking_.span - 1) / 2, right = masking_.span / 2 + 1;
        const uint64_t centre_below = threshold(masking_.rate / masking_.span);
        int64_t begin = 0, end = 0;  // masked tokens that touch, not yet replaced
        Words words{};
        for (int64_t t = 0; t < n; ++t) {
            if (t % 4 == 0) words = draws_.block(block_ + static_cast<uint32_t>(t / 4));
            if (words[static_cast<size_t>(t % 4)] >= centre_below) continue;
            const int64_t from = std::max<int64_t>(0, t - left);
            if (from > end) {
                replace(begin, end);
                begin = from;
            }
            end = std::min(n, t + right);
        }
        replace(begin, end);
    }

  private:
    void replace(int64_t begin, int64_t end) {
        const uint32_t size = static_cast<uint32_t>(kFirstKmer) + (1u << (2 * masking_.k));
        uint32_t outcome = 0;
        for (int64_t t = begin; t < end; ++t) {
            const Words words = draws_.block(block_ + kOutcomes + static_cast<uint32_t>(t));
            if (t == begin || !masking_.whole_spans) outcome = words[0];
            uint16_t& id = ids_[static_cast<size_t>(t)];
            hidden_.rows.push_back(row_ + t);
            hidden_.labels.push_back(id);
            if (outcome < kMaskBelow) {
                id = kMask;
            } else if (outcome < kRandomBelow) {
                id = static_cast<uint16_t>(below(words[1], size));
            }
        }
    }

    std::span<uint16_t> ids_;
    int64_t row_;
    const Masking& masking_;
    const Draws& draws_;
    uint32_t block_;
    Hidden& hidden_;
};

}  // namespace

Hidden mask(std::span<uint16_t> ids, std::span<const int32_t> cu_seqlens, std::span<const int32_t> owner,
            const Masking& masking, uint64_t seed, uint64_t first, uint32_t stream) {
    check_k(masking.k);
    check_cu_seqlens(cu_seqlens, ids.size());
    if (owner.size() + 1 != cu_seqlens.size()) throw std::invalid_argument("owner must have one element a piece");
    if (masking.span < masking.k)
        throw std::invalid_argument("a span of " + std::to_string(masking.span) + " tokens hides no base for k " +
                                    std::to_string(masking.k) + "; it needs k tokens at least");
    if (!(masking.rate > 0 && masking.rate < 1))
        throw std::invalid_argument("the rate must lie between 0 and 1, not be " + std::to_string(masking.rate));
    if (stream > kMaxStream) throw std::invalid_argument("stream must be below 2^24, not " + std::to_string(stream));
    Hidden hidden;
    const size_t expected = static_cast<size_t>(masking.rate * static_cast<double>(ids.size()) * 1.1);
    hidden.rows.reserve(expected);
    hidden.labels.reserve(expected);
    uint32_t order = 0;
    for (size_t j = 0; j < owner.size(); ++j) {
        order = j > 0 && owner[j] == owner[j - 1] ? order + 1 : 0;
        const int64_t length = cu_seqlens[j + 1] - cu_seqlens[j];
        if (length < 2 || length > kMaxPiece || order >= kPieceBlocks)
            throw std::invalid_argument("piece " + std::to_string(j) + " has " + std::to_string(length) +
                                        " tokens; it needs [CLS], [SEP] and at most 2^15 in all");
        const Draws draws(seed, Purpose::mask, stream, first + static_cast<uint64_t>(owner[j]));
        const auto tokens = ids.subspan(static_cast<size_t>(cu_seqlens[j]) + 1, static_cast<size_t>(length) - 2);
        Piece(tokens, cu_seqlens[j] + 1, masking, draws, order * kPieceBlocks, hidden).mask();
    }
    return hidden;
}

}  // namespace dnabert
