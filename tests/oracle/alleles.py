"""Alleles with slices and string comparisons; left-alignment base by base as vt has it."""

from __future__ import annotations

IUPAC = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
}
PAIRS = dict(zip("ACGTURYSWKMBDHVN", "TGCAAYRSWMKVHDBN", strict=True))


def upper(bases: bytes) -> str:
    return bases.decode("latin-1").upper().replace("U", "T")


def edit(span: bytes, at: int, deleted: int, inserted: bytes, length: int) -> bytes:
    return (span[:at] + inserted + span[at + deleted :])[:length].ljust(length, b"N")


def matches(genome: bytes, ref: bytes) -> bool:
    if len(genome) != len(ref):
        return False
    return all(g == r or IUPAC.get(g, g)[0] == r for g, r in zip(upper(genome), upper(ref), strict=True))


def trim(ref: bytes, alt: bytes) -> tuple[int, int]:
    r, a = upper(ref), upper(alt)
    prefix = 0
    while r[prefix:] and a[prefix:] and r[prefix] == a[prefix]:
        prefix += 1
    r, a = r[prefix:], a[prefix:]
    suffix = 0
    while r and a and r[-1] == a[-1]:
        r, a, suffix = r[:-1], a[:-1], suffix + 1
    return prefix, suffix


def left_align(flank: bytes, ref: bytes, alt: bytes) -> tuple[int, bool]:
    """Algorithm 1 of Tan et al. 2015 on a variant with one base of context at the left, while there is flank.

    While both alleles end in the same base, drop it; whenever one is empty, put the base before in front of both.
    """
    if bool(ref) == bool(alt):
        return 0, False
    before, r, a = upper(flank), upper(ref), upper(alt)
    moved = 0
    while before:
        r, a = before[-1] + r, before[-1] + a
        if r[-1] != a[-1]:
            return moved, False
        r, a, before, moved = r[:-1], a[:-1], before[:-1], moved + 1
    return moved, True


def reverse_complement(bases: bytes) -> bytes:
    pair = PAIRS | {key.lower(): value.lower() for key, value in PAIRS.items()}
    return "".join(pair.get(letter, letter) for letter in reversed(bases.decode("latin-1"))).encode("latin-1")
