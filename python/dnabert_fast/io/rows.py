"""Rows of FASTA files and tables (csv, tsv, k-mer text), plain or gzip, a line at a time. Knows no label's meaning."""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ..errors import FormatError
from ..seq.batch import Windows

__all__ = ["Row", "Rows", "open_lines", "read_rows", "windows_of"]

_CHUNK = 1 << 20
_LETTERS = np.zeros(256, np.bool_)
_LETTERS[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]] = True
# The two sequences of a pair, by the names that tables give them.
_PAIRS = (("sequence", "sequence2"), ("sequence1", "sequence2"), ("seq1", "seq2"))


class Row(NamedTuple):
    """A sequence of a file, whose line is that of its name; `second` where it is a pair, `label` as it is written."""

    line: int
    name: str
    bases: bytes
    second: bytes | None = None
    label: bytes = b""


Rows: TypeAlias = Iterator[Row]
_Lines: TypeAlias = Iterator[tuple[int, bytes]]


def windows_of(rows: list[Row], path: str | Path, *, second: bool = False) -> Windows:
    """The sequences of the rows, or their second ones; raises FormatError for one that holds more than letters."""
    texts = [(row.second or b"") if second else row.bases for row in rows]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    bases = np.frombuffer(b"".join(texts), np.uint8)
    foreign = np.flatnonzero(~_LETTERS[bases])
    if len(foreign):
        row = rows[int(np.searchsorted(offsets, foreign[0], side="right")) - 1]
        raise FormatError(
            f"{path}:{row.line}: {chr(bases[foreign[0]])!r} in the sequence {row.name}; sequences are letters alone"
        )
    return Windows(bases, offsets)


def read_rows(path: str | Path, *, labelled: bool = False) -> Rows:
    """Rows of a FASTA file or table, by its first character.

    FASTA: names are the first words of headers; `labelled`: labels are there too (`label=1`, or a second word alone).
    Tables name their columns in the first line, separated by tabs or commas: `sequence` (bases, or k-mers separated by
    blanks), `sequence2` too for pairs (or sequence1 and sequence2, seq1 and seq2), `name`, and `label` where
    `labelled`. Plain or gzip, by content; `-` is standard input. Raises FormatError, naming the line.
    """
    with open_lines(path) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            read = _fasta if line.startswith(b">") else _table
            yield from read(lines, line, number, path, labelled)
            return
    raise FormatError(f"{path}: empty; give FASTA, or a table with the columns sequence and label")


def _fasta(lines: _Lines, header: bytes, at: int, path: str | Path, labelled: bool) -> Rows:
    parts: list[bytes] = []
    for number, line in lines:
        if line.startswith(b">"):
            yield _record(header, at, parts, path, labelled)
            header, at, parts = line, number, []
        else:
            parts.append(line.strip())
    yield _record(header, at, parts, path, labelled)


def _record(header: bytes, at: int, parts: list[bytes], path: str | Path, labelled: bool) -> Row:
    words = header[1:].split()
    if not words:
        raise FormatError(f"{path}:{at}: a record without a name; write one after the '>'")
    label = b""
    if labelled:
        stated = [word.partition(b"=")[2] for word in words[1:] if word.lower().startswith((b"label=", b"class="))]
        if len(stated) != 1 and len(words) != 2:
            raise FormatError(
                f"{path}:{at}: FASTA without a label in the header; write '>NAME label=1', give --labels FILE with "
                "lines of name and label, or one file a class"
            )
        label = stated[0] if stated else words[1]
    return Row(at, words[0].decode("utf-8", "replace"), b"".join(parts), None, label)


def _table(lines: _Lines, header: bytes, at: int, path: str | Path, labelled: bool) -> Rows:
    separator = b"\t" if b"\t" in header else b","
    if separator not in header and b"sequence" in (words := header.split()):
        # The original's own prom-core set: its rows have tabs, its first line has blanks.
        separator, header = b"\t", b"\t".join(words)
    columns = [name.strip().lower().decode("utf-8", "replace") for name in _fields(header, separator, at, path)]
    first, second = next((pair for pair in _PAIRS if set(pair) <= set(columns)), ("sequence", None))
    for wanted in (first, "label") if labelled else (first,):
        if wanted not in columns:
            shown = header.decode("utf-8", "replace").strip()[:60]
            raise FormatError(
                f"{path}:{at}: no column {wanted!r} in the first line ({shown!r}); the first line names the columns, "
                f"as in 'sequence{separator.decode()}label'"
            )
    place = {name: columns.index(name) for name in columns}
    n_rows = 0
    for number, line in lines:
        if not line.strip():
            continue
        fields = _fields(line, separator, number, path)
        if len(fields) != len(columns):
            raise FormatError(f"{path}:{number}: {len(fields)} columns, but the first line names {len(columns)}")
        n_rows += 1
        name = fields[place["name"]].decode("utf-8", "replace") if "name" in place else str(n_rows)
        bases = _bases(fields[place[first]].strip(), number, path)
        other = None if second is None else _bases(fields[place[second]].strip(), number, path)
        yield Row(number, name, bases, other, fields[place["label"]].strip() if labelled else b"")


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
def open_lines(path: str | Path) -> Iterator[_Lines]:
    """Number (from 1) and text of each line of a file, plain or gzip by its content; `-` is standard input."""
    with ExitStack() as stack:
        try:
            raw = open(sys.stdin.fileno(), "rb", closefd=False) if str(path) == "-" else open(path, "rb")  # noqa: SIM115
        except OSError as wrong:
            raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
        stack.enter_context(raw)
        # Standard input cannot be rewound, but looked into.
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        yield _lines(stack.enter_context(gzip.GzipFile(fileobj=raw)) if packed else raw, path)


def _lines(stream: BufferedIOBase, path: str | Path) -> _Lines:
    """Number and text of each line, without its end and without the mark that some programs begin a file with."""
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
            yield number, _clean(line, number)
        begun = [tail]
    last = b"".join(begun)
    if last:
        yield number + 1, _clean(last, number + 1)


def _clean(line: bytes, number: int) -> bytes:
    return (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).removesuffix(b"\r")


def _read(stream: BufferedIOBase, path: str | Path) -> bytes:
    try:
        return stream.read(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise FormatError(f"{path}: truncated or damaged gzip; make or fetch the file again") from None
    except OSError as wrong:
        raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
