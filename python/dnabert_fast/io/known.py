"""Lists of known variants: VCF, BCF, or tables with columns chrom, pos, ref, alt. Knows no genome."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.vcf_text import Records
from .text_table import MISSING, TextTable, read_text_table
from .vcf import VcfSource

__all__ = ["known_records"]

_UNIT_RECORDS = 4096
_CONTIG_COLUMNS = ("chrom", "#chrom")
_COLUMNS = ("pos", "ref", "alt")
_VARIANT_FILES = (b"##fileformat=VCF", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\t", b"BCF\x02")
_HEAD_BYTES = 65536


def known_records(path: str | Path) -> Iterator[Records]:
    """The variants of a file in units of records, told by what it begins with: VCF, BCF, or a table (tsv, csv).

    A table names its columns in the first line; of these chrom (or #chrom), pos (from 1), ref and alt are read, alt
    with a comma between several alleles. Plain or gzip. Raises FormatError, naming the line, for missing columns and
    for positions that are no whole numbers from 1 up.
    """
    if _head(path).startswith(_VARIANT_FILES):
        yield from VcfSource(path, _UNIT_RECORDS)
        return
    table = read_text_table(path, _COLUMNS, keep=_CONTIG_COLUMNS)
    contig = next((name for name in _CONTIG_COLUMNS if name in table.columns), None)
    if contig is None:
        raise FormatError(f"{path}: no column 'chrom' in the first line; a list of variants has chrom, pos, ref, alt")
    position = table.integers("pos")
    wrong = np.flatnonzero(position < 1)
    if len(wrong):
        raise table.wrong(int(wrong[0]), f"pos {position[wrong[0]]} is not a position from 1 up")
    for first in range(0, len(table), _UNIT_RECORDS):
        rows = range(first, min(first + _UNIT_RECORDS, len(table)))
        lines = [f"{_word(table, contig, row)}\t{position[row]}\t.\t" for row in rows]
        lines = [
            f"{line}{_word(table, 'ref', row)}\t{_word(table, 'alt', row)}\t.\t.\t.\n"
            for line, row in zip(lines, rows, strict=True)
        ]
        text = np.frombuffer("".join(lines).encode(), np.uint8)
        yield Records.parse(text, table.line[first], table.path)


def _word(table: TextTable, name: str, row: int) -> str:
    """A field as VCF has it: without blanks, "." where there is none."""
    text = "".join(table.columns[name][row].split())
    return "." if text.lower() in MISSING else text


def _head(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if head[:2] != b"\x1f\x8b":
        return head
    try:
        return zlib.decompressobj(31).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""  # the reader of tables says what is wrong with it
