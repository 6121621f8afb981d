"""Sequences from FASTA and tables (csv, tsv, k-mer text), plain or gzip, a unit at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import FormatError
from ..seq.batch import Windows
from .rows import Row, Rows, read_rows, windows_of

__all__ = ["SequenceUnit", "sequence_units"]

UNIT_SEQUENCES = 4096
UNIT_BASES = 1 << 26
"""A unit ends after this many sequences, or with the sequence that reaches this many bases."""


@dataclass(frozen=True)
class SequenceUnit:
    """Up to 4,096 sequences: their bases, their names, and the number of the first one in the file (0-based).

    `second` are the other sequences of pairs, None where the file has single ones.
    """

    windows: Windows
    names: list[str]
    first: int
    second: Windows | None = None


def sequence_units(path: str | Path) -> Generator[SequenceUnit, None, None]:
    """The sequences of a file in order (see `read_rows`), in units that depend on the file alone; memory holds one."""
    first = 0
    for rows in _units(read_rows(path)):
        second = None if rows[0].second is None else windows_of(rows, path, second=True)
        yield SequenceUnit(windows_of(rows, path), [row.name for row in rows], first, second)
        first += len(rows)
    if not first:
        raise FormatError(f"{path}: no sequences")


def _units(rows: Rows) -> Iterator[list[Row]]:
    unit: list[Row] = []
    bases = 0
    for row in rows:
        unit.append(row)
        bases += len(row.bases) + len(row.second or b"")
        if len(unit) == UNIT_SEQUENCES or bases >= UNIT_BASES:
            yield unit
            unit, bases = [], 0
    if unit:
        yield unit
