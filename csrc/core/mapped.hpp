// A file mapped into memory, and files that appear under their name only when whole. Knows no format.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dnabert {

/// Random access to the bytes of a file, as they are or decompressed. Reading is safe from several threads.
class RandomBytes {
  public:
    virtual ~RandomBytes() = default;
    virtual int64_t size() const = 0;

    /// Bytes [offset, offset + count), which must lie inside; in place where possible, else copied to `scratch`.
    virtual const uint8_t* at(int64_t offset, size_t count, std::vector<uint8_t>& scratch) const = 0;
};

class MappedFile : public RandomBytes {
  public:
    /// Maps the file; FormatError when it cannot be opened or is not a regular file.
    explicit MappedFile(const std::string& path);
    /// Maps an open file of that many bytes and closes it.
    MappedFile(int fd, size_t size, const std::string& path);
    ~MappedFile() override;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    int64_t size() const override { return static_cast<int64_t>(size_); }
    const uint8_t* at(int64_t offset, size_t, std::vector<uint8_t>&) const override { return data_ + offset; }
    std::span<const uint8_t> bytes() const { return {data_, size_}; }

  private:
    void map(int fd, const std::string& path);

    const uint8_t* data_ = nullptr;
    size_t size_ = 0;
};

/// Whether the path names a regular file (or a link to one), as random access needs.
bool is_regular(const std::string& path);

/// Time of last change in nanoseconds; -1 when there is no such file.
int64_t modified(const std::string& path);

/// Writes the text beside `path` and renames it; false when that place cannot be written.
bool write_whole(const std::string& path, std::string_view text);

}  // namespace dnabert
