#include "core/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace dnabert {

namespace {

constexpr size_t kRawBytes = 1 << 18;

bool begins_with(const std::vector<uint8_t>& data, size_t size, std::string_view magic) {
    return size >= magic.size() && std::memcmp(data.data(), magic.data(), magic.size()) == 0;
}

std::atomic<void (*)()> interrupted{nullptr};

}  // namespace

void on_interrupt(void (*call)()) {
    interrupted = call;
}

void check_interrupt() {
    if (auto* call = interrupted.load()) call();
}

bool is_gzip(const uint8_t* data, size_t size) {
    return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

size_t bgzf_size(const uint8_t* data, size_t size) {
    if (size < 18 || !is_gzip(data, size) || data[2] != 8 || (data[3] & 4) == 0) return 0;
    const size_t end = 12 + data[10] + (size_t{data[11]} << 8);
    if (end > size) return 0;
    for (size_t at = 12; at + 6 <= end;) {
        const size_t length = data[at + 2] + (size_t{data[at + 3]} << 8);
        if (data[at] == 'B' && data[at + 1] == 'C' && length == 2)
            return data[at + 4] + (size_t{data[at + 5]} << 8) + 1;
        at += 4 + length;
    }
    return 0;
}

struct Source::Inflater {
    z_stream stream{};
    bool in_member = true;
    bool done = false;

    Inflater() {
        if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::bad_alloc();
    }
    ~Inflater() { inflateEnd(&stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
};

Source::Source(std::string path) : path_(std::move(path)), raw_(kRawBytes) {
    fd_ = path_ == "-" ? ::dup(STDIN_FILENO) : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) fail(path_, std::string("cannot be opened: ") + std::strerror(errno));
    struct stat status{};
    if (::fstat(fd_, &status) == 0 && S_ISDIR(status.st_mode)) {
        ::close(fd_);
        fail(path_, "is a folder; name a file");
    }
    try {
        while (raw_end_ < 18) {
            size_t got = read_raw(raw_.data() + raw_end_, raw_.size() - raw_end_);
            if (got == 0) break;
            raw_end_ += got;
        }
        if (is_gzip(raw_.data(), raw_end_)) {
            bgzf_ = is_bgzf(raw_.data(), raw_end_);
            inflater_ = std::make_unique<Inflater>();
        } else if (begins_with(raw_, raw_end_, "\x28\xb5\x2f\xfd") || begins_with(raw_, raw_end_, "BZh") ||
                   begins_with(raw_, raw_end_,
                               "\xfd"
                               "7zXZ")) {
            fail(path_, "is compressed with zstd, bzip2 or xz; decompress it, or compress it with gzip or bgzip");
        }
    } catch (...) {
        ::close(fd_);
        throw;
    }
}

Source::~Source() {
    ::close(fd_);
}

size_t Source::read(uint8_t* out, size_t size) {
    return inflater_ ? read_gzip(out, size) : read_plain(out, size);
}

size_t Source::read_raw(uint8_t* out, size_t size) {
    for (;;) {
        ssize_t got = ::read(fd_, out, size);
        if (got >= 0) {
            taken_ += static_cast<uint64_t>(got);
            return static_cast<size_t>(got);
        }
        if (errno != EINTR) fail(path_, std::string("cannot be read: ") + std::strerror(errno));
        check_interrupt();
    }
}

size_t Source::read_plain(uint8_t* out, size_t size) {
    if (raw_at_ == raw_end_) return read_raw(out, size);
    size_t taken = std::min(size, raw_end_ - raw_at_);
    std::memcpy(out, raw_.data() + raw_at_, taken);
    raw_at_ += taken;
    return taken;
}

size_t Source::read_gzip(uint8_t* out, size_t size) {
    z_stream& z = inflater_->stream;
    z.next_out = out;
    z.avail_out = static_cast<uInt>(std::min<size_t>(size, 1u << 30));
    const uInt wanted = z.avail_out;
    while (z.avail_out == wanted && !inflater_->done) {
        if (!inflater_->in_member && !next_member()) break;
        if (raw_at_ == raw_end_) {
            raw_at_ = 0;
            raw_end_ = read_raw(raw_.data(), raw_.size());
            if (raw_end_ == 0) fail(path_, "is truncated: its compressed data end early; copy or download it again");
        }
        z.next_in = raw_.data() + raw_at_;
        z.avail_in = static_cast<uInt>(raw_end_ - raw_at_);
        int status = inflate(&z, Z_NO_FLUSH);
        raw_at_ = raw_end_ - z.avail_in;
        if (status == Z_STREAM_END) {
            inflater_->in_member = false;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            fail(path_, std::string("has damaged compressed data (") + (z.msg ? z.msg : "unknown fault") +
                            "); copy or download it again");
        }
    }
    return wanted - z.avail_out;
}

void Source::seek(int64_t stored, int64_t within) {
    if (::lseek(fd_, stored, SEEK_SET) < 0) fail(path_, std::string("cannot be sought in: ") + std::strerror(errno));
    raw_at_ = raw_end_ = 0;
    if (inflater_) {
        inflateReset(&inflater_->stream);
        inflater_->in_member = true;
        inflater_->done = false;
    }
    std::vector<uint8_t> skipped(static_cast<size_t>(within));
    for (size_t done = 0; done < skipped.size();) {
        const size_t got = read(skipped.data(), skipped.size() - done);
        if (got == 0) fail(path_, "has changed since its sections were found; begin anew with a file at rest");
        done += got;
    }
}

/// Goes to the next gzip member; false at the end of the file. Zero bytes after the last member are padding.
bool Source::next_member() {
    const bool last_was_empty = inflater_->stream.total_out == 0;
    while (raw_end_ - raw_at_ < 2) {
        std::memmove(raw_.data(), raw_.data() + raw_at_, raw_end_ - raw_at_);
        raw_end_ -= raw_at_;
        raw_at_ = 0;
        size_t got = read_raw(raw_.data() + raw_end_, raw_.size() - raw_end_);
        if (got == 0) break;
        raw_end_ += got;
    }
    if (is_gzip(raw_.data() + raw_at_, raw_end_ - raw_at_)) {
        inflateReset(&inflater_->stream);
        inflater_->in_member = true;
        return true;
    }
    while (raw_at_ < raw_end_) {
        for (; raw_at_ < raw_end_; ++raw_at_) {
            if (raw_[raw_at_] != 0) fail(path_, "has other data after its compressed data; copy or download it again");
        }
        raw_at_ = 0;
        raw_end_ = read_raw(raw_.data(), raw_.size());
    }
    inflater_->done = true;
    if (bgzf_ && !last_was_empty) {
        fail(path_, "is truncated: it lacks the empty block that ends a BGZF file; copy or download it again");
    }
    return false;
}

}  // namespace dnabert
