"""The report of a scan: how scores are spread, the called regions, and close views of the best of them."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import FormatError
from ..io import TRACKS, ends_with
from ..io.predictions import read_scored_bed
from ..io.rows import open_lines
from ..report.calls import calls_picture
from ..report.charts import histogram_chart
from ..report.explore import Cell, Column, Explorer
from ..report.page import Block, Heading, Notes, Picture, Row, Text
from ..report.types import Promoters, Stretch
from ..seq.track import overlap_mean
from ..seq.types import F32, F64, I64
from .report_inputs import table_chunks
from .report_parts import Page, Run, figures, model_card, run_table
from .reports import number

__all__ = ["Calls", "best_calls", "calls_blocks", "read_calls", "scan_page"]

_BINS = 50
_TOP = 500
_VIEWS = 3
_LONGEST = 20_000  # bases of a close view
_STEP = 1 << 20
View: TypeAlias = Callable[[str, int, int], Stretch | None]


@dataclass(frozen=True)
class Calls:
    """Called regions: contig names str[n], start, end i64[n], score f64[n]."""

    contig: list[str]
    start: I64
    end: I64
    score: F64

    def __len__(self) -> int:
        return len(self.contig)


def read_calls(path: str | Path) -> Calls:
    """The regions of a BED file, with the value of column 7 where it is there, else the score of column 5."""
    if not Path(path).exists() or not _text(path).strip():
        if Path(path).exists():
            none = np.empty(0, np.int64)
            return Calls([], none, none, np.empty(0))
        raise FormatError(f"{path}: no such file; give the BED file that --calls wrote")
    bed, score = read_scored_bed(path)
    lines = _text(path).split("\n")
    rows = [lines[at - 1].split("\t") for at in bed.line.tolist()]
    if rows and all(len(row) == 7 for row in rows):  # more columns are another's, who has other things there
        score = np.array([_value(row[6], f"{path}:{at}") for row, at in zip(rows, bed.line.tolist(), strict=True)])
    return Calls([bed.contigs[i] for i in bed.contig], bed.start, bed.end, score)


def best_calls(path: str | Path, top: int = _TOP) -> tuple[Calls, int]:
    """The regions of the `top` highest values of a BED file of seven columns, highest first, and how many it has.

    Holds no others. Raises FormatError, naming the line, for what is no such file.
    """
    count = 0

    def regions() -> Iterator[tuple[float, int, bytes, int, int]]:
        nonlocal count
        with open_lines(path) as lines:
            for number, line in lines:
                fields = line.rstrip(b"\r\n").split(b"\t")
                if len(fields) != 7 or not all(field.isdigit() and len(field) < 19 for field in fields[1:3]):
                    raise FormatError(f"{path}:{number}: no region of seven columns; give what screen wrote")
                count += 1
                value = _value(fields[6].decode("utf-8", "replace"), f"{path}:{number}")
                yield value, -number, fields[0], int(fields[1]), int(fields[2])

    best = nlargest(top, regions())
    start, end = (np.array([row[column] for row in best], np.int64) for column in (3, 4))
    names = [row[2].decode("utf-8", "replace") for row in best]
    return Calls(names, start, end, np.array([row[0] for row in best], np.float64)), count


def _value(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FormatError(f"{where}: {text[:40]!r} (seventh column) is no finite number")
    return value


def scan_page(run: Run) -> Page:
    """The report of a track, BED or table of windows that `scan` wrote, and of its calls."""
    source = _open(run.path)
    counts, total, count, highest = np.zeros(_BINS, np.int64), 0.0, 0, -np.inf
    low, high = source.range()
    edges = np.linspace(low, high, _BINS + 1)
    for values, weights in source.values():
        counts += np.histogram(values, bins=edges, weights=weights)[0].astype(np.int64)
        total, count = total + float((values * weights).sum()), count + int(weights.sum())
        highest = max(highest, float(values.max(initial=-np.inf)))
    called = None if run.calls is None else read_calls(run.calls)
    what = "bases" if source.by_base else "windows"
    numbers: dict[str, object] = {f"{what} with a score": count}
    if count:
        numbers |= {"mean": number(total / count, 3), "highest": number(highest, 3)}
    if called is not None:
        numbers["called regions"] = f"{len(called):,}\n{int((called.end - called.start).sum()):,} bases"
    if "left_out_n" in run.facts:
        numbers["left out for unknown bases"] = run.facts["left_out_n"]
    notes = tuple(str(note) for note in run.facts.get("notes", []))
    blocks: list[Block] = [figures(numbers), *([Notes(notes)] if notes else []), Heading("Scores")]
    if count:
        label = str(run.facts.get("class") or "score")
        chart = histogram_chart(counts, edges, f"score of {what}", label, what=what)
        blocks += [Row((Picture(chart, "", f"How many {what} have each score, on a logarithmic scale."),))]
    else:
        blocks += [Text("Nothing has a score.")]
    blocks += calls_blocks(called, source.stretch) if called is not None else []
    blocks += [*model_card(run, run.facts), *run_table(run, run.facts)]
    return Page(f"Scan of {run.path.name}", f"{count:,} {what}", blocks, 0 if called is None else len(called))


def calls_blocks(
    called: Calls,
    stretch: View | None = None,
    title: str = "Called regions",
    noun: str = "called regions",
    count: int | None = None,
) -> list[Block]:
    """A table of regions, the highest first, and close views of the first, where `stretch` gives their scores.

    `count` is how many there are, where `called` are the highest alone.
    """
    count = len(called) if count is None else count
    if not len(called):
        return [Heading(title), Text(f"There are no {noun}.")]
    order = np.argsort(-called.score, kind="stable")[:_TOP]
    drawn = {} if stretch is None else _views(called, order, stretch)
    columns = (
        Column("region"),
        Column("contig"),
        Column("start", True, "0-based"),
        Column("end", True),
        Column("bases", True),
        Column("score", True, "highest window of the region"),
    )
    rows = []
    for row in order.tolist():
        start, end, score = int(called.start[row]), int(called.end[row]), float(called.score[row])
        name = f"{called.contig[row]}:{start + 1:,}–{end:,}"
        anchor = drawn[row].anchor if row in drawn else ""
        cells = [Cell(name, anchor=anchor), Cell(called.contig[row])]
        cells += [Cell(f"{value:,}", value) for value in (start, end, end - start)]
        rows.append((*cells, Cell(number(score, 3), score)))
    of = f"The {len(rows):,} highest of {count:,}" if len(rows) < count else f"All {len(rows):,}"
    links = " Links lead to close views." if drawn else ""
    blocks: list[Block] = [Heading(title)]
    blocks.append(Explorer(columns, tuple(rows), noun, f"{of} {noun}, by score.{links}"))
    if drawn:
        blocks += [Heading("Close views"), *drawn.values()]
    return blocks


def _views(called: Calls, order: I64, stretch: View) -> dict[int, Picture]:
    """Pictures of the highest calls by row; one in a view that is there already is not drawn again."""
    found: dict[int, Picture] = {}
    taken: list[tuple[str, int, int]] = []
    for row in order.tolist():
        contig, start, end = called.contig[row], int(called.start[row]), int(called.end[row])
        if len(found) == _VIEWS or any(contig == name and start < b and end > a for name, a, b in taken):
            continue
        around = min(_LONGEST, max(4000, 3 * (end - start)))
        low = max(0, (start + end - around) // 2)
        seen = stretch(contig, low, low + around)
        if seen is None or not len(seen.values) or np.isnan(seen.values).all():
            continue
        taken.append((contig, low, seen.end))
        near = [i for i, name in enumerate(called.contig) if name == contig]
        near = [i for i in near if called.start[i] < seen.end and called.end[i] > low]
        boxes = Promoters(
            called.start[near], called.end[near], ["."] * len(near), [number(float(called.score[i]), 3) for i in near]
        )
        with tempfile.TemporaryDirectory() as scratch:
            _, svg = calls_picture(Path(scratch) / "view.png", seen, boxes)
            text = svg.read_text(encoding="utf-8")
        caption = (
            f"{contig}:{low + 1:,}–{seen.end:,}. Boxes: called regions with their scores. Dark: the mean where bases "
            "share a pixel; light: the highest there."
        )
        found[row] = Picture(text, "", caption, f"view-{len(found) + 1}", wide=True)
    return found


class _BigWig:
    """A track as bigWig."""

    by_base = True

    def __init__(self, path: Path) -> None:
        import pybigtools

        try:
            self._file = pybigtools.open(str(path))
            self._lengths: dict[str, int] = dict(self._file.chroms())
        except Exception as wrong:  # whatever it calls a file that is broken
            raise FormatError(f"{path}: cannot be read as bigWig ({wrong})") from None

    def values(self) -> Iterator[tuple[F64, F64]]:
        for name, length in self._lengths.items():
            for start in range(0, length, _STEP):
                first, last, value = self._runs(name, start, min(length, start + _STEP))
                there = np.isfinite(value)
                yield value[there], (last - first)[there].astype(np.float64)

    def range(self) -> tuple[float, float]:
        return _range(self.values())

    def stretch(self, contig: str, low: int, high: int) -> Stretch | None:
        if contig not in self._lengths:
            return None
        high = min(high, self._lengths[contig])
        first, last, value = self._runs(contig, low, high)
        bases = np.full(max(0, high - low), np.nan, np.float32)
        at = np.repeat(first - low - np.cumsum(last - first) + (last - first), last - first)
        bases[at + np.arange(len(at))] = np.repeat(value, last - first)
        return Stretch(contig, low, bases)

    def _runs(self, contig: str, low: int, high: int) -> tuple[I64, I64, F64]:
        """Runs of equal values of a stretch, cut at its ends: first base, the one after the last, value."""
        rows = list(self._file.records(contig, low, high)) if high > low else []
        table = np.array(rows, np.float64).reshape(-1, 3)
        first, last = (np.clip(table[:, column], low, high).astype(np.int64) for column in (0, 1))
        return first, last, table[:, 2]


class _Rows:
    """Windows with a score each: rows of a table or of a BED file, or runs of a bedGraph, all held as arrays."""

    def __init__(self, contig: list[str], start: I64, end: I64, score: F64, *, by_base: bool) -> None:
        self.by_base = by_base
        self._names = list(dict.fromkeys(contig))
        number_of = {name: i for i, name in enumerate(self._names)}
        self._contig = np.array([number_of[name] for name in contig], np.int64)
        self._start, self._end, self._score = start, end, score

    def values(self) -> Iterator[tuple[F64, F64]]:
        there = ~np.isnan(self._score)
        weights = (self._end - self._start)[there] if self.by_base else np.ones(int(there.sum()))
        yield self._score[there], weights.astype(np.float64)

    def range(self) -> tuple[float, float]:
        return _range(self.values())

    def stretch(self, contig: str, low: int, high: int) -> Stretch | None:
        if contig not in self._names:
            return None
        here = self._contig == self._names.index(contig)
        high = min(high, int(self._end[here].max()))
        rows = np.flatnonzero(here & (self._start < high) & (self._end > low) & ~np.isnan(self._score))
        score: F32 = self._score[rows].astype(np.float32)
        return Stretch(contig, low, overlap_mean(self._start[rows], self._end[rows], score, low, max(0, high - low)))


def _range(parts: Iterator[tuple[F64, F64]]) -> tuple[float, float]:
    """0 to 1 where all values lie there, else from the lowest to the highest."""
    low, high = 0.0, 1.0
    for values, _ in parts:
        low, high = min(low, float(values.min(initial=low))), max(high, float(values.max(initial=high)))
    return low, high


def _open(path: Path) -> _BigWig | _Rows:
    if ends_with(path, [suffix for suffix in TRACKS if "bedgraph" not in suffix]):
        return _BigWig(path)
    if ends_with(path, TRACKS):
        rows = [line.split("\t") for line in _text(path).splitlines() if line.count("\t") == 3]
        return _of_text([(row[0], row[1], row[2], row[3]) for row in rows], path, by_base=True)
    if ends_with(path, (".bed", ".bed.gz")):
        found = read_calls(path)
        return _Rows(found.contig, found.start, found.end, found.score, by_base=False)
    rows_of: list[tuple[object, ...]] = []
    for columns in table_chunks(path):
        missing = {"contig", "start", "end", "score"} - columns.keys()
        if missing:
            raise FormatError(f"{path}: no column {min(missing)}; give what `dnabert-fast scan` wrote")
        rows_of += zip(columns["contig"], columns["start"], columns["end"], columns["score"], strict=True)
    return _of_text(rows_of, path, by_base=False)


def _of_text(rows: Sequence[tuple[object, ...]], path: Path, *, by_base: bool) -> _Rows:
    try:
        start, end = (np.array([int(str(row[column])) for row in rows], np.int64) for column in (1, 2))
        score = np.array([np.nan if row[3] in (".", None) else float(str(row[3])) for row in rows])
    except (ValueError, OverflowError) as wrong:
        raise FormatError(f"{path}: a field is no number ({wrong}); make the file anew") from None
    if np.isinf(score).any():
        raise FormatError(f"{path}: a score is infinite; make the file anew")
    return _Rows([str(row[0]) for row in rows], start, end, score, by_base=by_base)


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as wrong:
        raise FormatError(f"{path}: cannot be read ({wrong})") from None
