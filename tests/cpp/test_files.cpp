// Files of every kind the core reads, whole and damaged, so that a sanitizer sees any step outside a buffer. What the
// bytes should be is checked against oracles in tests/seq; here only that whole files read back and that damage is an
// error or other bases, never a crash.
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "bgzf_bytes.hpp"
#include "check.hpp"
#include "core/error.hpp"
#include "core/fasta.hpp"
#include "core/genome.hpp"
#include "core/sections.hpp"
#include "core/table.hpp"
#include "core/vcf_splice.hpp"
#include "core/vcf_text.hpp"

namespace {

using namespace dnabert;
namespace fs = std::filesystem;

/// A folder that is gone at the end of a test.
struct Folder {
    Folder() {
        std::string name = (fs::temp_directory_path() / "core-test-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { fs::remove_all(path); }

    std::string write(const std::string& name, const std::string& data) const {
        const fs::path file = path / name;
        std::ofstream(file, std::ios::binary) << data;
        return file.string();
    }

    fs::path path;
};

std::string bgzf(const std::string& plain, size_t size) {
    std::string out;
    for (size_t at = 0; at < plain.size(); at += size) out += block(plain.substr(at, size));
    return out + block("");
}

std::string fasta() {
    std::string text = ">one first\n";
    for (int i = 0; i < 40; ++i) text += "ACGTNacgtnACGTNacgtnACGT\n";
    return text + "ACG\n>two\n>three\r\nACGTA\r\nCC";
}

std::string twobit() {
    const std::string head = little(0x1A412743, 4) + little(0, 4) + little(2, 4) + little(0, 4);
    const std::string index = "\1a" + little(28, 4) + "\1b" + little(72, 4);
    const std::string a = little(10, 4) + little(2, 4) + little(0, 4) + little(6, 4) + little(2, 4) + little(1, 4) +
                          little(1, 4) + little(3, 4) + little(4, 4) + little(0, 4) + "\x1b\xe4\x40";
    return head + index + a + std::string(17, '\0');
}

std::string vcf() {
    return "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
           "1\t10\t.\tA\tC,<DEL>\t.\t.\tAF=1;X=2\tGT\r\n2\t11\t.\tACG\t*\t3\tPASS\t.\nchr3\t0\tid\tN\tA[2:3[,.\t.\t."
           "\tX";
}

std::string fetch(const Genome& genome, int32_t contig, int64_t start, int64_t end) {
    std::string out(static_cast<size_t>(end - start), '?');
    genome.fetch({&contig, 1}, {&start, 1}, {&end, 1}, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
    return out;
}

/// Opens the genome and reads every base, and some outside.
void read_genome(const std::string& path, const Folder& folder) {
    const Genome genome(path, "", folder.path.string());
    for (size_t i = 0; i < genome.names().size(); ++i) {
        const int64_t length = std::min<int64_t>(genome.lengths()[i], 5000);
        fetch(genome, static_cast<int32_t>(i), -3, length + 3);
        fetch(genome, static_cast<int32_t>(i), genome.lengths()[i] - length, genome.lengths()[i] + 1);
    }
}

/// All of a VCF: units of two records, alleles, contigs, fields spliced in.
std::string read_vcf(const std::string& path) {
    VcfText file(path, 100);
    VcfLines lines;
    std::string out(file.header());
    while (file.next(2, lines)) {
        const std::string_view text = lines.text;
        const VcfColumns split = split_vcf(text, lines.first_line, path);
        const VcfAlleles alleles = split_alleles(text, split.columns);
        vcf_contigs(text, split.columns);
        const std::vector<float> values(alleles.record.size(), 0.25f);
        const std::vector<uint32_t> flags(alleles.record.size(), 3);
        const VcfFields fields{{"X"}, values.data(), flags.data(), {"A", "B"}, "F", true};
        const Bytes spliced = splice_vcf(text, split.columns, alleles.record, fields, path);
        out.append(spliced.begin(), spliced.end());
    }
    return out;
}

/// Changes, cuts or repeats some bytes.
std::string damaged(std::string data, std::mt19937& random) {
    for (unsigned i = 1 + random() % 3; i > 0 && !data.empty(); --i) {
        const size_t at = random() % data.size();
        switch (random() % 4) {
            case 0:
                data.resize(at);
                break;
            case 1:
                data[at] = "\0\t\n\r>#,.\xff"[random() % 9];
                break;
            case 2:
                data.insert(at, data.substr(random() % data.size(), random() % 9));
                break;
            default:
                data[at] = static_cast<char>(random());
                break;
        }
    }
    return data;
}

/// Gives `use` many damaged versions of a file; returns how many of them it took.
template <class Use>
int survive(const Folder& folder, const std::string& name, const std::string& whole, int rounds, Use use) {
    std::mt19937 random(7);
    int taken = 0;
    for (int i = 0; i < rounds; ++i) {
        const std::string path = folder.write(name, damaged(whole, random));
        try {
            use(path);
            ++taken;
        } catch (const FormatError&) {
        }
        fs::remove(path + ".fai");
        fs::remove(path + ".gzi");
    }
    return taken;
}

TEST(genomes_of_every_kind_read_the_same) {
    const Folder folder;
    for (const std::string& path : {folder.write("g.fa", fasta()), folder.write("g.fa.gz", bgzf(fasta(), 100))}) {
        for (int again = 0; again < 2; ++again) {
            const Genome genome(path, "", folder.path.string());
            CHECK(genome.notes().empty());
            CHECK((genome.lengths() == std::vector<int64_t>{963, 0, 7}));
            CHECK(fetch(genome, 0, -2, 6) == "NNACGTNa");
            CHECK(fetch(genome, 0, 958, 966) == "GTACGNNN");
            CHECK(fetch(genome, 1, -1, 1) == "NN");
            CHECK(fetch(genome, 2, 3, 8) == "TACCN");
            CHECK(fetch(genome, 2, 100, 103) == "NNN");
            CHECK(fetch(genome, 2, -103, -100) == "NNN");
        }
    }
    CHECK(fs::exists(folder.path / "g.fa.fai"));
    CHECK(fs::exists(folder.path / "g.fa.gz.gzi"));
}

TEST(twobit_by_hand) {
    const Folder folder;
    const Genome genome(folder.write("g.2bit", twobit()), "", folder.path.string());
    CHECK((genome.lengths() == std::vector<int64_t>{10, 0}));
    CHECK(fetch(genome, 0, -1, 11) == "NNNAgganTCTN");
}

TEST(damaged_genomes_do_not_crash) {
    const Folder folder;
    const auto read = [&](const std::string& path) { read_genome(path, folder); };
    CHECK(survive(folder, "g.fa", fasta(), 500, read) > 0);
    CHECK(survive(folder, "g.fa.gz", bgzf(fasta(), 100), 500, read) < 500);
    CHECK(survive(folder, "g.2bit", twobit(), 1000, read) > 0);
}

TEST(damaged_indexes_do_not_crash) {
    const Folder folder;
    const std::string path = folder.write("g.fa.gz", bgzf(fasta(), 100));
    read_genome(path, folder);
    for (const std::string suffix : {".fai", ".gzi"}) {
        std::ifstream file(path + suffix, std::ios::binary);
        const std::string whole((std::istreambuf_iterator<char>(file)), {});
        CHECK(!whole.empty());
        std::mt19937 random(9);
        for (int i = 0; i < 400; ++i) {
            folder.write("g.fa.gz" + suffix, damaged(whole, random));
            try {
                read_genome(path, folder);
            } catch (const FormatError&) {  // what a sample of lines did not show when the file was opened
            }
        }
        folder.write("g.fa.gz" + suffix, whole);
    }
}

TEST(stream_in_small_chunks) {
    const Folder folder;
    FastaStream stream(folder.write("g.fa", fasta()), 3);
    FastaChunk chunk;
    std::vector<uint8_t> out(10);
    std::vector<std::string> contigs;
    while (stream.next(out, chunk)) {
        if (chunk.contig == static_cast<int32_t>(contigs.size())) contigs.emplace_back();
        contigs.back().resize(static_cast<size_t>(chunk.offset));
        contigs.back().append(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(chunk.size));
    }
    CHECK(contigs.size() == 3 && contigs[0].size() == 963 && contigs[1].empty() && contigs[2] == "ACGTACC");
    out.resize(3);
    CHECK_THROWS(stream.next(out, chunk), std::invalid_argument);
}

TEST(vcf_fields_are_spliced) {
    const Folder folder;
    const std::string plain = folder.write("x.vcf", vcf());
    const std::string expected =
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "1\t10\t.\tA\tC,<DEL>\t.\t.\tAF=1;X=0.25,0.25;F=A&B,A&B\tGT\r\n2\t11\t.\tACG\t*\t3\tPASS\tX=0.25;F=A&B\n"
        "chr3\t0\tid\tN\tA[2:3[,.\t.\t.\tX=0.25,0.25;F=A&B,A&B";
    CHECK(read_vcf(plain) == expected);
    CHECK(read_vcf(folder.write("x.vcf.gz", bgzf(vcf(), 50))) == expected);
}

TEST(damaged_vcf_does_not_crash) {
    const Folder folder;
    CHECK(survive(folder, "x.vcf", vcf(), 1000, read_vcf) > 0);
    CHECK(survive(folder, "x.vcf.gz", bgzf(vcf(), 50), 500, read_vcf) < 500);
}

/// A block with another extra field before BC.
std::string wide_block(const std::string& plain) {
    const std::string narrow = block(plain);
    const auto size = static_cast<uint64_t>(narrow.size()) + 9 - 1;
    return narrow.substr(0, 10) + little(6 + 9, 2) + std::string("XY\5\0BC\2\0!", 9) + "BC" + little(2, 2) +
           little(size, 2) + narrow.substr(18);
}

/// The text of a VCF by way of its sections, each by itself, as (section, unit) in one string.
std::string by_sections(const std::string& path, int64_t bytes) {
    const Sections sections = find_sections(path, bytes);
    std::string out;
    VcfLines lines;
    for (size_t i = 0; i < sections.stored.size(); ++i) {
        VcfText file(path, bytes);
        const auto section = static_cast<int64_t>(i);
        file.enter(section, section + 1, sections.stored[i], sections.within[i]);
        while (file.next(2, lines)) out += std::to_string(lines.section) + ":" + std::string(lines.text);
    }
    return out;
}

TEST(sections_of_a_file_together_are_the_file) {
    const Folder folder;
    std::string text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    for (int i = 1; i < 40; ++i) {
        text +=
            "1\t" + std::to_string(i) + "\t.\tA\tC\t.\t.\t" + std::string(static_cast<size_t>(i % 7 * 9), 'x') + "\n";
    }
    // Blocks of any size, some of them empty or with other extra fields, and padding behind the last.
    std::string packed;
    for (size_t at = 0, size = 1; at < text.size(); at += size, size = size * 7 % 97 + 1) {
        const std::string piece = text.substr(at, size);
        packed += (size % 2 ? block(piece) : wide_block(piece)) + (size % 5 ? "" : block(""));
    }
    packed += wide_block("") + std::string(100, '\0');
    const std::string plain = folder.write("x.vcf", text);
    const std::string zipped = folder.write("x.vcf.gz", packed);
    for (const int64_t bytes : {1, 7, 50, 64, 1000, 1 << 20}) {
        VcfText file(plain, bytes);
        VcfLines lines;
        std::string whole;
        while (file.next(2, lines)) whole += std::to_string(lines.section) + ":" + std::string(lines.text);
        CHECK(by_sections(plain, bytes) == whole);
        CHECK(by_sections(zipped, bytes) == whole);
        CHECK(find_sections(zipped, bytes).text == static_cast<int64_t>(text.size()));
    }
    VcfText file(plain, 50);
    file.enter(3, 5, 149, 0);
    CHECK_THROWS(file.enter(4, 6, 199, 0), std::invalid_argument);
    CHECK_THROWS(file.enter(6, 6, 299, 0), std::invalid_argument);
}

TEST(sections_of_damaged_files_do_not_crash) {
    const Folder folder;
    const auto read = [](const std::string& path) { by_sections(path, 60); };
    CHECK(survive(folder, "x.vcf", vcf(), 300, read) > 0);
    CHECK(survive(folder, "x.vcf.gz", bgzf(vcf(), 50), 300, read) < 300);
    CHECK(survive(folder, "y.vcf.gz", wide_block(vcf()) + block(""), 300, read) < 300);
}

TEST(tables) {
    const std::string names = "abc";
    const std::vector<int64_t> offsets{0, 1, 1, 3};
    const std::vector<float> values{0.5f, std::nanf(""), -1234567.0f};
    const std::vector<int32_t> counts{-1, 0, 2147483647};
    const TextColumn text{{reinterpret_cast<const uint8_t*>(names.data()), 3}, offsets};
    const Bytes out = format_table({text, std::span<const float>(values), std::span<const int32_t>(counts)}, 3);
    CHECK(std::string(out.begin(), out.end()) == "a\t0.5\t-1\n\t.\t0\nbc\t-1.23457e+06\t2147483647\n");
    CHECK_THROWS(format_table({text}, 2), std::invalid_argument);
}

TEST(every_sign_and_size_of_float_fits) {
    std::mt19937 random(3);
    std::vector<float> values;
    for (int i = 0; i < 100000; ++i) {
        const auto bits = static_cast<uint32_t>(random());
        const float value = std::bit_cast<float>(bits);
        if (!std::isinf(value)) values.push_back(value);
    }
    for (const float value : values) {
        char text[kFloatChars];
        char expected[64];
        const std::string found(text, write_float(text, value));
        std::snprintf(expected, sizeof expected, "%.6g", static_cast<double>(value));
        CHECK(found == (std::isnan(value) ? "." : value == 0 ? "0" : expected));
    }
}

}  // namespace
