"""The rows that predictors are judged on: labels, names, sequences and, where the table has them, places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..datasets.prom_scan import group_windows, stretches_of
from ..errors import DnabertError, FormatError
from ..evaluate.overlap import Spans
from ..io.labelled import read_labelled
from ..io.rows import open_lines
from ..io.text_table import read_text_table
from ..seq.batch import Windows
from ..seq.types import F32, F64, I64, Bool

__all__ = ["Grouping", "Rows", "group_rows", "read_rows", "some_rows"]

_PLACE = ("contig", "start", "end", "strand")


@dataclass(frozen=True)
class Rows:
    """n rows: windows (of pairs the `second` ones too), names, labels (i64[n] of classes, f32[n] of values), and their
    places with the names of the contigs where the table has columns contig, start, end (and strand)."""

    windows: Windows
    labels: I64 | F32
    names: list[str]
    spans: Spans | None
    contigs: tuple[str, ...]
    second: Windows | None = None

    @property
    def of_values(self) -> bool:
        """Whether labels are values, not classes."""
        return self.labels.dtype.kind == "f"

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Grouping:
    """Windows answer together: the group of each row i64[n], how scores of a group are reduced, and labels i64[g]."""

    group: I64
    how: str
    labels: I64

    def reduce(self, scores: F64) -> F64:
        """Scores of the groups, float64 [g], of scores of the rows [n]."""
        return group_windows(self.group, scores, np.zeros(len(scores), np.int64), self.how).score

    def any_of(self, called: Bool) -> Bool:
        """Whether any row of each group was called, bool [g]."""
        return group_windows(self.group, called.astype(np.float64), np.zeros(len(called), np.int64), "max").called

    def names(self, rows: Rows) -> list[str]:
        """Contig, start of the first window, end of the last and strand of each group."""
        assert rows.spans is not None
        spans = rows.spans
        _, first, number = np.unique(self.group, return_index=True, return_inverse=True)
        start, end = np.full(len(first), np.iinfo(np.int64).max), np.full(len(first), np.iinfo(np.int64).min)
        np.minimum.at(start, number, spans.start)
        np.maximum.at(end, number, spans.end)
        places = zip(spans.contig[first], start, end, spans.strand[first], strict=True)
        return [f"{rows.contigs[c]}:{a}-{b}:{chr(strand)}" for c, a, b, strand in places]


def read_rows(path: str | Path, k: int, task: str, classes: tuple[str, ...] = ()) -> Rows:
    """The rows of a labelled table; `task` and `classes` as of `read_labelled`.

    Raises FormatError, naming the line, for what `read_labelled` refuses, and for places that are no numbers.
    """
    table = read_labelled(path, k, task=task, classes=classes or None, held_out=bool(classes))
    if len(table.labels) != len(table):
        raise FormatError(f"{path}: labels are of bases; give one label a sequence")
    places = None if _is_fasta(path) else read_text_table(path, keep=_PLACE)
    if places is None or not {"contig", "start", "end"} <= set(places.columns):
        return Rows(table.windows, table.labels, table.names, None, (), table.second)
    start, end = places.integers("start"), places.integers("end")
    wrong = np.flatnonzero(start >= end)
    if len(wrong):
        row = int(wrong[0])
        raise places.wrong(row, f"start {start[row]} does not lie before end {end[row]}")
    strands = places.columns.get("strand") or ["."] * len(places)
    foreign = next((row for row, text in enumerate(strands) if text not in ("+", "-", ".", "")), None)
    if foreign is not None:
        raise places.wrong(foreign, f"strand {strands[foreign]!r} is not +, - or .")
    contigs = tuple(dict.fromkeys(places.columns["contig"]))
    number = {name: i for i, name in enumerate(contigs)}
    contig = np.array([number[name] for name in places.columns["contig"]], np.int64)
    strand = np.frombuffer("".join(text or "." for text in strands).encode(), np.uint8)
    spans = Spans(contig, start, end, strand)
    return Rows(table.windows, table.labels, table.names, spans, contigs, table.second)


def _is_fasta(path: str | Path) -> bool:
    with open_lines(path) as lines:
        return next((line for _, line in lines if line.strip()), b"").startswith(b">")


def group_rows(rows: Rows, how: str | None) -> Grouping | None:
    """Windows in groups by the 1,000-base stretch they lie in, as prom-scan sets are judged; None without `how`."""
    if how is None:
        return None
    if rows.of_values or int(rows.labels.max()) > 1:
        raise DnabertError("--group judges windows of two classes")
    if rows.spans is None:
        raise DnabertError(
            "--group needs to know where windows lie; give a table with columns contig, start, end, strand"
        )
    spans = rows.spans
    group = stretches_of(spans.contig, spans.start, spans.end, spans.strand == ord("-"))
    found = group_windows(group, np.zeros(len(rows)), rows.labels.astype(np.int64), how)
    return Grouping(group, how, found.label)


def some_rows(rows: Rows, at: I64) -> Rows:
    """Some of the rows."""
    spans = None if rows.spans is None else rows.spans.take(at)
    names = [rows.names[row] for row in at.tolist()]
    second = None if rows.second is None else rows.second.take(at)
    return replace(rows, windows=rows.windows.take(at), labels=rows.labels[at], names=names, spans=spans, second=second)
