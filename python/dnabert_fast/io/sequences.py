"""Sequences and labelled sets from FASTA and tables (csv, tsv, k-mer text), plain or gzip, a unit at a time."""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ..errors import FormatError
from ..seq.batch import Windows
from ..seq.types import I64

__all__ = ["Labelled", "SequenceUnit", "read_labelled", "sequence_units"]

UNIT_SEQUENCES = 4096
UNIT_BASES = 1 << 26
"""A unit ends after this many sequences, or with the sequence that reaches this many bases."""

_CHUNK = 1 << 20
_LONGEST_LABEL = 6
_LETTERS = np.zeros(256, np.bool_)
_LETTERS[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]] = True


@dataclass(frozen=True)
class SequenceUnit:
    """Up to 4,096 sequences: their bases, their names, and the number of the first one in the file (0-based)."""

    windows: Windows
    names: list[str]
    first: int


@dataclass(frozen=True)
class Labelled:
    """A labelled set in memory: n sequences, `labels` int64[n] of 0 to classes - 1, and n names."""

    windows: Windows
    labels: I64
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)


class _Row(NamedTuple):
    line: int
    name: str
    bases: bytes
    label: bytes


_Rows: TypeAlias = Iterator[_Row]


def sequence_units(path: str | Path) -> Iterator[SequenceUnit]:
    """The sequences of a file in order, in units that depend on the file alone; memory holds one unit.

    FASTA (names are the first words of its headers), or a table whose first line names its columns, separated by
    tabs or commas: `sequence` (bases, or k-mers separated by blanks) and, where there is one, `name`; other rows are
    named by their number. Plain or gzip, by content; `-` is standard input. Raises FormatError, naming the line.
    """
    first = 0
    for rows in _units(_rows(path, labelled=False)):
        yield SequenceUnit(_windows(rows, path), [row.name for row in rows], first)
        first += len(rows)
    if not first:
        raise FormatError(f"{path}: no sequences")


def read_labelled(path: str | Path, k: int) -> Labelled:
    """A table with columns `sequence` and `label` (see `sequence_units`), whole.

    Raises FormatError, naming the line, for a missing column, no rows, a label that is not an integer from 0, labels
    that leave a number out, one class only, and a sequence shorter than k.
    """
    windows, labels, names, lines = [], [], [], []
    for rows in _units(_rows(path, labelled=True)):
        for row in rows:
            if len(row.bases) < k:
                raise FormatError(
                    f"{path}:{row.line}: the sequence has {len(row.bases)} bases, fewer than k = {k}; remove the row"
                )
        windows.append(_windows(rows, path))
        labels.append(np.array([_label(row, path) for row in rows], np.int64))
        names += [row.name for row in rows]
        lines += [row.line for row in rows]
    if not names:
        raise FormatError(f"{path}: no rows after the header; give one sequence and its label a line")
    every = np.concatenate(labels)
    _check_classes(every, lines, path)
    return Labelled(Windows.concatenate(windows), every, names)


def _check_classes(labels: I64, lines: list[int], path: str | Path) -> None:
    present, first = np.unique(labels, return_index=True)
    if len(present) == 1:
        raise FormatError(
            f"{path}: every one of the {len(labels)} rows has label {present[0]}; a classifier needs two classes"
        )
    if present[-1] != len(present) - 1:
        absent = next(i for i, label in enumerate(present) if label != i)
        at = lines[int(first[-1])]
        raise FormatError(
            f"{path}:{at}: label {present[-1]}, but no row has label {absent}; number the classes 0, 1, 2, ..."
        )


def _label(row: _Row, path: str | Path) -> int:
    if not row.label.isdigit() or len(row.label) > _LONGEST_LABEL:
        shown = row.label.decode("utf-8", "replace")
        raise FormatError(f"{path}:{row.line}: label {shown!r} is not an integer; number the classes 0, 1, 2, ...")
    return int(row.label)


def _units(rows: _Rows) -> Iterator[list[_Row]]:
    unit: list[_Row] = []
    bases = 0
    for row in rows:
        unit.append(row)
        bases += len(row.bases)
        if len(unit) == UNIT_SEQUENCES or bases >= UNIT_BASES:
            yield unit
            unit, bases = [], 0
    if unit:
        yield unit


def _windows(rows: list[_Row], path: str | Path) -> Windows:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row.bases) for row in rows], out=offsets[1:])
    bases = np.frombuffer(b"".join([row.bases for row in rows]), np.uint8)
    foreign = np.flatnonzero(~_LETTERS[bases])
    if len(foreign):
        row = rows[int(np.searchsorted(offsets, foreign[0], side="right")) - 1]
        raise FormatError(
            f"{path}:{row.line}: {chr(bases[foreign[0]])!r} in the sequence {row.name}; sequences are letters alone"
        )
    return Windows(bases, offsets)


