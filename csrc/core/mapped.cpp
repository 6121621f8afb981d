#include "core/mapped.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"

namespace dnabert {

MappedFile::MappedFile(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd);
        fail(path, "is not a file");
    }
    size_ = static_cast<size_t>(status.st_size);
    map(fd, path);
}

MappedFile::MappedFile(int fd, size_t size, const std::string& path) : size_(size) {
    map(fd, path);
}

void MappedFile::map(int fd, const std::string& path) {
    void* data = size_ == 0 ? nullptr : ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    int error = errno;
    ::close(fd);
    if (data == MAP_FAILED) fail(path, std::string("cannot be mapped into memory: ") + std::strerror(error));
    data_ = static_cast<const uint8_t*>(data);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

bool is_regular(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

int64_t modified(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return -1;
    return static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

bool write_whole(const std::string& path, std::string_view text) {
    static std::atomic<unsigned> counter{0};
    const std::string aside =
        path + "." + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)) + ".partial";
    int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    bool good = true;
    for (size_t done = 0; good && done < text.size();) {
        ssize_t wrote = ::write(fd, text.data() + done, text.size() - done);
        if (wrote > 0) done += static_cast<size_t>(wrote);
        good = wrote > 0 || (wrote < 0 && errno == EINTR);
    }
    good = ::close(fd) == 0 && good;
    good = good && std::rename(aside.c_str(), path.c_str()) == 0;
    if (!good) ::unlink(aside.c_str());
    return good;
}

}  // namespace dnabert
