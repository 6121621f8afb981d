// The .fai index: where each contig's bases stand in a FASTA file (samtools faidx). Reads no bases itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fasta.hpp"
#include "core/mapped.hpp"

namespace dnabert {

/// One line of a .fai: base i stands at offset + i / line_bases * line_width + i % line_bases.
struct FastaContig {
    std::string name;
    int64_t length = 0;
    int64_t offset = 0;
    int64_t line_bases = 0;
    int64_t line_width = 0;

    int64_t place(int64_t base) const {
        return length == 0 ? offset : offset + base / line_bases * line_width + base % line_bases;
    }
    bool operator==(const FastaContig&) const = default;
};

struct FastaIndex {
    std::vector<FastaContig> contigs;
    bool even = true;  // every line of a contig but its last has the same length, as random access needs
};

/// Makes the index in one pass over the file.
FastaIndex index_fasta(FastaReader& reader);

std::string index_text(const std::vector<FastaContig>& contigs);

/// Reads the text of a .fai; false when a line of it is broken.
bool read_index(std::string_view text, std::vector<FastaContig>& contigs);

/// Whether the index belongs to the file: everything lies inside, headers and line ends of up to 64 contigs stand where
/// it says, and nothing but white space follows the last contig.
bool index_fits(const std::vector<FastaContig>& contigs, const RandomBytes& file);

std::vector<std::string> names_of(const std::vector<FastaContig>& contigs);

/// FormatError for a name that occurs twice or is not printable ASCII (SAM specification, section 1.2.1).
void check_names(const std::vector<std::string>& names, const std::string& path);

}  // namespace dnabert
