// FASTA as a stream: records, lines, chunks of bases. Knows nothing of indexes or random access.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.hpp"

namespace dnabert {

/// One step through a FASTA file.
struct FastaPiece {
    enum class Kind { record, bases };

    Kind kind;
    std::string_view name;          // record: the header's first word
    const uint8_t* data = nullptr;  // bases: of one line or a part of it, without its end
    size_t size = 0;
    bool line_ends = false;  // bases: this piece is the line's last
    int64_t offset = 0;      // bases: where data[0] stands in the (decompressed) file
    int64_t next = 0;        // where the next piece starts; after a line's end characters
};

/// Walks through a FASTA file: any case, IUPAC letters, '-', '*' and '.' for bases; LF or CR LF; blank lines anywhere.
/// Raises FormatError with file and line for anything else, and for a file without records. Memory is bounded
/// whatever the length of lines.
class FastaReader {
  public:
    explicit FastaReader(const std::string& path);

    /// Goes one step; false at the end. The piece is valid until the next call.
    bool next(FastaPiece& piece);

    /// Copies the bases of further whole lines that are as long as the last one, letters alone and in the buffer, while
    /// they fit; returns their number. For these a line end is a place to look at, not one to search for.
    size_t take_lines(uint8_t* out, size_t room);

    const std::string& path() const { return source_.path(); }
    /// Bytes of the (decompressed) file used so far.
    int64_t offset() const { return file_offset(); }

  private:
    bool more();
    void read_header(FastaPiece& piece);
    bool read_line(FastaPiece& piece);
    [[noreturn]] void not_fasta();
    int64_t file_offset() const { return buffer_offset_ + static_cast<int64_t>(at_); }

    Source source_;
    std::vector<uint8_t> buffer_;
    size_t at_ = 0;
    size_t end_ = 0;
    int64_t buffer_offset_ = 0;  // of buffer_[0] in the file
    int64_t line_ = 1;
    bool line_starts_ = true;
    bool in_record_ = false;
    size_t line_bases_ = 0;  // of the last line read in one piece, and the bytes of its end
    size_t line_end_ = 0;
    std::string name_;
};

/// Which bases of which contig a chunk has.
struct FastaChunk {
    std::string name;
    int32_t contig = -1;  // counts records from 0
    int64_t offset = 0;   // of the first base in its contig
    size_t size = 0;
};

/// The bases of a file in chunks of bounded size; a contig without bases gives one empty chunk.
class FastaStream {
  public:
    /// A chunk starts with the last `overlap` bases of the chunk before it when that is of the same contig, so that no
    /// k-mer is lost between chunks.
    FastaStream(const std::string& path, size_t overlap) : reader_(path), overlap_(overlap) {}

    /// Fills `out` with bases of one contig as far as they go; false at the end. std::invalid_argument when `out` has
    /// no room for more than the overlap.
    bool next(std::span<uint8_t> out, FastaChunk& chunk);

  private:
    size_t take(std::span<uint8_t> out, size_t size);

    FastaReader reader_;
    FastaPiece piece_{};
    size_t overlap_;
    std::vector<uint8_t> tail_;
    bool started_ = false;
    bool finished_ = false;
    bool contig_ended_ = true;
    std::string name_;
    int32_t contig_ = -1;
    int64_t offset_ = 0;
};

}  // namespace dnabert
