// Numbers to text and back. Knows no format but "six significant digits, as printf %g", which VCF, BED and TSV share.
#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace dnabert {

/// An allocator that leaves trivial elements as they are, so that a large output is not written twice.
template <class T>
struct Uninitialised : std::allocator<T> {
    template <class U>
    struct rebind {
        using other = Uninitialised<U>;
    };
    template <class U, class... Args>
    void construct(U* at, Args&&... args) {
        if constexpr (sizeof...(Args) == 0) {
            ::new (static_cast<void*>(at)) U;
        } else {
            ::new (static_cast<void*>(at)) U(static_cast<Args&&>(args)...);
        }
    }
};

using Bytes = std::vector<uint8_t, Uninitialised<uint8_t>>;

constexpr size_t kIntegerChars = 20;
constexpr size_t kFloatChars = 16;

inline char* write_integer(char* out, int64_t value) {
    return std::to_chars(out, out + kIntegerChars, value).ptr;
}

namespace detail {

// 10^0 .. 10^22 are exact in double.
constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline char* write_digits(char* out, uint32_t digits, int exponent) {
    char text[6];
    for (int i = 5; i >= 0; --i, digits /= 10) text[i] = static_cast<char>('0' + digits % 10);
    int kept = 6;
    while (kept > 1 && text[kept - 1] == '0') --kept;
    if (exponent < -4 || exponent >= 6) {
        *out++ = text[0];
        if (kept > 1) {
            *out++ = '.';
            for (int i = 1; i < kept; ++i) *out++ = text[i];
        }
        *out++ = 'e';
        *out++ = exponent < 0 ? '-' : '+';
        int size = exponent < 0 ? -exponent : exponent;
        *out++ = static_cast<char>('0' + size / 10);
        *out++ = static_cast<char>('0' + size % 10);
        return out;
    }
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = -1; i > exponent; --i) *out++ = '0';
        for (int i = 0; i < kept; ++i) *out++ = text[i];
        return out;
    }
    for (int i = 0; i <= exponent; ++i) *out++ = text[i];
    if (kept > exponent + 1) {
        *out++ = '.';
        for (int i = exponent + 1; i < kept; ++i) *out++ = text[i];
    }
    return out;
}

}  // namespace detail

/// Six significant digits as printf("%.6g"), '.' for NaN, 0 for -0; at most kFloatChars bytes.
///
/// A float times an exact power of ten is wrong by less than 1e-10 in the units of the last kept digit, so the digits
/// are right unless the rest is that close to a half; those values, and the extreme exponents, go to std::to_chars.
inline char* write_float(char* out, float value) {
    if (std::isnan(value)) {
        *out++ = '.';
        return out;
    }
    if (value == 0) {
        *out++ = '0';
        return out;
    }
    double size = std::fabs(static_cast<double>(value));
    int binary = static_cast<int>(std::bit_cast<uint64_t>(size) >> 52) - 1023;
    int exponent = (binary * 1233) >> 12;  // floor(binary * log10(2)), at most one below floor(log10(size))
    if (exponent >= -16 && exponent <= 21) {
        double scaled = exponent <= 5 ? size * detail::kPowers[5 - exponent] : size / detail::kPowers[exponent - 5];
        if (scaled >= 1e6) {
            ++exponent;
            scaled = exponent <= 5 ? size * detail::kPowers[5 - exponent] : size / detail::kPowers[exponent - 5];
        }
        auto digits = static_cast<uint32_t>(scaled);
        double rest = scaled - digits;
        if (scaled >= 1e5 && std::fabs(rest - 0.5) > 1e-9) {
            digits += rest > 0.5;
            if (digits == 1000000) {
                digits = 100000;
                ++exponent;
            }
            if (value < 0) *out++ = '-';
            return detail::write_digits(out, digits, exponent);
        }
    }
    return std::to_chars(out, out + kFloatChars, value, std::chars_format::general, 6).ptr;
}

/// Reads a whole non-negative decimal number; false when the text is anything else or beyond int64.
inline bool read_integer(std::string_view text, int64_t& value) {
    if (text.empty() || text[0] == '-') return false;
    auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

}  // namespace dnabert
