#include "core/fasta.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"

namespace dnabert {

namespace {

constexpr size_t kBufferBytes = 1 << 18;  // stays in the second-level cache
constexpr size_t kMaxName = 1 << 12;

bool is_base(uint8_t c) {
    return static_cast<uint8_t>((c | 0x20) - 'a') < 26 || c == '-' || c == '*' || c == '.';
}

/// The first byte that cannot stand in a sequence; `size` when there is none.
size_t find_not_base(const uint8_t* data, size_t size) {
    uint8_t other = 0;
    for (size_t i = 0; i < size; ++i) other |= static_cast<uint8_t>((data[i] | 0x20) - 'a') > 25;
    if (!other) return size;
    return static_cast<size_t>(std::find_if_not(data, data + size, is_base) - data);
}

/// Sixteen bytes in a vector register, on any machine that GCC and Clang know.
typedef uint8_t Sixteen __attribute__((vector_size(16)));

/// Copies 16 bytes; nonzero where one of them is not a letter.
inline Sixteen copy_letters(const uint8_t* from, uint8_t* to) {
    Sixteen bytes;
    std::memcpy(&bytes, from, 16);
    std::memcpy(to, &bytes, 16);
    constexpr uint8_t lower = 0x20, first = 'a', reach = 25;
    return reinterpret_cast<Sixteen>(((bytes | lower) - first) > reach);
}

/// Copies `size` bytes, 16 or more; whether all are letters.
inline bool copy_letters(const uint8_t* from, uint8_t* to, size_t size) {
    Sixteen other = copy_letters(from + size - 16, to + size - 16);
    for (size_t i = 0; i + 16 < size; i += 16) other |= copy_letters(from + i, to + i);
    uint64_t halves[2];
    std::memcpy(halves, &other, 16);
    return (halves[0] | halves[1]) == 0;
}

bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

}  // namespace

FastaReader::FastaReader(const std::string& path) : source_(path), buffer_(kBufferBytes) {}

/// Reads on behind the bytes not used yet; false at the end of the file.
bool FastaReader::more() {
    if (at_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
        buffer_offset_ += static_cast<int64_t>(at_);
        end_ -= at_;
        at_ = 0;
    }
    size_t got = source_.read(buffer_.data() + end_, buffer_.size() - end_);
    end_ += got;
    return got > 0;
}

void FastaReader::not_fasta() {
    while (end_ - at_ < 16 && more()) {
    }
    std::string_view text(reinterpret_cast<const char*>(buffer_.data() + at_), end_ - at_);
    std::string what = "is not FASTA: it starts with '" + excerpt(text.substr(0, text.find('\n'))) + "', not with '>'";
    if (text.starts_with("##fileformat=VCF") || text.starts_with("#CHROM")) what = "is a VCF where FASTA is needed";
    if (text.starts_with("@")) what = "starts with '@' as FASTQ does; convert it to FASTA (seqtk seq -A)";
    if (text.starts_with("\xef\xbb\xbf")) what = "starts with a byte order mark; save it as plain text";
    if (text.starts_with("BAM\1") || text.starts_with("BCF\2")) what = "is BAM or BCF where FASTA is needed";
    fail(path(), line_, what);
}

bool FastaReader::next(FastaPiece& piece) {
    for (;;) {
        if (at_ == end_ && !more()) {
            if (!in_record_) {
                fail(path(),
                     file_offset() == 0 ? "is empty; name a FASTA file" : "holds no sequence, only blank lines");
            }
            return false;
        }
        if (line_starts_ && buffer_[at_] == '>') {
            read_header(piece);
            return true;
        }
        if (read_line(piece)) return true;
    }
}

void FastaReader::read_header(FastaPiece& piece) {
    name_.clear();
    ++at_;
    bool in_name = true;
    for (bool ended = false; !ended;) {
        if (at_ == end_ && !more()) break;
        const uint8_t* from = buffer_.data() + at_;
        const auto* newline = static_cast<const uint8_t*>(std::memchr(from, '\n', end_ - at_));
        const uint8_t* stop = newline ? newline : buffer_.data() + end_;
        const auto* carriage = static_cast<const uint8_t*>(std::memchr(from, '\r', static_cast<size_t>(stop - from)));
        if (carriage && carriage + 1 < stop) {
            fail(path(), line_, "has a carriage return inside a line; convert the line ends with: tr '\\r' '\\n'");
        }
        for (const uint8_t* c = from; in_name && c < stop; ++c) {
            if (!is_blank(*c)) {
                name_ += static_cast<char>(*c);
            } else {
                in_name = name_.empty();  // "> chr1" occurs
            }
        }
        if (name_.size() > kMaxName) fail(path(), line_, "has a name of more than 4,096 characters; is it FASTA?");
        at_ = static_cast<size_t>(stop - buffer_.data());
        if (newline) ++at_;
        ended = newline != nullptr;
    }
    if (name_.empty()) fail(path(), line_, "has a record without a name; write one after '>'");
    ++line_;
    in_record_ = true;
    piece = {.kind = FastaPiece::Kind::record, .name = name_, .next = file_offset()};
}

/// Takes what the buffer holds of the present line; false when that is nothing.
bool FastaReader::read_line(FastaPiece& piece) {
    const auto* newline = static_cast<const uint8_t*>(std::memchr(buffer_.data() + at_, '\n', end_ - at_));
    // A CR LF may be cut by the end of the buffer: the CR then stays behind until what follows it is known.
    const bool cut = !newline && buffer_[end_ - 1] == '\r';
    if (cut && end_ - at_ == 1 && more()) return false;
    const uint8_t* data = buffer_.data() + at_;
    size_t stop = newline ? static_cast<size_t>(newline - data) : end_ - at_ - (cut && end_ - at_ > 1);
    size_t size = stop > 0 && data[stop - 1] == '\r' ? stop - 1 : stop;
    if (!in_record_ && std::any_of(data, data + size, [](uint8_t c) { return !is_blank(c); })) not_fasta();
    size_t bad = in_record_ ? find_not_base(data, size) : size;
    if (bad < size) {
        std::string seen = data[bad] > 32 && data[bad] < 127 ? std::string("'") + static_cast<char>(data[bad]) + "'"
                                                             : "byte " + std::to_string(data[bad]);
        fail(path(), line_, seen + " in the sequence of " + name_ + "; only letters, '-', '*' and '.' may stand there");
    }
    piece = {.kind = FastaPiece::Kind::bases,
             .name = name_,
             .data = data,
             .size = size,
             .line_ends = newline != nullptr,
             .offset = file_offset()};
    line_bases_ = line_starts_ && newline ? size : 0;
    line_end_ = newline ? stop + 1 - size : 0;
    at_ += newline ? stop + 1 : stop;
    piece.next = file_offset();
    line_starts_ = newline != nullptr;
    line_ += line_starts_;
    return in_record_;
}

size_t FastaReader::take_lines(uint8_t* out, size_t room) {
    const size_t width = line_bases_ + line_end_;
    const uint8_t* from = buffer_.data() + at_;
    const uint8_t* const end = buffer_.data() + end_;
    size_t taken = 0;
    if (!line_starts_ || line_bases_ < 16) return 0;
    while (static_cast<size_t>(end - from) >= width && room - taken >= line_bases_) {
        // Letters alone hold no line end, so the line is as long as the last one if its end stands where it should.
        const bool ends = from[width - 1] == '\n' && (line_end_ == 1 || from[width - 2] == '\r');
        if (!ends || !copy_letters(from, out + taken, line_bases_)) break;
        taken += line_bases_;
        from += width;
        ++line_;
    }
    at_ = static_cast<size_t>(from - buffer_.data());
    return taken;
}

/// Adds bases to the `size` that `out` has, until it is full or the contig ends; returns how many it then has.
size_t FastaStream::take(std::span<uint8_t> out, size_t size) {
    while (size < out.size()) {
        if (piece_.size == 0) {
            size += reader_.take_lines(out.data() + size, out.size() - size);
            if (size == out.size()) break;
            finished_ = !reader_.next(piece_);
            if (finished_ || piece_.kind == FastaPiece::Kind::record) break;
        }
        const size_t taken = std::min(piece_.size, out.size() - size);
        std::copy_n(piece_.data, taken, out.data() + size);
        size += taken;
        piece_.data += taken;
        piece_.size -= taken;
    }
    return size;
}

bool FastaStream::next(std::span<uint8_t> out, FastaChunk& chunk) {
    if (out.size() <= overlap_) throw std::invalid_argument("out must have room for more bases than the overlap");
    while (!finished_) {
        const bool first = contig_ended_;
        if (first) {
            if (!started_) reader_.next(piece_);  // the first piece of a FASTA file is a record
            started_ = true;
            name_ = piece_.name;
            ++contig_;
            offset_ = 0;
            tail_.clear();
            piece_.size = 0;
        }
        std::copy(tail_.begin(), tail_.end(), out.begin());
        const size_t size = take(out, tail_.size());
        contig_ended_ = finished_ || piece_.kind == FastaPiece::Kind::record;
        if (!first && size == tail_.size()) continue;
        chunk = {name_, contig_, offset_, size};
        const size_t kept = std::min(overlap_, size);
        tail_.assign(out.begin() + static_cast<std::ptrdiff_t>(size - kept),
                     out.begin() + static_cast<std::ptrdiff_t>(size));
        offset_ += static_cast<int64_t>(size - kept);
        return true;
    }
    return false;
}

}  // namespace dnabert
