// Bytes from plain, gzip and BGZF files and from standard input, in bounded chunks. Knows nothing of what they mean.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dnabert {

/// A stream of the (decompressed) bytes of a file; "-" is standard input. One thread at a time.
///
/// Raises FormatError when the file cannot be opened or read, when compressed data are damaged or end early (a BGZF
/// file must end in its empty block, SAM specification section 4.1.2), or when the compression is another one.
class Source {
  public:
    explicit Source(std::string path);
    ~Source();
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// Writes up to `size` bytes and returns their number; 0 only at the end.
    size_t read(uint8_t* out, size_t size);

    const std::string& path() const { return path_; }

    /// Bytes taken from the file so far, as stored.
    uint64_t taken() const { return taken_; }

    /// Goes to a byte of a plain file, or to a byte of the text of the BGZF block that starts there.
    void seek(int64_t stored, int64_t within);

  private:
    struct Inflater;

    size_t read_raw(uint8_t* out, size_t size);
    size_t read_plain(uint8_t* out, size_t size);
    size_t read_gzip(uint8_t* out, size_t size);
    bool next_member();

    std::string path_;
    int fd_ = -1;
    uint64_t taken_ = 0;
    std::vector<uint8_t> raw_;  // bytes as stored, [raw_at_, raw_end_) not used yet
    size_t raw_at_ = 0;
    size_t raw_end_ = 0;
    bool bgzf_ = false;
    std::unique_ptr<Inflater> inflater_;  // null for plain files
};

/// What a read from a file calls when a signal interrupts it, before it goes on; it may throw. Python needs this to
/// notice Ctrl-C while the program waits for standard input.
void on_interrupt(void (*call)());

/// Calls that; for work that takes long without waiting for anything.
void check_interrupt();

/// Whether the bytes begin a gzip member.
bool is_gzip(const uint8_t* data, size_t size);

/// The stored bytes of the BGZF block whose head these are: gzip with a "BC" extra field of two bytes, which need not
/// be the only one. 0 when they begin no such block, or end within the extra fields.
size_t bgzf_size(const uint8_t* data, size_t size);

/// Whether the bytes begin a BGZF block.
inline bool is_bgzf(const uint8_t* data, size_t size) {
    return bgzf_size(data, size) > 0;
}

}  // namespace dnabert
