"""BED files: regions read into arrays, and called regions written. Does not know which contigs a genome has."""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.table import TextColumn, format_table
from ..seq.types import F32, I32, I64, U8, Bool
from .bgzf import PlacesFile
from .columns import repeated

__all__ = ["Bed", "BedSink", "bed_labels", "read_bed"]

_TAB, _NEWLINE, _RETURN = 9, 10, 13
_LONGEST_NUMBER = 18  # digits that int64 surely holds
_TITLES = (b"start", b"chromstart", b"chrom_start", b"begin")


@dataclass(frozen=True)
class Bed:
    """Regions in the order of the file: half-open, 0-based.

    contigs: names in order of first appearance; contig i32[n] a row of them; start, end i64[n]; strand u8[n], the ASCII
    of "+", "-" or "."; names (u8 flat, i64 offsets[n+1]), empty where there is no fourth column; line i64[n] from 1.
    """

    contigs: tuple[str, ...]
    contig: I32
    start: I64
    end: I64
    strand: U8
    names: tuple[U8, I64]
    line: I64

    def __len__(self) -> int:
        return len(self.start)


def read_bed(path: str | Path, *, may_be_empty: bool = False) -> Bed:
    """Read a BED file of three or more columns, plain or gzip; `#`, `track`, `browser` and title lines are skipped.

    Raises FormatError naming the line for too few columns, a coordinate that is no number, or start > end, and for a
    file that is missing or broken, or without any region unless it `may_be_empty`. Source: the BED specification of
    GA4GH/hts-specs.
    """
    fields = _fields(path)
    if not len(fields.line) and may_be_empty:
        none = np.empty(0, np.int64)
        letters = np.empty(0, np.uint8)
        return Bed((), none.astype(np.int32), none, none, letters, (letters, np.zeros(1, np.int64)), none)
    _need_regions(fields, path)
    start, end = fields.numbers(1, "start"), fields.numbers(2, "end")
    wrong = np.flatnonzero(start > end)
    if len(wrong):
        at = int(wrong[0])
        fields.fail(at, f"start {start[at]} lies after end {end[at]}; BED is contig, start, end")
    contigs, contig = fields.factor(0)
    return Bed(contigs, contig, start, end, fields.strands(5), fields.strings(3), fields.line)


def bed_labels(path: str | Path) -> tuple[list[bytes], I64]:
    """The label of each region of a BED file, in column 5, or 4 where no line has more; and its line, from 1.

    Raises FormatError as `read_bed` does, and for a line without a label.
    """
    fields = _regions(path)
    column = 4 if fields.widest >= 5 else 3
    letters, offsets = fields.strings(column)
    text, bounds = letters.tobytes(), offsets.tolist()
    found = [text[a:b].strip() for a, b in pairwise(bounds)]
    missing = next((row for row, label in enumerate(found) if not label), None)
    if missing is not None:
        fields.fail(missing, f"no label in column {column + 1}; lines are contig, start, end, name, label, strand")
    return found, fields.line


def _regions(path: str | Path) -> _Fields:
    fields = _fields(path)
    _need_regions(fields, path)
    return fields


def _need_regions(fields: _Fields, path: str | Path) -> None:
    if not len(fields.line):
        raise FormatError(f"{path}: holds no regions; a BED file has lines of contig, start, end")


def _fields(path: str | Path) -> _Fields:
    fields = _Fields(_contents(Path(path)), str(path))
    if len(fields.line) and fields.text(0, 1).lower() in _TITLES:
        fields.drop_first()
    return fields


def _contents(path: Path) -> U8:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: broken gzip ({error}); copy or make the file anew") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    return np.frombuffer(data, np.uint8)


