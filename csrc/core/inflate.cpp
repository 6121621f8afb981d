#include "core/inflate.hpp"

#include <algorithm>
#include <cstring>

namespace dnabert {

namespace {

// An entry: the length of its code in bits 0 to 3, the extra bits behind it in 4 to 7, a kind, and a value from bit 16.
constexpr uint32_t kLiteral = 1 << 8;
constexpr uint32_t kMatch = 1 << 9;
constexpr uint32_t kEnd = 1 << 10;

constexpr std::array<uint8_t, 19> kOrder{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

/// The entries of symbols, less the lengths of their codes (RFC 1951, section 3.2.5); 0 for symbols that are none.
constexpr std::array<uint32_t, 288> kLetters = [] {
    std::array<uint32_t, 288> found{};
    for (uint32_t i = 0; i < 256; ++i) found[i] = kLiteral | i << 16;
    found[256] = kEnd;
    uint32_t base = 3;
    for (uint32_t i = 257; i < 285; ++i) {
        const uint32_t extra = i < 265 ? 0 : (i - 261) / 4;
        found[i] = kMatch | extra << 4 | base << 16;
        base += 1U << extra;
    }
    found[285] = kMatch | 258U << 16;
    return found;
}();

constexpr std::array<uint32_t, 32> kDistances = [] {
    std::array<uint32_t, 32> found{};
    uint32_t base = 1;
    for (uint32_t i = 0; i < 30; ++i) {
        const uint32_t extra = i < 4 ? 0 : i / 2 - 1;
        found[i] = kMatch | extra << 4 | base << 16;
        base += 1U << extra;
    }
    return found;
}();

constexpr std::array<uint32_t, 19> kLengths = [] {
    std::array<uint32_t, 19> found{};
    for (uint32_t i = 0; i < 19; ++i) found[i] = kLiteral | i << 16;
    return found;
}();

/// The symbols of a code that have one, in their order, and the lengths. Few of the symbols of a text of numbers do.
template <size_t Symbols>
class Coded {
  public:
    void add(size_t symbol, uint8_t length) {
        if (length > 0) found_[size_++] = {static_cast<uint16_t>(symbol), length};
    }

    struct Symbol {
        uint16_t number;
        uint8_t length;
    };
    const Symbol* begin() const { return found_.data(); }
    const Symbol* end() const { return found_.data() + size_; }

  private:
    std::array<Symbol, Symbols> found_;
    size_t size_ = 0;
};

/// Makes the table of canonical codes; false where the lengths are those of none. `alone` lets a set be incomplete that
/// has one code of one bit or none, as zlib does for the distances of a block without matches.
template <int Bits, size_t Symbols>
bool make(HuffmanTable<Bits, Symbols>& table, const Coded<Symbols>& coded, std::span<const uint32_t> entries,
          bool alone) {
    table.counts.fill(0);
    for (const auto symbol : coded) ++table.counts[symbol.length];
    uint32_t left = 1;
    uint32_t longest = 0;
    std::array<uint16_t, 17> offsets{};
    for (uint32_t length = 1; length < 16; ++length) {
        const uint32_t count = table.counts[length];
        if (2 * left < count) return false;
        left = 2 * left - count;
        if (count > 0) longest = length;
        offsets[length + 1] = static_cast<uint16_t>(offsets[length] + count);
    }
    if (left > 0 && (!alone || longest > 1)) return false;
    for (const auto symbol : coded) table.sorted[offsets[symbol.length]++] = symbol.number;
    // Codes come with their first bit lowest, so a table of one bit more is the table twice, with what is new.
    const uint32_t depth = std::clamp<uint32_t>(longest, 1, Bits);
    table.mask = (1U << depth) - 1;
    table.entries[0] = 0;
    size_t next = 0;
    uint32_t code = 0;
    for (uint32_t length = 1; length <= depth; ++length) {
        const size_t half = size_t{1} << (length - 1);
        std::memcpy(table.entries.data() + half, table.entries.data(), half * sizeof(uint32_t));
        for (uint32_t i = table.counts[length]; i > 0; --i) {
            table.entries[code] = entries[table.sorted[next++]] | length;
            uint32_t bit = 1U << (length - 1);
            while (code & bit) bit >>= 1;
            code = bit == 0 ? 0 : (code & (bit - 1)) + bit;
        }
    }
    return true;
}

/// The entry of the next code, whichever its length; 0 where there is none.
template <int Bits, size_t Symbols>
uint32_t decode(const HuffmanTable<Bits, Symbols>& table, std::span<const uint32_t> entries, uint64_t bits) {
    const uint32_t found = table.entries[bits & table.mask];
    if (found != 0) return found;
    uint32_t code = 0;
    uint32_t first = 0;
    uint32_t index = 0;
    for (uint32_t length = 1; length < 16; ++length) {
        code |= bits & 1;
        bits >>= 1;
        const uint32_t count = table.counts[length];
        if (code < first + count) {
            const uint32_t entry = entries[table.sorted[index + code - first]];
            return entry == 0 ? 0 : entry | length;
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return 0;
}

}  // namespace

void Inflate::open(std::span<const uint8_t> deflated) {
    bits_ = {deflated.data(), deflated.data() + deflated.size()};
    last_ = false;
    state_ = State::header;
}

/// Makes 56 bits valid at least.
inline void Inflate::Bits::refill() {
    if (end - at >= 8) {
        uint64_t word = 0;
        for (int i = 0; i < 8; ++i) word |= static_cast<uint64_t>(at[i]) << (8 * i);
        held |= word << count;
        at += (63 - count) >> 3;
        count |= 56;
        return;
    }
    for (; count < 56; count += 8) {
        if (at < end) {
            held |= static_cast<uint64_t>(*at++) << count;
        } else {
            ++overdrawn;
        }
    }
}

inline uint32_t Inflate::Bits::take(uint32_t size) {
    const auto value = static_cast<uint32_t>(held & ((uint64_t{1} << size) - 1));
    held >>= size;
    count -= size;
    return value;
}

size_t Inflate::run(uint8_t* out, size_t done, size_t goal) {
    while (done < goal && state_ != State::ended) {
        const bool good = state_ == State::header   ? begin_block()
                          : state_ == State::stored ? run_stored(out, done, goal)
                                                    : run_codes(out, done, goal);
        if (!good || 8 * bits_.overdrawn > bits_.count) return SIZE_MAX;
    }
    return done;
}

/// Reads the head of a block, or ends after the last.
bool Inflate::begin_block() {
    if (last_) {
        state_ = State::ended;
        return true;
    }
    bits_.refill();
    last_ = bits_.take(1) != 0;
    const uint32_t kind = bits_.take(2);
    if (kind == 0) {
        bits_.take(bits_.count & 7);
        bits_.refill();
        const uint32_t size = bits_.take(16);
        if ((size ^ bits_.take(16)) != 0xffff) return false;
        // Whole bytes that were read ahead are given back.
        for (; bits_.count >= 8 && bits_.overdrawn > 0; bits_.count -= 8) --bits_.overdrawn;
        bits_.at -= bits_.count / 8;
        bits_.held = bits_.count = 0;
        stored_ = size;
        state_ = State::stored;
        return true;
    }
    state_ = State::codes;
    if (kind == 2) return read_codes();
    if (kind != 1) return false;
    Coded<288> letters;
    for (size_t i = 0; i < 288; ++i) letters.add(i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
    Coded<32> distances;
    for (size_t i = 0; i < 32; ++i) distances.add(i, 5);
    return make(letters_, letters, kLetters, false) && make(distances_, distances, kDistances, false);
}

/// Reads the codes of a block that has its own (RFC 1951, section 3.2.7).
bool Inflate::read_codes() {
    const size_t letters = bits_.take(5) + 257;
    const size_t all = letters + bits_.take(5) + 1;
    const size_t lengths = bits_.take(4) + 4;
    if (letters > 286 || all - letters > 30) return false;
    std::array<uint8_t, 19> found{};
    for (size_t i = 0; i < lengths; ++i) {
        if (bits_.count < 3) bits_.refill();
        found[kOrder[i]] = static_cast<uint8_t>(bits_.take(3));
    }
    Coded<19> code;
    for (size_t i = 0; i < 19; ++i) code.add(i, found[i]);
    HuffmanTable<7, 19> table;
    if (!make(table, code, kLengths, false)) return false;
    Coded<288> of_letters;
    Coded<32> of_distances;
    uint8_t length = 0;
    bool can_end = false;
    for (size_t at = 0; at < all;) {
        bits_.refill();
        const uint32_t entry = decode(table, kLengths, bits_.held);
        if (entry == 0) return false;
        bits_.take(entry & 15);
        const uint32_t symbol = entry >> 16;
        if (symbol == 16 && at == 0) return false;
        size_t times = 1;
        if (symbol < 16) {
            length = static_cast<uint8_t>(symbol);
        } else if (symbol == 16) {
            times = 3 + bits_.take(2);
        } else {
            length = 0;
            times = symbol == 17 ? 3 + bits_.take(3) : 11 + bits_.take(7);
        }
        if (times > all - at) return false;
        const size_t stop = at + times;
        if (length == 0) {
            at = stop;
            continue;
        }
        can_end |= at <= 256 && 256 < stop;
        for (; at < std::min(stop, letters); ++at) of_letters.add(at, length);
        for (; at < stop; ++at) of_distances.add(at - letters, length);
    }
    return can_end && make(letters_, of_letters, kLetters, true) && make(distances_, of_distances, kDistances, true);
}

bool Inflate::run_stored(uint8_t* out, size_t& done, size_t goal) {
    const size_t size = std::min(stored_, goal - done);
    if (static_cast<size_t>(bits_.end - bits_.at) < size) return false;
    if (size > 0) std::memcpy(out + done, bits_.at, size);
    bits_.at += size;
    done += size;
    stored_ -= size;
    if (stored_ == 0) state_ = State::header;
    return true;
}

bool Inflate::run_codes(uint8_t* out, size_t& done, size_t goal) {
    Bits bits = bits_;  // what `out` points to could be a member, as far as the compiler knows
    const uint32_t mask = letters_.mask;
    size_t to = done;
    while (to < goal) {
        bits.refill();
        uint32_t entry = letters_.entries[bits.held & mask];
        // Of 56 bits, four letters of the table's leave enough for the code behind them.
        for (int i = 0; i < 4 && (entry & kLiteral); ++i) {
            bits.take(entry & 15);
            out[to++] = static_cast<uint8_t>(entry >> 16);
            entry = letters_.entries[bits.held & mask];
        }
        if (entry & kLiteral) continue;
        if (entry == 0) entry = decode(letters_, kLetters, bits.held);
        bits.take(entry & 15);
        if (entry & kLiteral) {
            out[to++] = static_cast<uint8_t>(entry >> 16);
            continue;
        }
        if (entry & kEnd) {
            state_ = State::header;
            break;
        }
        if (!(entry & kMatch)) return false;
        bits.refill();
        const size_t length = (entry >> 16) + bits.take(entry >> 4 & 15);
        entry = decode(distances_, kDistances, bits.held);
        if (!(entry & kMatch)) return false;
        bits.take(entry & 15);
        const size_t distance = (entry >> 16) + bits.take(entry >> 4 & 15);
        if (distance > to) return false;
        uint8_t* at = out + to;
        const uint8_t* from = at - distance;
        to += length;
        if (distance >= 8) {
            for (const uint8_t* const stop = out + to; at < stop; at += 8, from += 8) std::memcpy(at, from, 8);
        } else {
            for (const uint8_t* const stop = out + to; at < stop;) *at++ = *from++;
        }
    }
    bits_ = bits;
    done = to;
    return true;
}

}  // namespace dnabert
