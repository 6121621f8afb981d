"""Peaks and labelled regions: columns of BED files beyond the sixth. Does not know which contigs a genome has."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.types import I64
from .bed import Bed

__all__ = ["bed_column", "summits", "thick_starts"]

_EPD_LENGTH, _EPD_THICK = 60, 11


def bed_column(path: str | Path, bed: Bed, column: int) -> list[str]:
    """A column (from 1) of the lines that `read_bed` found in this file; FormatError for a line that has it not."""
    rows = _rows(path, bed)
    for at, cells in enumerate(rows):
        if len(cells) < column or not cells[column - 1]:
            raise FormatError(f"{path}:{bed.line[at]}: no column {column}; this line has {len(cells)}")
    return [cells[column - 1].decode("utf-8", "replace") for cells in rows]


def summits(path: str | Path, bed: Bed) -> tuple[I64, bool]:
    """The base of each peak's summit, i64[n], and whether the file says it.

    Column 10 of a narrowPeak file (ENCODE: bases from the start, -1 where none was called); in BED, and for -1, it is
    the middle. FormatError for one that is no number or lies outside its peak.
    """
    middle = (bed.start + bed.end) // 2
    rows = _rows(path, bed)
    if len(rows[0]) != 10:
        return middle, False
    said = np.empty(len(rows), np.int64)
    for at, cells in enumerate(rows):
        try:
            said[at] = int(cells[9])
        except (ValueError, IndexError):
            raise FormatError(f"{path}:{bed.line[at]}: column 10 is no number; narrowPeak has summits there") from None
    wrong = np.flatnonzero((said < -1) | (said >= np.maximum(bed.end - bed.start, 1)))
    if len(wrong):
        at = int(wrong[0])
        length = bed.end[at] - bed.start[at]
        raise FormatError(f"{path}:{bed.line[at]}: the summit {said[at]} lies outside the peak of {length} bases")
    return np.where(said < 0, middle, bed.start + said), True


def thick_starts(path: str | Path, bed: Bed) -> I64 | None:
    """The first base, on its strand, of the thick part of each region where the file is EPDnew's, else None.

    EPDnew gives 60 bases a promoter, of which the 11 thick ones (columns 7 and 8) begin with the TSS.
    """
    rows = _rows(path, bed)
    if not (bed.end - bed.start == _EPD_LENGTH).all() or any(len(cells) < 8 for cells in rows):
        return None
    try:
        thick = np.array([(int(cells[6]), int(cells[7])) for cells in rows], np.int64)
    except ValueError:
        return None
    if not (thick[:, 1] - thick[:, 0] == _EPD_THICK).all():
        return None
    first: I64 = np.where(bed.strand == ord("-"), thick[:, 1] - 1, thick[:, 0])
    return first


def _rows(path: str | Path, bed: Bed) -> list[list[bytes]]:
    """The cells of each of the file's regions; tabs separate them, or blanks where there are no tabs."""
    data = Path(path).read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    lines = text.split(b"\n")
    separator = b"\t" if b"\t" in text else None
    return [lines[number - 1].rstrip(b"\r").split(separator) for number in bed.line.tolist()]
