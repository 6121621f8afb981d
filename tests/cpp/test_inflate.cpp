// Deflated bytes against zlib, in one go and in any steps, whole and damaged. The buffers are as long as they have to
// be and no longer, so that a sanitizer sees a step outside of them.
#include <zlib.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "core/inflate.hpp"

namespace {

using namespace dnabert;

std::vector<uint8_t> deflated(const std::string& plain, int level, int strategy) {
    std::vector<uint8_t> packed(2 * plain.size() + 300);
    z_stream z{};
    deflateInit2(&z, level, Z_DEFLATED, -15, 8, strategy);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = packed.data();
    z.avail_out = static_cast<uInt>(packed.size());
    deflate(&z, Z_FINISH);
    packed.resize(z.total_out);
    deflateEnd(&z);
    packed.shrink_to_fit();
    return packed;
}

/// Text of one of four kinds: any bytes, few letters, numbers in rows, and what repeats near and far.
std::string random_text(std::mt19937& random, size_t size) {
    std::string text;
    const auto kind = random() % 4;
    while (text.size() < size) {
        if (kind == 0) text += static_cast<char>(random());
        if (kind == 1) text += static_cast<char>('a' + random() % 3);
        if (kind == 2) text += "chr1\t" + std::to_string(text.size()) + "\tA\tC\t0." + std::to_string(random()) + "\n";
        if (kind == 3) {
            text += static_cast<char>(random());
            const size_t back = 1 + random() % text.size();
            for (auto i = random() % 300; i > 0; --i) text += text[text.size() - back];
        }
    }
    return text.substr(0, size);
}

TEST(bytes_are_those_that_zlib_deflated) {
    std::mt19937 random(3);
    for (int round = 0; round < 600; ++round) {
        const std::string plain = random_text(random, random() % (round % 20 == 0 ? 70000 : 3000));
        const auto packed = deflated(plain, static_cast<int>(random() % 10), static_cast<int>(random() % 5));
        Inflate inflate;
        inflate.open(packed);
        std::vector<uint8_t> out(plain.size() + Inflate::kSlack);
        for (size_t done = 0; done < plain.size();) {
            const size_t goal = std::min(plain.size(), done + 1 + random() % (round % 3 == 0 ? plain.size() : 300));
            const size_t got = inflate.run(out.data(), done, goal);
            CHECK(got >= goal && got <= plain.size());
            if (got < goal || got > plain.size()) break;
            done = got;
        }
        CHECK(std::memcmp(out.data(), plain.data(), plain.size()) == 0);
        CHECK(inflate.run(out.data(), plain.size(), plain.size() + 1) == plain.size());  // and there it ends
    }
}

TEST(damaged_bytes_are_told_or_other_bytes) {
    std::mt19937 random(5);
    int told = 0;
    for (int round = 0; round < 2000; ++round) {
        const std::string plain = random_text(random, 1 + random() % 2000);
        auto packed = deflated(plain, static_cast<int>(random() % 10), static_cast<int>(random() % 5));
        for (int i = 0; i < 3; ++i) packed[random() % packed.size()] ^= static_cast<uint8_t>(1U << random() % 8);
        if (round % 4 == 0) packed.resize(random() % packed.size());
        packed.shrink_to_fit();
        std::vector<uint8_t> out(plain.size() + Inflate::kSlack), theirs(plain.size());
        Inflate inflate;
        inflate.open(packed);
        const size_t got = inflate.run(out.data(), 0, plain.size());
        told += got == SIZE_MAX || got < plain.size();
        z_stream z{};
        inflateInit2(&z, -15);
        z.next_in = packed.data();
        z.avail_in = static_cast<uInt>(packed.size());
        z.next_out = theirs.data();
        z.avail_out = static_cast<uInt>(theirs.size());
        ::inflate(&z, Z_SYNC_FLUSH);
        // What both read whole is the same; what zlib finds damaged before that is damaged.
        if (got != SIZE_MAX && got >= plain.size()) {
            CHECK(z.avail_out == 0);
            CHECK(std::memcmp(out.data(), theirs.data(), plain.size()) == 0);
        }
        inflateEnd(&z);
    }
    CHECK(told > 500);
}

TEST(codes_that_are_none_are_damage) {
    const std::vector<std::vector<uint8_t>> streams{
        {},                        // nothing
        {0x07},                    // a fourth kind of block
        {0x01, 1, 0, 0, 0},        // stored, of a length that its check denies
        {0x01, 5, 0, 0xfa, 0xff},  // stored, longer than there are bytes
        {0x05, 0xff, 0xff, 0xff},  // 288 letters
        {0x1b, 0x03},              // a length and a distance of the fixed codes, with nothing to reach back to
    };
    for (const auto& stream : streams) {
        std::vector<uint8_t> out(100 + Inflate::kSlack);
        Inflate inflate;
        inflate.open(stream);
        CHECK(inflate.run(out.data(), 0, 100) == SIZE_MAX);
    }
}

}  // namespace
