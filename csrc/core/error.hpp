// Errors a user can meet in the core. Knows nothing of Python; csrc/bind translates them.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace dnabert {

/// A file that is missing, broken or not of the format it should be: one line, which says file, place, fault and
/// remedy.
class FormatError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The name of a path in messages; "-" is standard input.
inline std::string shown(std::string_view path) {
    return path == "-" ? "standard input" : std::string(path);
}

/// "path: what"
[[noreturn]] inline void fail(std::string_view path, const std::string& what) {
    throw FormatError(shown(path) + ": " + what);
}

/// "path:line: what"; lines count from 1.
[[noreturn]] inline void fail(std::string_view path, int64_t line, const std::string& what) {
    throw FormatError(shown(path) + ":" + std::to_string(line) + ": " + what);
}

/// A short piece of a file for a message: at most 40 bytes, unprintable ones as '?'.
inline std::string excerpt(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 40)) out += (c >= 32 && c < 127) ? c : '?';
    return text.size() > 40 ? out + "..." : out;
}

}  // namespace dnabert
