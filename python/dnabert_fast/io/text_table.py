"""Tables whose first line names the columns (csv, tsv; plain or gzip), read column by column as text."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError

__all__ = ["MISSING", "TextTable", "read_text_table"]

MISSING = frozenset({"", ".", "na", "nan", "none", "null"})
"""What a field may say, in any case, where there is no number."""


@dataclass(frozen=True)
class TextTable:
    """Columns of a table as text, by name, and the line of each row from 1."""

    path: str
    columns: dict[str, list[str]]
    line: list[int]

    def __len__(self) -> int:
        return len(self.line)

    def numbers(self, name: str, *, may_miss: bool = False) -> NDArray[np.float64]:
        """A column as float64 [n]; NaN for what is missing, if it may be.

        Raises FormatError, naming the line, for anything else that is no finite number.
        """
        found = np.empty(len(self), np.float64)
        for row, text in enumerate(self.columns[name]):
            if may_miss and text.strip().lower() in MISSING:
                found[row] = math.nan
                continue
            try:
                found[row] = float(text)
            except ValueError:
                found[row] = math.inf
            if not math.isfinite(found[row]):
                raise self.wrong(row, f"{name} {text!r} is not a finite number")
        return found

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column as int64 [n]; raises FormatError, naming the line, for what is no whole number."""
        found = self.numbers(name)
        broken = np.flatnonzero((found != np.rint(found)) | (np.abs(found) > 2**53))
        if len(broken):
            row = int(broken[0])
            raise self.wrong(row, f"{name} {self.columns[name][row]!r} is not a whole number")
        return found.astype(np.int64)

    def wrong(self, row: int, what: str) -> FormatError:
        """An error about a row."""
        return FormatError(f"{self.path}:{self.line[row]}: {what}")


def read_text_table(
    path: str | Path, wanted: Sequence[str] = (), *, keep: Sequence[str] | None = None, headless: Sequence[str] = ()
) -> TextTable:
    """A table, separated by tabs or commas; names of columns in small letters.

    `wanted` columns must be there; of `keep` and `wanted` those that are there are kept (None: all). Where the second
    field of the first line is a number there is no header, and columns are named `headless`. Raises FormatError, naming
    the line, for missing columns, rows of another width, and files that are missing, broken or empty.
    """
    with _opened(path) as stream:
        rows = _rows(stream, path)
        at, header = next(rows, (1, []))
        if not header:
            raise FormatError(f"{path}: empty; the first line names the columns")
        names = [name.strip().lower() for name in header]
        first: list[tuple[int, list[str]]] = []
        if headless and len(header) == len(headless) and _is_number(header[1]):
            names, first = list(headless), [(at, header)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FormatError(f"{path}:{at}: two columns are named {twice!r}")
        for name in wanted:
            if name not in names:
                raise FormatError(
                    f"{path}:{at}: no column {name!r} in the first line; there are {', '.join(names)[:80]}"
                )
        places = [(i, name) for i, name in enumerate(names) if keep is None or name in keep or name in wanted]
        columns: dict[str, list[str]] = {name: [] for _, name in places}
        lines = []
        for number, fields in (*first, *rows):
            if len(fields) != len(names):
                raise FormatError(f"{path}:{number}: {len(fields)} columns, but the first line has {len(names)}")
            for i, name in places:
                columns[name].append(fields[i])
            lines.append(number)
    if not lines:
        raise FormatError(f"{path}: no rows after the header")
    return TextTable(str(path), columns, lines)


def _rows(stream: TextIOWrapper, path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line that is not blank."""
    separator = None
    try:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            separator = separator or ("\t" if "\t" in line else ",")
            quoted = '"' in line
            yield (
                number,
                next(csv.reader([line], delimiter=separator)) if quoted else line.rstrip("\r\n").split(separator),
            )
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise FormatError(f"{path}: truncated or damaged gzip; make or fetch the file again") from None
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise FormatError(f"{path}: not a table of text ({wrong})") from None


@contextmanager
def _opened(path: str | Path) -> Iterator[TextIOWrapper]:
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(open(path, "rb"))
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
        except OSError as wrong:
            raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
        data = gzip.GzipFile(fileobj=raw) if packed else raw
        yield stack.enter_context(TextIOWrapper(data, encoding="utf-8-sig", newline=""))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