def _rows(path: str | Path, labelled: bool) -> _Rows:
    """Rows of a FASTA file or table, by its first character."""
    with _opened(path) as stream:
        lines = _lines(stream, path)
        for number, line in lines:
            line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            if not line.startswith(b">"):
                yield from _table(lines, line, number, path, labelled)
            elif labelled:
                raise FormatError(
                    f"{path}:{number}: FASTA, which has no labels; give a table with the columns sequence and label"
                )
            else:
                yield from _fasta(lines, line, number, path)
            return
    raise FormatError(f"{path}: empty; give FASTA, or a table with the columns sequence and label")


def _fasta(lines: Iterator[tuple[int, bytes]], header: bytes, at: int, path: str | Path) -> _Rows:
    parts: list[bytes] = []
    for number, line in lines:
        if line.startswith(b">"):
            yield _record(header, at, parts, path)
            header, at, parts = line, number, []
        else:
            parts.append(line.strip())
    yield _record(header, at, parts, path)


def _record(header: bytes, at: int, parts: list[bytes], path: str | Path) -> _Row:
    words = header[1:].split(None, 1)
    if not words:
        raise FormatError(f"{path}:{at}: a record without a name; write one after the '>'")
    return _Row(at, words[0].decode("utf-8", "replace"), b"".join(parts), b"")


def _table(lines: Iterator[tuple[int, bytes]], header: bytes, at: int, path: str | Path, labelled: bool) -> _Rows:
    separator = b"\t" if b"\t" in header else b","
    columns = [name.strip().lower() for name in _fields(header, separator, at, path)]
    place: dict[str, int] = {}
    for wanted in ("sequence", "label", "name"):
        if wanted.encode() in columns:
            place[wanted] = columns.index(wanted.encode())
        elif wanted == "sequence" or (wanted == "label" and labelled):
            shown = header.decode("utf-8", "replace").strip()[:60]
            raise FormatError(
                f"{path}:{at}: no column {wanted!r} in the first line ({shown!r}); the first line names the columns, "
                f"as in 'sequence{separator.decode()}label'"
            )
    n_rows = 0
    for number, line in lines:
        if not line.strip():
            continue
        fields = _fields(line, separator, number, path)
        if len(fields) != len(columns):
            raise FormatError(f"{path}:{number}: {len(fields)} columns, but the first line names {len(columns)}")
        n_rows += 1
        name = fields[place["name"]].decode("utf-8", "replace") if "name" in place else str(n_rows)
        label = fields[place["label"]].strip() if labelled else b""
        yield _Row(number, name, _bases(fields[place["sequence"]].strip(), number, path), label)


def _fields(line: bytes, separator: bytes, number: int, path: str | Path) -> list[bytes]:
    if b'"' not in line:
        return line.split(separator)
    try:
        read = next(csv.reader([line.decode("utf-8", "replace")], delimiter=separator.decode()))
    except csv.Error as wrong:
        raise FormatError(f"{path}:{number}: {wrong}; write the line without quotes") from None
    return [field.encode() for field in read]


def _bases(text: bytes, number: int, path: str | Path) -> bytes:
    """The bases of a field: itself, or those that its k-mers, one base apart, spell."""
    k = text.find(b" ")
    if k < 0:
        return text
    for spelt in (text, b" ".join(text.split())):
        bases = spelt[: k - 1] + spelt[k - 1 :: k + 1]
        n = len(bases) - k + 1
        rebuilt = all(spelt[j :: k + 1] == bases[j : j + n] for j in range(k))
        if rebuilt and len(spelt) == n * (k + 1) - 1 and spelt[k :: k + 1] == b" " * (n - 1):
            return bases
    raise FormatError(f"{path}:{number}: words that are not k-mers of one length, each one base on from the last")


@contextmanager
def _opened(path: str | Path) -> Iterator[BufferedIOBase]:
    """The bytes of a file, plain or gzip by its content; `-` is standard input."""
    with ExitStack() as stack:
        try:
            raw = open(sys.stdin.fileno(), "rb", closefd=False) if str(path) == "-" else open(path, "rb")  # noqa: SIM115
        except OSError as wrong:
            raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
        stack.enter_context(raw)
        # Standard input cannot be rewound, but looked into.
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        yield stack.enter_context(gzip.GzipFile(fileobj=raw)) if packed else raw


def _lines(stream: BufferedIOBase, path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and text of each line, without its end."""
    number = 0
    begun: list[bytes] = []
    while chunk := _read(stream, path):
        head, *whole = chunk.split(b"\n")
        begun.append(head)
        if not whole:
            continue
        *middle, tail = whole
        for line in (b"".join(begun), *middle):
            number += 1
            yield number, line.removesuffix(b"\r")
        begun = [tail]
    last = b"".join(begun)
    if last:
        yield number + 1, last.removesuffix(b"\r")


def _read(stream: BufferedIOBase, path: str | Path) -> bytes:
    try:
        return stream.read(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise FormatError(f"{path}: truncated or damaged gzip; make or fetch the file again") from None
    except OSError as wrong:
        raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
