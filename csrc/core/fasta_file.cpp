#include "core/fasta_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "core/bgzf.hpp"
#include "core/error.hpp"
#include "core/source.hpp"

namespace dnabert {

namespace {

namespace fs = std::filesystem;

/// Without an early exit, so that it is vectorised.
bool has_line_end(const uint8_t* bases, int64_t size) {
    uint8_t found = 0;
    for (int64_t i = 0; i < size; ++i) found |= (bases[i] <= ' ') | (bases[i] == '>');
    return found != 0;
}

std::string base_name(const std::string& path) {
    return path.substr(path.find_last_of('/') + 1);
}

/// Where an index of the file may stand: beside it, and in index_dir under a name that holds a hash of its whole path.
std::vector<std::string> index_places(const std::string& path, const std::string& suffix,
                                      const std::string& index_dir) {
    std::vector<std::string> places{path + suffix};
    if (!index_dir.empty()) {
        std::error_code error;
        const std::string whole = fs::weakly_canonical(path, error).string();
        uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
        for (char c : error ? path : whole) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
        char text[17];
        std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
        places.push_back(index_dir + "/" + base_name(path) + "." + text + suffix);
    }
    return places;
}

std::optional<std::string> read_all(const std::string& path) {
    if (!is_regular(path)) return std::nullopt;
    try {
        MappedFile file(path);
        return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    } catch (const FormatError&) {
        return std::nullopt;  // an index that may not be read is made anew
    }
}

/// Finds an index that `accept` takes; notes those that are there and out of date.
template <class Accept>
bool find_index(const std::string& path, const std::vector<std::string>& places, std::vector<std::string>& notes,
                Accept accept) {
    for (const std::string& place : places) {
        const auto text = read_all(place);
        if (!text) continue;
        if (modified(place) >= modified(path) && accept(*text)) return true;
        notes.push_back(place + " is older than " + base_name(path) + " or does not fit it; indexed anew");
    }
    return false;
}

/// False for a folder that nobody may write, which root could.
bool may_write_beside(const std::string& path) {
    std::error_code error;
    const fs::path folder = fs::path(path).parent_path();
    const auto status = fs::status(folder.empty() ? "." : folder, error);
    const auto writers = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
    return !error && (status.permissions() & writers) != fs::perms::none;
}

void keep_index(const std::vector<std::string>& places, const std::string& text) {
    std::error_code ignored;  // where no place can be written the index lives in memory alone
    if (may_write_beside(places.front()) && write_whole(places.front(), text)) return;
    if (places.size() == 1) return;
    fs::create_directories(fs::path(places.back()).parent_path(), ignored);
    write_whole(places.back(), text);
}

/// A file without a name, which is gone when its map is.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& folder) : path_(folder + "/dnabert-fast-XXXXXX") {
        fd_ = ::mkostemp(path_.data(), O_CLOEXEC);
        if (fd_ < 0) give_up();
        ::unlink(path_.c_str());
    }
    ~TemporaryFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void write(const uint8_t* data, size_t size) {
        for (size_t done = 0; done < size;) {
            const ssize_t wrote = ::write(fd_, data + done, size - done);
            if (wrote < 0 && errno != EINTR) give_up();
            if (wrote > 0) done += static_cast<size_t>(wrote);
        }
        size_ += size;
    }
    std::unique_ptr<MappedFile> map() {
        const int fd = fd_;
        fd_ = -1;
        return std::make_unique<MappedFile>(fd, size_, path_);
    }
    int64_t size() const { return static_cast<int64_t>(size_); }

  private:
    [[noreturn]] void give_up() {
        fail(path_, std::string("the temporary copy of the genome cannot be written: ") + std::strerror(errno) +
                        "; set TMPDIR to a folder with room");
    }

    std::string path_;
    int fd_ = -1;
    size_t size_ = 0;
};

