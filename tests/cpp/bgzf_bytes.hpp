// BGZF as bytes, for tests that write damaged and unusual files. Written from the SAM specification, section 4.1.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

namespace dnabert {

/// The lowest `bytes` bytes of a number, the lowest first.
inline std::string little(uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}

/// One BGZF block: a gzip member that says its size.
inline std::string block(const std::string& plain) {
    std::string packed(plain.size() + 100, '\0');
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(packed.data());
    z.avail_out = static_cast<uInt>(packed.size());
    deflate(&z, Z_FINISH);
    packed.resize(z.total_out);
    deflateEnd(&z);
    const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(plain.data()), static_cast<uInt>(plain.size()));
    const std::string head("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0", 16);
    return head + little(packed.size() + 25, 2) + packed + little(crc, 4) + little(plain.size(), 4);
}

}  // namespace dnabert
