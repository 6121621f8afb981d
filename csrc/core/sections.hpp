// Where the sections of a text file start: stretches of equal length of its uncompressed bytes. Knows nothing of lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dnabert {

/// Section i of a text is its bytes [i * S, (i + 1) * S). What is kept of each is the place of the byte before it,
/// which tells whether a line starts where the section does (of section 0: the place of byte 0).
struct Sections {
    int64_t text = 0;  // bytes of the whole text
    std::vector<int64_t>
        stored;  // where in the file the BGZF block of that byte starts; of a plain file the byte itself
    std::vector<int64_t> within;  // where in the block's text the byte lies; 0 in a plain file
};

/// Finds the sections of `bytes` bytes of a plain or BGZF file, of which it reads the first and last bytes of each
/// block alone (SAM specification, section 4.1: BSIZE and ISIZE) and inflates nothing. FormatError for other kinds of
/// gzip, pipes, broken blocks, and where the empty block at the end is missing.
Sections find_sections(const std::string& path, int64_t bytes);

}  // namespace dnabert
