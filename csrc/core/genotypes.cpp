#include "core/genotypes.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/number.hpp"
#include "core/vcf_text.hpp"

namespace dnabert {

namespace {

/// The text up to `separator`, which `rest` is left behind; all of it where there is none.
std::string_view take(std::string_view& rest, char separator) {
    const size_t end = rest.find(separator);
    const std::string_view field = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return field;
}

struct Genotype {
    int16_t alleles[2] = {carried_unknown, carried_none};
    bool phased = true;
};

/// False where the text is no GT, or names an allele beyond the `last`.
bool read_genotype(std::string_view text, int64_t last, Genotype& found) {
    found = Genotype();
    if (text.empty()) return false;
    size_t at = 0;
    if (text[0] == '|' || text[0] == '/') {  // how the first allele is phased (VCF 4.4); the others say it too
        found.phased = text[0] == '|';
        at = 1;
    }
    for (size_t copy = 0;; ++copy) {
        int64_t allele = 0;
        if (at < text.size() && text[at] == '.') {
            allele = carried_unknown;
            ++at;
        } else {
            const size_t first = at;
            while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - first < 5) {
                allele = 10 * allele + (text[at++] - '0');
            }
            if (at == first || allele > last) return false;
        }
        if (copy < 2) found.alleles[copy] = static_cast<int16_t>(allele);
        if (copy == 2) found.alleles[0] = found.alleles[1] = carried_many;
        if (at == text.size()) return true;
        if (text[at] != '|' && text[at] != '/') return false;
        found.phased &= text[at] == '|';
        ++at;
    }
}

int64_t read_phase_set(std::string_view text) {
    int64_t value = 0;
    if (text.empty() || text == "." || read_integer(text, value)) return value;
    uint64_t hash = 14695981039346656037u;  // FNV-1a: such a set is told apart from others, which is all it is for
    for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211u;
    return static_cast<int64_t>(hash | (uint64_t{1} << 63));
}

/// Where PS stands among the keys of FORMAT, 0 where it does not (it comes after GT); -1 without GT.
int place_of_phase_set(std::string_view format) {
    if (take(format, ':') != "GT") return -1;
    for (int place = 1; !format.empty(); ++place) {
        if (take(format, ':') == "PS") return place;
    }
    return 0;
}

}  // namespace

int64_t read_genotypes(std::string_view text, std::span<const int64_t> columns, size_t samples,
                       std::span<int16_t> alleles, std::span<uint8_t> phased, std::span<int64_t> phase_set) {
    check_columns(text, columns);
    const size_t records = columns.size() / VcfColumns::kWidth;
    if (alleles.size() != 2 * records * samples || phased.size() != records * samples ||
        phase_set.size() != records * samples) {
        throw std::invalid_argument("genotypes must have a place for every sample of every record");
    }
    for (size_t record = 0; record < records; ++record) {
        const int64_t* const c = columns.data() + record * VcfColumns::kWidth;
        const std::string_view alts = text.substr(static_cast<size_t>(c[VcfColumns::alt]),
                                                  static_cast<size_t>(c[VcfColumns::qual] - 1 - c[VcfColumns::alt]));
        const int64_t last = std::min<int64_t>(INT16_MAX, 1 + std::count(alts.begin(), alts.end(), ','));
        std::string_view rest = text.substr(static_cast<size_t>(c[VcfColumns::info_end]));
        rest = rest.substr(0, rest.find('\n'));
        if (rest.ends_with('\r')) rest.remove_suffix(1);
        if (rest.empty()) return static_cast<int64_t>(record);
        rest.remove_prefix(1);
        const int place = place_of_phase_set(take(rest, '\t'));
        for (size_t sample = 0; sample < samples; ++sample) {
            if (rest.empty()) return static_cast<int64_t>(record);
            std::string_view field = take(rest, '\t');
            const size_t at = record * samples + sample;
            Genotype found;
            if (place >= 0 && !read_genotype(take(field, ':'), last, found)) return static_cast<int64_t>(record);
            alleles[2 * at] = found.alleles[0];
            alleles[2 * at + 1] = found.alleles[1];
            phased[at] = found.phased;
            std::string_view set;
            for (int key = 1; key <= place; ++key) set = take(field, ':');
            phase_set[at] = place > 0 ? read_phase_set(set) : 0;
        }
    }
    return -1;
}

}  // namespace dnabert