/// Copies the bases alone to a temporary file, each contig as one line.
FastaFile unpack(const std::string& path, const std::string& temp_dir) {
    FastaStream stream(path, 0);
    TemporaryFile copy(temp_dir);
    FastaFile file;
    FastaChunk chunk;
    std::vector<uint8_t> bases(size_t{1} << 20);
    while (stream.next(bases, chunk)) {
        if (chunk.offset == 0) file.contigs.push_back({.name = chunk.name, .offset = copy.size()});
        copy.write(bases.data(), chunk.size);
        FastaContig& contig = file.contigs.back();
        contig.length += static_cast<int64_t>(chunk.size);
        contig.line_bases = contig.line_width = contig.length;
    }
    file.bytes = copy.map();
    file.kind = "fasta";
    return file;
}

/// Makes or reads the block index; `made` says that it is new.
std::unique_ptr<BgzfFile> open_bgzf(const std::string& path, const std::vector<std::string>& places, FastaFile& file,
                                    bool& made) {
    auto bgzf = std::make_unique<BgzfFile>(path);
    made = !find_index(path, places, file.notes, [&](const std::string& text) { return bgzf->use_index(text); });
    if (made) bgzf->make_index();
    return bgzf;
}

}  // namespace

FastaFile open_fasta(const std::string& path, const std::string& index_dir, const std::string& temp_dir) {
    if (path == "-" || !is_regular(path)) return unpack(path, temp_dir);
    FastaFile file;
    auto plain = std::make_unique<MappedFile>(path);
    const auto head = plain->bytes();
    const BgzfFile* blocks = nullptr;
    bool new_blocks = false;
    if (is_bgzf(head.data(), head.size())) {
        auto bgzf = open_bgzf(path, index_places(path, ".gzi", index_dir), file, new_blocks);
        blocks = bgzf.get();
        file.bytes = std::move(bgzf);
        file.kind = "bgzf";
    } else if (is_gzip(head.data(), head.size())) {
        file = unpack(path, temp_dir);
        file.notes.push_back(base_name(path) + " is plain gzip and was unpacked; compress it with bgzip to save time");
        return file;
    } else {
        file.bytes = std::move(plain);
        file.kind = "fasta";
    }
    const auto places = index_places(path, ".fai", index_dir);
    const bool found = find_index(path, places, file.notes, [&](const std::string& text) {
        return read_index(text, file.contigs) && index_fits(file.contigs, *file.bytes);
    });
    if (!found) {
        FastaReader reader(path);
        FastaIndex index = index_fasta(reader);
        if (!index.even) {
            auto notes = std::move(file.notes);
            file = unpack(path, temp_dir);
            file.notes = std::move(notes);
            file.notes.push_back(base_name(path) +
                                 " has uneven lines and was copied to a temporary file; fold its "
                                 "lines to one length to save time");
            return file;
        }
        file.contigs = std::move(index.contigs);
        check_names(names_of(file.contigs), path);
        keep_index(places, index_text(file.contigs));
    }
    // Only now is it known to be FASTA.
    if (new_blocks) keep_index(index_places(path, ".gzi", index_dir), blocks->index_text());
    return file;
}

void FastaAccess::read(size_t contig, int64_t start, int64_t end, uint8_t* out) const {
    const FastaContig& c = file_.contigs[contig];
    thread_local std::vector<uint8_t> scratch;
    constexpr int64_t kStep = 1 << 20;  // bounds the scratch
    for (int64_t at = start; at < end;) {
        const int64_t stop = std::min(end, at + kStep);
        const int64_t place = c.place(at);
        const uint8_t* text = file_.bytes->at(place, static_cast<size_t>(c.place(stop - 1) + 1 - place), scratch);
        while (at < stop) {
            const int64_t taken = std::min(stop - at, c.line_bases - at % c.line_bases);
            std::memcpy(out, text, static_cast<size_t>(taken));
            if (has_line_end(out, taken)) {
                fail(path_, "its .fai index does not fit " + c.name + "; delete the index, it is made again");
            }
            out += taken;
            at += taken;
            text += at % c.line_bases == 0 ? taken + (c.line_width - c.line_bases) : taken;
        }
    }
}

}  // namespace dnabert
