#include "core/sections.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

constexpr int64_t kFooter = 8;           // CRC32 and ISIZE
constexpr int64_t kMaxPlain = 1 << 16;   // bytes of text a block may hold
constexpr size_t kHead = 64;             // enough for the head of a block, unless it has other extra fields
constexpr size_t kMaxHead = 12 + 65535;  // a gzip head with the longest extra field
constexpr int64_t kAhead = int64_t{8} << 20;
constexpr int kBlocksBetweenChecks = 4096;
constexpr auto kPipe = "is no regular file, so its sections cannot be read alone";
constexpr auto kAgain = "copy or download it again";

/// A regular file, read in small pieces at any place.
class File {
  public:
    // Not to wait for the writer of a pipe.
    explicit File(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
        if (fd_ < 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
        struct stat status{};
        if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
            ::close(fd_);
            fail(path, kPipe);
        }
        size_ = status.st_size;
    }
    ~File() { ::close(fd_); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    const std::string& path() const { return path_; }
    int64_t size() const { return size_; }

    /// Bytes [at, at + count), fewer at the file's end; returns their number.
    size_t read(int64_t at, uint8_t* out, size_t count) const {
        size_t done = 0;
        while (done < count) {
            const ssize_t got = ::pread(fd_, out + done, count - done, at + static_cast<int64_t>(done));
            if (got == 0) break;
            if (got > 0) {
                done += static_cast<size_t>(got);
            } else if (errno != EINTR) {
                fail(path_, std::string("cannot be read: ") + std::strerror(errno));
            } else {
                check_interrupt();
            }
        }
        return done;
    }

    /// Lets the system fetch what comes next: between small pieces it would read nothing ahead by itself.
    void expect([[maybe_unused]] int64_t at) {
#ifdef POSIX_FADV_WILLNEED
        if (at + kAhead <= asked_) return;
        asked_ = std::max(asked_, at);
        ::posix_fadvise(fd_, asked_, 2 * kAhead, POSIX_FADV_WILLNEED);
        asked_ += 2 * kAhead;
#endif
    }

  private:
    std::string path_;
    int fd_;
    int64_t size_ = 0;
    int64_t asked_ = 0;
};

/// Whether nothing but zero bytes comes from `at` on: padding, as tapes and some servers add.
bool zeros(const File& file, int64_t at) {
    std::vector<uint8_t> piece(size_t{1} << 16);
    for (size_t got; (got = file.read(at, piece.data(), piece.size())) > 0; at += static_cast<int64_t>(got)) {
        if (std::any_of(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got), [](uint8_t c) { return c; })) {
            return false;
        }
    }
    return true;
}

[[noreturn]] void fail_at(const File& file, int64_t at, const std::string& what, const std::string& remedy) {
    fail(file.path(), what + " at byte " + std::to_string(at) + "; " + remedy);
}

/// Goes over the blocks of a BGZF file; keeps borders alone, so that any size of file needs little memory.
Sections of_blocks(File& file, int64_t bytes) {
    Sections out;
    std::vector<uint8_t> bytes_of(4 + kMaxHead);
    uint8_t* const footer = bytes_of.data();  // ISIZE of the block before stands right before the head of the next
    uint8_t* const head = footer + 4;
    size_t known = file.read(0, head, kHead);
    int64_t wanted = 0;  // the byte whose place is kept next
    int64_t plain = -1;
    int64_t blocks = 0;
    for (int64_t at = 0; at < file.size();) {
        if (++blocks % kBlocksBetweenChecks == 0) check_interrupt();
        if (!is_gzip(head, known)) {
            if (at > 0 && zeros(file, at)) break;
            fail_at(file, at, "has other data among its compressed data", kAgain);
        }
        const size_t extra = known >= 12 ? head[10] + (size_t{head[11]} << 8) : 0;
        if (12 + extra > known) known = file.read(at, head, 12 + extra);
        const auto size = static_cast<int64_t>(bgzf_size(head, known));
        if (size == 0) {
            fail_at(file, at, "has gzip data without the block sizes of BGZF", "compress it with bgzip");
        }
        if (size < static_cast<int64_t>(12 + extra) + kFooter) {
            fail_at(file, at, "has a damaged BGZF block", kAgain);
        }
        if (at + size > file.size()) {
            fail_at(file, at, "is truncated: it ends in the BGZF block", kAgain);
        }
        file.expect(at + size);
        known = file.read(at + size - 4, footer, 4 + kHead);
        if (known < 4) fail(file.path(), "changes while it is read; begin anew with a file at rest");
        known -= 4;
        plain = footer[0] | footer[1] << 8 | footer[2] << 16 | int64_t{footer[3]} << 24;
        if (plain > kMaxPlain) {
            fail_at(file, at, "has a damaged BGZF block", kAgain);
        }
        for (; wanted < out.text + plain; wanted = static_cast<int64_t>(out.stored.size()) * bytes - 1) {
            out.stored.push_back(at);
            out.within.push_back(wanted - out.text);
        }
        out.text += plain;
        at += size;
    }
    if (plain != 0) {
        fail(file.path(), "is truncated: it lacks the empty block that ends a BGZF file; " + std::string(kAgain));
    }
    return out;
}

}  // namespace

Sections find_sections(const std::string& path, int64_t bytes) {
    if (bytes < 1) throw std::invalid_argument("a section has at least one byte");
    if (path == "-") fail(path, kPipe);
    File file(path);
    std::array<uint8_t, 2> magic{};
    Sections out;
    if (is_gzip(magic.data(), file.read(0, magic.data(), magic.size()))) {
        out = of_blocks(file, bytes);
    } else {
        out.text = file.size();
        for (int64_t start = 0; start < out.text; start += bytes) {
            out.stored.push_back(std::max<int64_t>(0, start - 1));
            out.within.push_back(0);
        }
    }
    // A section that would start at the end of the text has none.
    const auto count = out.text == 0 ? 0 : static_cast<size_t>((out.text - 1) / bytes + 1);
    out.stored.resize(count);
    out.within.resize(count);
    return out;
}

}  // namespace dnabert
