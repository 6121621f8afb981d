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
    at_ += newline ? stop + 1 : stop;
    piece.next = file_offset();
    line_starts_ = newline != nullptr;
    line_ += line_starts_;
    return in_record_;
}

/// Fills the chunk until it is full or its contig ends.
void FastaStream::take(size_t max_bases) {
    while (chunk_.bases.size() < max_bases) {
        if (piece_.size == 0) {
            finished_ = !reader_.next(piece_);
            if (finished_ || piece_.kind == FastaPiece::Kind::record) return;
        }
        size_t taken = std::min(piece_.size, max_bases - chunk_.bases.size());
        chunk_.bases.insert(chunk_.bases.end(), piece_.data, piece_.data + taken);
        piece_.data += taken;
        piece_.size -= taken;
    }
}

const FastaChunk* FastaStream::next(size_t max_bases, size_t overlap) {
    if (max_bases <= overlap) throw std::invalid_argument("max_bases must be greater than overlap");
    for (;;) {
        if (finished_) return nullptr;
        if (contig_ended_) {
            if (!started_) reader_.next(piece_);  // the first piece of a FASTA file is a record
            started_ = true;
            contig_ended_ = false;
            chunk_.name = piece_.name;
            ++chunk_.contig;
            chunk_.offset = 0;
            chunk_.bases.clear();
            piece_.size = 0;
        } else {
            size_t kept = std::min(overlap, chunk_.bases.size());
            chunk_.offset += static_cast<int64_t>(chunk_.bases.size() - kept);
            chunk_.bases.erase(chunk_.bases.begin(), chunk_.bases.end() - static_cast<std::ptrdiff_t>(kept));
        }
        const size_t before = chunk_.bases.size();
        const bool first = chunk_.offset == 0 && before == 0;
        take(max_bases);
        contig_ended_ = finished_ || piece_.kind == FastaPiece::Kind::record;
        if (chunk_.bases.size() > before || first) return &chunk_;
    }
}

}  // namespace dnabert
