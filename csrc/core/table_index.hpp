// The tabix index of a BGZF table of rows at places of contigs. Knows nothing of the rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dnabert {

/// Where the rows of each contig begin, out of a .tbi or .csi (SAM specification section 5.2; CSI version 1).
struct TableIndex {
    struct Contig {
        std::string name;
        uint64_t first = 0;           // virtual offset of its first row
        std::vector<uint64_t> tiles;  // a virtual offset from which no row of this tile, or of a later one, is missing
    };
    int shift = 14;  // a tile has 1 << shift positions
    std::vector<Contig> contigs;

    /// Reads the index at `path`; FormatError for one that is broken, or not of columns 1 and 2 counted from 1.
    static TableIndex read(const std::string& path);
};

}  // namespace dnabert
