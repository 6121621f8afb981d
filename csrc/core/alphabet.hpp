// The letters of DNA: digits in the vocabulary's order, complement, and which letters agree. Knows no k-mers.
#pragma once

#include <array>
#include <cstdint>

namespace dnabert {

/// The digit of a byte that is not A, C, G, T or U.
inline constexpr uint8_t kNotBase = 0xFF;

namespace detail {

constexpr std::array<uint8_t, 256> make_digits() {
    std::array<uint8_t, 256> table{};
    table.fill(kNotBase);
    constexpr char letters[] = "ATCGU";
    constexpr uint8_t digits[] = {0, 1, 2, 3, 1};
    for (int i = 0; i < 5; ++i) {
        table[static_cast<uint8_t>(letters[i])] = digits[i];
        table[static_cast<uint8_t>(letters[i]) | 0x20] = digits[i];
    }
    return table;
}

// Upper case with U as T; all that is not a letter stays as it is.
constexpr std::array<uint8_t, 256> make_upper() {
    std::array<uint8_t, 256> table{};
    for (int byte = 0; byte < 256; ++byte) {
        const bool lower = byte >= 'a' && byte <= 'z';
        table[byte] = static_cast<uint8_t>(lower ? byte - 0x20 : byte);
    }
    table['U'] = 'T';
    table['u'] = 'T';
    return table;
}

// The alphabetically first base of a two- or three-base IUPAC code, the letter itself otherwise (VCF 4.3, 1.6.1 REF).
constexpr std::array<uint8_t, 256> make_first_base() {
    std::array<uint8_t, 256> table = make_upper();
    constexpr char codes[] = "RYSWKMBDHV";
    constexpr char firsts[] = "ACCAGACAAA";
    for (int i = 0; i < 10; ++i) {
        table[static_cast<uint8_t>(codes[i])] = static_cast<uint8_t>(firsts[i]);
        table[static_cast<uint8_t>(codes[i]) | 0x20] = static_cast<uint8_t>(firsts[i]);
    }
    return table;
}

constexpr std::array<uint8_t, 256> make_complement() {
    std::array<uint8_t, 256> table{};
    for (int byte = 0; byte < 256; ++byte) table[byte] = static_cast<uint8_t>(byte);
    constexpr char from[] = "ACGTURYSWKMBDHVN";
    constexpr char to[] = "TGCAAYRSWMKVHDBN";
    for (int i = 0; i < 16; ++i) {
        table[static_cast<uint8_t>(from[i])] = static_cast<uint8_t>(to[i]);
        table[static_cast<uint8_t>(from[i]) | 0x20] = static_cast<uint8_t>(to[i]) | 0x20;
    }
    return table;
}

}  // namespace detail

/// Byte -> digit A 0, T 1, C 2, G 3 in any case, U as T; kNotBase for all else. The complement of digit d is d ^ 1.
inline constexpr std::array<uint8_t, 256> kDigit = detail::make_digits();
/// Byte -> upper case, U as T.
inline constexpr std::array<uint8_t, 256> kUpper = detail::make_upper();
/// Byte -> upper case, an IUPAC code of two or three bases as its alphabetically first; N stays N.
inline constexpr std::array<uint8_t, 256> kFirstBase = detail::make_first_base();
/// Byte -> complementary letter (IUPAC, case kept); all that is not a base code stays as it is.
inline constexpr std::array<uint8_t, 256> kComplement = detail::make_complement();

}  // namespace dnabert
