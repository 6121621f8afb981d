"""VCF records as text that passes through byte by byte, and their alleles as arrays. Knows no genome and no scores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import _core
from ..errors import FormatError
from .batch import Windows
from .sections import SECTION_BYTES, Sections, runs_of
from .types import F32, I32, I64, U8, U32

__all__ = ["AlleleTable", "Header", "Records", "VcfText", "allele_table", "splice"]

_COLUMNS = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")
_CHROM, _POS, _REF, _ALT = 0, 1, 3, 4


@dataclass(frozen=True)
class Header:
    """A VCF header: `meta` are its ## lines, `columns` the #CHROM line, each as bytes without the line end.

    line_end: that of the first line (CR LF stays CR LF); repairs: what was put right in the #CHROM line, for people.
    """

    meta: tuple[bytes, ...]
    columns: bytes
    line_end: bytes
    repairs: tuple[str, ...]

    @staticmethod
    def parse(text: bytes, path: str) -> Header:
        """Split a header; FormatError when the #CHROM line is not that of a VCF and cannot be repaired.

        Empty columns at the end of the #CHROM line (real files have them) are removed, and named in `repairs`.
        """
        line_end = b"\r\n" if text.split(b"\n", 1)[0].endswith(b"\r") else b"\n"
        *meta, columns = text.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
        repaired = columns.rstrip(b"\t \r")
        names = repaired.split(b"\t")
        if tuple(names[:8]) != _COLUMNS or (len(names) > 8 and names[8] != b"FORMAT") or b"" in names:
            raise FormatError(
                f"{_shown(path)}:{len(meta) + 1}: the #CHROM line is not that of a VCF; it needs "
                "CHROM POS ID REF ALT QUAL FILTER INFO and, before samples, FORMAT, separated by tabs"
            )
        repairs = () if repaired == columns else ("white space at the end of the #CHROM line was removed",)
        return Header(tuple(meta), repaired, line_end, repairs)

    def with_lines(self, lines: Sequence[bytes]) -> bytes:
        """The header as bytes, with these ## lines added before the #CHROM line."""
        return self.line_end.join([*self.meta, *lines, self.columns, b""])


@dataclass(frozen=True)
class Records:
    """Whole lines of a VCF: text u8, columns i64[n, 9] (starts of the eight columns, end of INFO) and POS i64[n].

    position is 1-based, as written; first_line is the number of the first line in `path`, or 0 where reading began in
    its middle; section is the one of the file that all of them start in.
    """

    text: U8
    columns: I64
    position: I64
    first_line: int
    path: str
    section: int = 0

    @staticmethod
    def parse(text: U8, first_line: int, path: str, section: int = 0) -> Records:
        """Split lines into columns; FormatError names the line that is not a VCF record."""
        columns, position = _core.vcf_split(text, first_line, path)
        return Records(text, columns, position, first_line, path, section)

    def __len__(self) -> int:
        return len(self.position)

    def contigs(self) -> tuple[list[str], I32]:
        """The distinct names in CHROM in order of appearance, and for each record the row of its name, i32[n]."""
        return _core.vcf_contigs(self.text, self.columns)

    def where(self, record: int) -> str:
        """The place of a record for messages: file, line (where it is known), CHROM and POS."""
        start, end = self.columns[record, _CHROM], self.columns[record, _POS] - 1
        chrom = self.text[start:end].tobytes().decode("utf-8", "replace")
        place = f"{chrom}:{self.position[record]}"
        if self.first_line == 0:
            return f"{_shown(self.path)}: the record at {place}"
        return f"{_shown(self.path)}:{self.first_line + record} ({place})"


@dataclass(frozen=True)
class AlleleTable:
    """One row an ALT: record i32[a], kind u8[a] (0 bases, 1 "*", 2 none, 3 symbolic, 4 <NON_REF>, 5 breakend,
    6 other IUPAC letters, 7 not an allele), and the letters of REF and ALT; a record without ALT has one row."""

    record: I32
    kind: U8
    ref: Windows
    alt: Windows


