// Random access to a FASTA file: finds or makes its indexes, unpacks what has no random access.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/fasta_index.hpp"
#include "core/genome.hpp"
#include "core/mapped.hpp"

namespace dnabert {

struct FastaFile {
    std::unique_ptr<RandomBytes> bytes;
    std::vector<FastaContig> contigs;
    std::string kind;  // "fasta" or "bgzf"
    std::vector<std::string> notes;
};

/// Opens a FASTA file as Genome describes it. A .fai (and .gzi) beside the file, or in index_dir, is used when it is
/// not older than the file and fits it; else one is made, and kept where that may be written.
FastaFile open_fasta(const std::string& path, const std::string& index_dir, const std::string& temp_dir);

class FastaAccess : public BaseReader {
  public:
    FastaAccess(std::string path, FastaFile file) : path_(std::move(path)), file_(std::move(file)) {}

    /// FormatError when a line end turns up among the bases: the index is of another file.
    void read(size_t contig, int64_t start, int64_t end, uint8_t* out) const override;

  private:
    std::string path_;
    FastaFile file_;
};

}  // namespace dnabert
