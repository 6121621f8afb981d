#include "core/containing.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "core/alphabet.hpp"
#include "core/parallel.hpp"

namespace dnabert {

namespace {

constexpr int32_t kNone = -1;

/// Nodes are prefixes of patterns, node 0 the empty one. After `finish`, next[digit] is where to go from a node, with
/// the failures of the classical automaton already followed.
class Automaton {
  public:
    struct Node {
        std::array<int32_t, 4> next{kNone, kNone, kNone, kNone};
        int32_t pattern = kNone;  // the one that ends here
        int32_t shorter = kNone;  // the longest proper suffix that is a pattern
    };

    explicit Automaton(size_t letters) { nodes_.reserve(letters + 1), nodes_.emplace_back(); }

    template <class Digits>
    void add(const Digits& digits, int32_t pattern) {
        int32_t at = 0;
        for (const uint8_t digit : digits) {
            if (nodes_[at].next[digit] == kNone) {
                if (nodes_.size() > std::numeric_limits<int32_t>::max()) throw std::length_error("too many patterns");
                nodes_[at].next[digit] = static_cast<int32_t>(nodes_.size());
                nodes_.emplace_back();
            }
            at = nodes_[at].next[digit];
        }
        if (nodes_[at].pattern != kNone && nodes_[at].pattern != pattern) {
            throw std::invalid_argument("two patterns are the same string");
        }
        nodes_[at].pattern = pattern;
    }

    void finish() {
        std::vector<int32_t> fallback(nodes_.size(), 0), queue;
        queue.reserve(nodes_.size());
        for (int32_t& child : nodes_[0].next) {
            if (child == kNone) {
                child = 0;
            } else {
                queue.push_back(child);
            }
        }
        for (size_t head = 0; head < queue.size(); ++head) {
            const int32_t at = queue[head];
            const Node& suffix = nodes_[fallback[at]];
            nodes_[at].shorter = suffix.pattern != kNone ? fallback[at] : suffix.shorter;
            for (int digit = 0; digit < 4; ++digit) {
                int32_t& child = nodes_[at].next[digit];
                if (child == kNone) {
                    child = suffix.next[digit];
                } else {
                    fallback[child] = suffix.next[digit];
                    queue.push_back(child);
                }
            }
        }
    }

    const Node& operator[](int32_t at) const { return nodes_[at]; }

  private:
    std::vector<Node> nodes_;
};

Automaton build(const Strings& patterns, bool both_strands) {
    Automaton automaton(patterns.bytes.size() * (both_strands ? 2 : 1));
    std::vector<uint8_t> digits;
    for (int64_t i = 0; i < patterns.size(); ++i) {
        const auto letters = patterns[i];
        if (letters.empty()) throw std::invalid_argument("a pattern is empty");
        digits.clear();
        for (const uint8_t letter : letters) {
            digits.push_back(kDigit[letter]);
            if (digits.back() == kNotBase) throw std::invalid_argument("a pattern has a letter besides A, C, G, T");
        }
        automaton.add(digits, static_cast<int32_t>(i));
        if (!both_strands) continue;
        std::vector<uint8_t> backward(digits.rbegin(), digits.rend());
        for (uint8_t& digit : backward) digit ^= 1;
        automaton.add(backward, static_cast<int32_t>(i));
    }
    automaton.finish();
    return automaton;
}

}  // namespace

void count_containing(const Strings& patterns, const Strings& texts, std::span<const uint8_t> marked, bool both_strands,
                      std::span<int64_t> all, std::span<int64_t> chosen, int threads) {
    patterns.check("patterns");
    texts.check("texts");
    const auto m = static_cast<size_t>(patterns.size());
    if (m > static_cast<size_t>(std::numeric_limits<int32_t>::max())) throw std::length_error("too many patterns");
    if (all.size() != m || chosen.size() != m) throw std::invalid_argument("counts must have one element a pattern");
    if (marked.size() != static_cast<size_t>(texts.size())) {
        throw std::invalid_argument("marked must have one element a text");
    }
    std::fill(all.begin(), all.end(), 0);
    std::fill(chosen.begin(), chosen.end(), 0);
    const Automaton automaton = build(patterns, both_strands);

    std::mutex adding;
    parallel_for(texts.size(), threads, 1024, [&](int64_t begin, int64_t end) {
        std::vector<int64_t> last(m, -1), found(m, 0), found_marked(m, 0);
        for (int64_t text = begin; text < end; ++text) {
            int32_t at = 0;
            for (const uint8_t letter : texts[text]) {
                const uint8_t digit = kDigit[letter];
                at = digit == kNotBase ? 0 : automaton[at].next[digit];
                for (int32_t hit = automaton[at].pattern != kNone ? at : automaton[at].shorter; hit != kNone;
                     hit = automaton[hit].shorter) {
                    const auto pattern = static_cast<size_t>(automaton[hit].pattern);
                    if (last[pattern] == text) continue;
                    last[pattern] = text;
                    ++found[pattern];
                    found_marked[pattern] += marked[static_cast<size_t>(text)] != 0;
                }
            }
        }
        const std::lock_guard guard(adding);
        for (size_t i = 0; i < m; ++i) all[i] += found[i], chosen[i] += found_marked[i];
    });
}

}  // namespace dnabert