class _Fields:
    """The fields of the lines that hold regions, found with whole-array operations."""

    def __init__(self, text: U8, path: str) -> None:
        self._path = path
        if not np.any(text == _TAB):
            # Blanks separate too when there are no tabs; one tab for a run of them keeps line numbers as they are.
            text = np.frombuffer(re.sub(rb"[ ]+", b"\t", re.sub(rb"(?m)^ +| +$", b"", text.tobytes())), np.uint8)
        self._text = text
        ends = np.flatnonzero(text == _NEWLINE)
        if len(text) and (not len(ends) or ends[-1] != len(text) - 1):
            ends = np.append(ends, len(text))
        begins = np.concatenate([[0], ends[:-1] + 1])[: len(ends)].astype(np.int64)
        ends = ends.astype(np.int64)
        ends -= (ends > begins) & (text[np.maximum(ends - 1, 0)] == _RETURN) if len(ends) else 0
        kept = np.flatnonzero(ends > begins)
        kept = kept[~self._comment(begins[kept], ends[kept])]
        self._begins, self._ends, self.line = begins[kept], ends[kept], kept + 1
        self._tabs = np.flatnonzero(text == _TAB)
        self._first_tab = np.searchsorted(self._tabs, self._begins)
        self._columns = np.searchsorted(self._tabs, self._ends) - self._first_tab + 1
        short = np.flatnonzero(self._columns < 3)
        if len(short):
            self.fail(int(short[0]), f"{self._columns[short[0]]} columns; BED has contig, start and end at least")

    def _comment(self, begins: I64, ends: I64) -> Bool:
        skipped: Bool = self._text[begins] == ord("#")
        for word in (b"track", b"browser"):
            at = begins[:, None] + np.arange(len(word) + 1)
            inside = at < ends[:, None]
            letters = np.where(inside, self._text[np.minimum(at, len(self._text) - 1)], 32)
            same = (letters[:, :-1] == np.frombuffer(word, np.uint8)).all(axis=1)
            skipped = skipped | (same & np.isin(letters[:, -1], (32, _TAB)))
        return skipped

    @property
    def widest(self) -> int:
        """Columns of the line that has most."""
        return int(self._columns.max())

    def fail(self, row: int, what: str) -> None:
        raise FormatError(f"{self._path}:{self.line[row]}: {what}")

    def drop_first(self) -> None:
        self._begins, self._ends, self.line = self._begins[1:], self._ends[1:], self.line[1:]
        self._first_tab, self._columns = self._first_tab[1:], self._columns[1:]

    def span(self, column: int) -> tuple[I64, I64]:
        """Where a column begins and ends in each line; empty in lines that have fewer columns."""
        there = self._columns > column
        last = np.maximum(len(self._tabs) - 1, 0)
        before = self._tabs[np.minimum(self._first_tab + column - 1, last)] + 1 if column else self._begins
        after = self._tabs[np.minimum(self._first_tab + column, last)]
        begins = np.where(there, before, self._ends)
        ends = np.where(self._columns > column + 1, after, self._ends)
        return begins.astype(np.int64), ends.astype(np.int64)

    def text(self, row: int, column: int) -> bytes:
        begins, ends = self.span(column)
        return self._text[begins[row] : ends[row]].tobytes()

    def _matrix(self, begins: I64, lengths: I64) -> U8:
        """Fields side by side, filled with 0 on the right."""
        at = np.arange(max(1, int(lengths.max(initial=0))))
        letters = self._text[np.minimum(begins[:, None] + at, len(self._text) - 1)]
        matrix: U8 = np.where(at < lengths[:, None], letters, 0).astype(np.uint8)
        return matrix

    def numbers(self, column: int, name: str) -> I64:
        begins, ends = self.span(column)
        lengths = ends - begins
        shown = np.minimum(lengths, _LONGEST_NUMBER)
        digits = self._matrix(begins, shown)
        filled = np.arange(digits.shape[1]) < shown[:, None]
        good = ((digits >= 48) & (digits <= 57) | ~filled).all(axis=1) & (lengths > 0) & (lengths == shown)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            wrong = self._text[begins[row] : ends[row]].tobytes().decode("utf-8", "replace")
            self.fail(row, f"{name} {wrong!r} is not a whole number from 0 up")
        values = np.zeros(len(lengths), np.int64)
        for place in range(digits.shape[1]):
            values = np.where(filled[:, place], values * 10 + (digits[:, place].astype(np.int64) - 48), values)
        return values

    def factor(self, column: int) -> tuple[tuple[str, ...], I32]:
        """Distinct values of a column in order of first appearance, and which of them each line has."""
        begins, ends = self.span(column)
        matrix = np.ascontiguousarray(self._matrix(begins, ends - begins))
        keys = matrix.view(f"S{matrix.shape[1]}").reshape(-1)
        change = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        runs = np.diff(np.append(change, len(keys)))
        found: dict[bytes, int] = {}
        ids = [found.setdefault(key, len(found)) for key in keys[change].tolist()]
        return tuple(_decoded(key) for key in found), np.repeat(np.array(ids, np.int32), runs)

    def strings(self, column: int) -> tuple[U8, I64]:
        begins, ends = self.span(column)
        lengths = ends - begins
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.repeat(begins - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self._text[at], offsets

    def strands(self, column: int) -> U8:
        begins, ends = self.span(column)
        there = ends > begins
        letters = np.where(there, self._text[np.minimum(begins, len(self._text) - 1)], ord("."))
        good = np.isin(letters, np.frombuffer(b"+-.", np.uint8)) & (ends - begins <= 1)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            self.fail(row, f"strand {self.text(row, column).decode('utf-8', 'replace')!r} is not +, - or .")
        return letters.astype(np.uint8)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


class BedSink(PlacesFile):
    """Called regions as BED6+1, in genome order: contig start end . score strand(.) value; plain or BGZF with tabix.

    The score is 1000 times the value, rounded and kept within 0..1000 (what browsers shade by); the seventh column is
    the value itself. `part` as of UnitsFile.
    """

    def __init__(self, path: str | Path, *, part: bool = False) -> None:
        super().__init__(path, compressed=Path(path).suffix.lower() == ".gz", part=part)

    def write(self, contig: str, start: I64, end: I64, value: F32) -> None:
        """Write regions of one contig: start and end i64[n], value f32[n]."""
        self.write_named(repeated(contig, len(start)), start, end, value)

    def write_named(self, contigs: TextColumn, start: I64, end: I64, value: F32) -> None:
        """Write regions of several contigs, named one by one."""
        n = len(start)
        self._reach(end)
        score = np.clip(np.rint(1000 * value.astype(np.float64)), 0, 1000).astype(np.int64)
        dot = repeated(".", n)
        columns: list[TextColumn] = [contigs, start, end, dot, score, dot, value]
        self._put(format_table(columns))

    def _index(self, afterwards: ExitStack) -> None:
        if self.compressed:
            self._publish_index("bed", afterwards)
