"""Mutation files of the original: which bases of which row of a table give way to what. Knows no sequences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.batch import Windows
from ..seq.types import I64
from .rows import open_lines

__all__ = ["Mutations", "read_mutations"]


_DIGITS = 18  # of numbers that 64 bits hold


@dataclass(frozen=True)
class Mutations:
    """Rows i64[m] of a table, from 0; their bases [start, end) i64[m] give way to `allele`; line i64[m], from 1.

    start = end is an insertion, an empty allele a deletion.
    """

    path: str
    row: I64
    start: I64
    end: I64
    allele: Windows
    line: I64

    def __len__(self) -> int:
        return len(self.row)

    def wrong(self, at: int, what: str) -> FormatError:
        """An error about a mutation."""
        return FormatError(f"{self.path}:{self.line[at]}: {what}")


def read_mutations(path: str | Path) -> Mutations:
    """Lines of row, start, end and allele, separated by tabs, without a header; plain or gzip, "-" is standard input.

    The allele of a deletion is empty, and its tab may be left out. Raises FormatError, naming the line, for other
    lines, and for a file without any.
    """
    numbers: list[tuple[int, ...]] = []
    alleles: list[bytes] = []
    with open_lines(path) as lines:
        for line, text in lines:
            if not text.strip():
                continue
            fields = text.rstrip(b"\r\n").split(b"\t")
            if len(fields) not in (3, 4) or not all(field.strip().isdigit() for field in fields[:3]):
                shown = text.decode("utf-8", "replace").strip()[:60]
                raise FormatError(
                    f"{path}:{line}: {shown!r} is not row, start, end (whole numbers) and allele, with tabs between"
                )
            if max(len(field.strip()) for field in fields[:3]) > _DIGITS:
                raise FormatError(f"{path}:{line}: a number of more than {_DIGITS} digits is no row and no base")
            row, start, end = (int(field) for field in fields[:3])
            allele = fields[3].strip() if len(fields) == 4 else b""
            if start > end:
                raise FormatError(f"{path}:{line}: start {start} lies after end {end}; bases are [start, end), from 0")
            if allele and not allele.isalpha():
                shown = allele.decode("utf-8", "replace")
                raise FormatError(f"{path}:{line}: allele {shown!r}; alleles are letters alone, or nothing")
            numbers.append((row, start, end, line))
            alleles.append(allele)
    if not numbers:
        raise FormatError(f"{path}: no mutations; give lines of row, start, end and allele, with tabs between")
    row_, start_, end_, line_ = np.array(numbers, np.int64).T.copy()
    return Mutations(str(path), row_, start_, end_, Windows.from_strings(alleles), line_)