class VcfText:
    """A VCF file or standard input ("-"): plain, gzip or BGZF. Iterating gives units of records in order.

    `header` is the file's, and `header_text` its very bytes; `sections` says where its sections start, if some were
    asked for.
    """

    def __init__(
        self,
        path: str | Path,
        unit_records: int,
        section_bytes: int = SECTION_BYTES,
        *,
        sections: Sequence[int] | None = None,
        index: Sections | None = None,
    ) -> None:
        """Opens the file and reads its header; FormatError for anything that is not VCF text.

        A unit has `unit_records` records of one section, fewer at the section's end. sections: the ascending numbers of
        those to read, of a plain or BGZF file; index: what `Sections.find` says of it, which is asked where it is None.
        """
        self.path = os.fspath(path)
        self._unit_records = unit_records
        self._file = _core.VcfText(os.fsencode(path), section_bytes)
        self.header_text = self._file.header
        self.header = Header.parse(self.header_text, self.path)
        self._runs: list[range] | None = None
        self._size = 0 if self.path == "-" else os.path.getsize(self.path)
        if sections is not None:
            self._index = Sections.find(path, section_bytes) if index is None else index
            self._runs = runs_of(sections)
            self._size = self._check(section_bytes)

    def _check(self, section_bytes: int) -> int:
        """About how many bytes of the file the sections take."""
        index, runs = self._index, self._runs or []
        if index.section_bytes != section_bytes:
            raise ValueError(f"the index has sections of {index.section_bytes} bytes, not {section_bytes}")
        if runs and not 0 <= runs[0].start <= runs[-1].stop <= len(index):
            raise ValueError(f"{self.path} has sections 0 to {len(index) - 1}")
        ends = np.append(index.stored, self._size)
        return max(1, sum(int(ends[run.stop] - ends[run.start]) for run in runs))

    @property
    def share(self) -> float | None:
        """How much of what is to be read has been, 0 to 1; None for standard input. Ask where you iterate."""
        return min(1.0, self._file.taken / self._size) if self._size else None

    def __iter__(self) -> Iterator[Records]:
        if self._runs is None:
            yield from self._units()
            return
        for run in self._runs:
            place = int(self._index.stored[run.start]), int(self._index.within[run.start])
            self._file.enter(run.start, run.stop, *place)
            yield from self._units()

    def _units(self) -> Iterator[Records]:
        while (unit := self._file.next(self._unit_records)) is not None:
            text, first_line, section = unit
            yield Records.parse(text, first_line, self.path, section)


def allele_table(records: Records) -> AlleleTable:
    """The ALT alleles of records, each with the REF that it replaces."""
    record, start, end, kind = _core.vcf_alleles(records.text, records.columns)
    ref_start, ref_end = records.columns[record, _REF], records.columns[record, _ALT] - 1
    ref = Windows.from_spans(records.text, ref_start, ref_end)
    return AlleleTable(record, kind, ref, Windows.from_spans(records.text, start, end))


def splice(
    records: Records,
    record: I32,
    fields: Mapping[str, F32],
    flag_field: str,
    flags: U32,
    flag_names: Sequence[str],
    *,
    overwrite: bool = False,
) -> U8:
    """The text of records with `;NAME=v1,v2` for each field added to INFO, one value an allele; nothing else changes.

    record i32[a]: the record of each allele, as `allele_table` gives it; fields: f32[a], six significant digits, NaN as
    "."; flags u32[a]: bit i stands for flag_names[i], joined by "&", "." for none. FormatError when a record holds such
    a field already, unless `overwrite`, which removes it first.
    """
    values = np.empty((len(fields), len(record)), np.float32)
    for row, column in zip(values, fields.values(), strict=True):
        row[:] = column
    return _core.vcf_splice(
        records.text, records.columns, record, list(fields), values, flags, list(flag_names), flag_field, overwrite,
        records.path,
    )  # fmt: skip


def _shown(path: str) -> str:
    return "standard input" if path == "-" else path
