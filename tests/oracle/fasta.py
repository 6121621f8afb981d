"""FASTA and 2bit the plain way: whole files as byte strings."""

from __future__ import annotations

import struct

Records = list[tuple[str, bytes]]


def parse(text: bytes) -> Records:
    records: Records = []
    for line in text.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b">"):
            records.append((line[1:].split()[0].decode(), b""))
        elif line:
            records[-1] = (records[-1][0], records[-1][1] + line)
    return records


def window(bases: bytes, start: int, end: int) -> bytes:
    return bytes(bases[i] if 0 <= i < len(bases) else ord("N") for i in range(start, end))


def runs(flags: list[bool]) -> list[tuple[int, int]]:
    """Start and size of each run of True."""
    found: list[tuple[int, int]] = []
    for i, flag in enumerate(flags):
        if flag and found and sum(found[-1]) == i:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif flag:
            found.append((i, 1))
    return found


def twobit(records: Records, order: str = "<", version: int = 0) -> bytes:
    """The bytes of a .2bit file; order "<" or ">" as in struct. Bases A, C, G, T, N in any case."""
    offset_size = 8 if version else 4
    head = struct.pack(order + "4I", 0x1A412743, version, len(records), 0)
    index_size = sum(1 + len(name) + offset_size for name, _ in records)
    index, body = b"", b""
    for name, bases in records:
        place = len(head) + index_size + len(body)
        index += bytes([len(name)]) + name.encode() + struct.pack(order + ("Q" if version else "I"), place)
        body += struct.pack(order + "I", len(bases))
        for blocks in (runs([b in b"Nn" for b in bases]), runs([chr(b).islower() for b in bases])):
            body += struct.pack(order + "I", len(blocks))
            for part in (0, 1):
                body += b"".join(struct.pack(order + "I", block[part]) for block in blocks)
        body += struct.pack(order + "I", 0)
        codes = [max(0, b"TCAG".find(b)) for b in bases.upper()] + [0] * (-len(bases) % 4)
        body += bytes(
            codes[i] << 6 | codes[i + 1] << 4 | codes[i + 2] << 2 | codes[i + 3] for i in range(0, len(codes), 4)
        )
    return head + index + body
