#include "core/genome.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"
#include "core/fasta_file.hpp"
#include "core/twobit.hpp"

namespace dnabert {

namespace {

class TwoBitReader : public BaseReader {
  public:
    explicit TwoBitReader(const std::string& path) : file(path) {}
    void read(size_t contig, int64_t start, int64_t end, uint8_t* out) const override {
        file.read(contig, start, end, out);
    }

    TwoBit file;
};

bool is_twobit(const std::string& path) {
    return path != "-" && is_regular(path) && TwoBit::recognises(MappedFile(path).bytes());
}

}  // namespace

Genome::Genome(const std::string& path, const std::string& index_dir, const std::string& temp_dir) {
    if (is_twobit(path)) {
        auto reader = std::make_unique<TwoBitReader>(path);
        names_ = reader->file.names();
        lengths_ = reader->file.lengths();
        kind_ = "2bit";
        reader_ = std::move(reader);
    } else {
        FastaFile file = open_fasta(path, index_dir, temp_dir);
        names_ = names_of(file.contigs);
        for (const FastaContig& contig : file.contigs) lengths_.push_back(contig.length);
        kind_ = file.kind;
        notes_ = file.notes;
        reader_ = std::make_unique<FastaAccess>(path, std::move(file));
    }
    check_names(names_, path);
}

void Genome::fetch(std::span<const int32_t> contig, std::span<const int64_t> start, std::span<const int64_t> end,
                   std::span<uint8_t> out) const {
    if (start.size() != contig.size() || end.size() != contig.size()) {
        throw std::invalid_argument("contig, start and end must have the same length");
    }
    size_t total = 0;
    for (size_t i = 0; i < contig.size(); ++i) {
        if (contig[i] < 0 || static_cast<size_t>(contig[i]) >= names_.size()) {
            throw std::invalid_argument("there is no contig " + std::to_string(contig[i]));
        }
        // The first two bounds keep the difference from overflowing.
        const bool far = start[i] < -(int64_t{1} << 60) || end[i] > int64_t{1} << 60;
        if (far || end[i] < start[i] || static_cast<uint64_t>(end[i] - start[i]) > out.size() - total) {
            throw std::invalid_argument("window " + std::to_string(i) +
                                        " ends before it starts or is too long for out");
        }
        total += static_cast<size_t>(end[i] - start[i]);
    }
    if (total != out.size()) throw std::invalid_argument("out must have as many bytes as the windows have bases");
    uint8_t* to = out.data();
    for (size_t i = 0; i < contig.size(); ++i) {
        const auto c = static_cast<size_t>(contig[i]);
        const int64_t from = std::clamp<int64_t>(start[i], 0, lengths_[c]);
        const int64_t stop = std::clamp<int64_t>(end[i], from, lengths_[c]);
        const int64_t size = end[i] - start[i];
        const int64_t left = std::clamp<int64_t>(-start[i], 0, size);
        std::memset(to, 'N', static_cast<size_t>(left));
        if (from < stop) reader_->read(c, from, stop, to + left);
        const int64_t used = left + (stop - from);
        std::memset(to + used, 'N', static_cast<size_t>(size - used));
        to += size;
    }
}

}  // namespace dnabert
