"""A table of scores the plain way: every row in a dictionary, alleles trimmed and moved with strings."""

from __future__ import annotations

import gzip
from pathlib import Path

from . import alleles

Row = tuple[str, int, str, str]


def rows(path: Path) -> tuple[list[str], dict[Row, list[str]]]:
    """The names of the columns, and the numbers of each allele as text; of equal rows the first."""
    found: dict[Row, list[str]] = {}
    columns: list[str] = []
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        cells = line.rstrip("\r\n").split("\t")
        if line.startswith("#"):
            columns = [cells[0].lstrip("#"), *cells[1:]]
            continue
        chrom, position, ref, alt, *numbers = cells
        found.setdefault((chrom, int(position), ref.upper(), alt.upper()), numbers)
    return columns, found


def normal(position: int, ref: str, alt: str, contig: str | None = None) -> tuple[int, str, str]:
    """Start from 0, deleted and inserted bases of an allele at `position` from 1, moved left within REF or `contig`."""
    ref, alt = ref.upper(), alt.upper()
    prefix, suffix = alleles.trim(ref.encode(), alt.encode())
    start = position - 1 + prefix
    deleted, inserted = ref[prefix : len(ref) - suffix], alt[prefix : len(alt) - suffix]
    before = ref[:prefix] if contig is None else contig[:start].upper()
    while bool(deleted) != bool(inserted) and before and before[-1] == (deleted or inserted)[-1]:
        deleted, inserted = ((before[-1] + part)[:-1] if part else "" for part in (deleted, inserted))
        before, start = before[:-1], start - 1
    return start, deleted, inserted


def find(
    table: dict[Row, list[str]], chrom: str, position: int, ref: str, alt: str, contig: str | None = None
) -> tuple[str, list[str] | None]:
    """What the table says of an allele, by the names of `seq.lookup.HITS`, and its numbers."""
    start, deleted, inserted = normal(position, ref, alt, contig)
    indel = bool(deleted) != bool(inserted)
    hit = "NOT_IN_TABLE"
    at = start if indel else start + 1
    for (name, place, there, other), numbers in table.items():
        if (name, place) != (chrom, at):
            continue
        if indel:
            if there[0] == other[0] and (there[1:], other[1:]) == (deleted, inserted):
                return "FOUND", numbers
        elif there == deleted:
            if other == inserted:
                return "FOUND", numbers
            hit = "OTHER_ALT"
        elif hit == "NOT_IN_TABLE" and deleted and there[0] != deleted[0]:
            hit = "OTHER_REF"
    return hit, None
