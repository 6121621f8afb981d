// Random access to the contigs of a genome, whatever file holds it. Knows nothing of windows, k-mers or variants.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dnabert {

/// The one kind of access behind Genome: bases [start, end) of a contig, which must lie inside it. Thread-safe.
class BaseReader {
  public:
    virtual ~BaseReader() = default;
    virtual void read(size_t contig, int64_t start, int64_t end, uint8_t* out) const = 0;
};

/// A genome in a plain or BGZF FASTA file, or a .2bit file; standard input ("-"), pipes, plain gzip and FASTA with
/// uneven lines are first unpacked to a nameless temporary file.
class Genome {
  public:
    /// `index_dir`: where a .fai or .gzi goes that is made here and cannot stand beside the file; empty: nowhere.
    /// `temp_dir`: where a temporary copy goes. Raises FormatError.
    Genome(const std::string& path, const std::string& index_dir, const std::string& temp_dir);

    const std::vector<std::string>& names() const { return names_; }
    const std::vector<int64_t>& lengths() const { return lengths_; }
    /// "fasta", "bgzf" or "2bit": how the bases are reached.
    const std::string& kind() const { return kind_; }
    /// What a user may want to know of opening: an index that was out of date, a temporary copy.
    const std::vector<std::string>& notes() const { return notes_; }

    /// Bases of windows [start[i], end[i]) of contig[i], one after the other, to out; outside a contig 'N'.
    /// std::invalid_argument for a contig that is not there, an end before its start, or an `out` of another size.
    void fetch(std::span<const int32_t> contig, std::span<const int64_t> start, std::span<const int64_t> end,
               std::span<uint8_t> out) const;

  private:
    std::vector<std::string> names_;
    std::vector<int64_t> lengths_;
    std::string kind_;
    std::vector<std::string> notes_;
    std::unique_ptr<BaseReader> reader_;
};

}  // namespace dnabert
