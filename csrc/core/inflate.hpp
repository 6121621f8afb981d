// Deflated bytes (RFC 1951), inflated as far as they are asked for. Knows nothing of gzip and of blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dnabert {

/// A Huffman code: a table by the next `bits` bits, and what it takes to read the longer ones bit by bit.
template <int Bits, size_t Symbols>
struct HuffmanTable {
    std::array<uint32_t, size_t{1} << Bits> entries;  // 0 for what is longer, or no code
    std::array<uint16_t, 16> counts;                  // codes of each length
    std::array<uint16_t, Symbols> sorted;             // symbols by length, then number
    uint32_t mask;                                    // of the bits that `entries` are by
};

/// A deflated stream. It stops wherever it is told to, and goes on from there: of a block of which one row is wanted,
/// what lies behind that row is never inflated. zlib does this too, but slowly for a few bytes at a time.
class Inflate {
  public:
    /// Bytes that `run` may write behind its goal, the last match and the width of a copy.
    static constexpr size_t kSlack = 258 + 16;

    /// Begins a stream. Its bytes must stay where they are.
    void open(std::span<const uint8_t> deflated);

    /// Goes on until `goal` bytes are at `out`, of which the first `done` are there since the last call, or until the
    /// stream ends; returns how many are there, less than `goal` + kSlack, or SIZE_MAX where the stream is damaged.
    /// There must be room for goal + kSlack.
    size_t run(uint8_t* out, size_t done, size_t goal);

  private:
    enum class State : uint8_t { header, stored, codes, ended };

    /// The bits of the stream, the next one lowest.
    struct Bits {
        void refill();
        uint32_t take(uint32_t size);

        const uint8_t* at;
        const uint8_t* end;
        uint64_t held = 0;
        uint32_t count = 0;      // of the bits held that are valid
        uint32_t overdrawn = 0;  // bytes taken from behind the end, which read as 0
    };

    bool begin_block();
    bool read_codes();
    bool run_codes(uint8_t* out, size_t& done, size_t goal);
    bool run_stored(uint8_t* out, size_t& done, size_t goal);

    Bits bits_{};
    State state_ = State::ended;
    bool last_ = false;
    size_t stored_ = 0;
    HuffmanTable<10, 288> letters_;
    HuffmanTable<8, 32> distances_;
};

}  // namespace dnabert
