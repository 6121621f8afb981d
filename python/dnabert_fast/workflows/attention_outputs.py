"""Where attention scores go: arrays, tables and tracks, and BED of the stretches attended to most."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.regions import Places, Regions, high_regions, merged
from ..analysis.tracks import MeanTrack, Segment
from ..errors import FormatError
from ..io import TABLES, TRACKS, ends_with, open_table, open_track
from ..io.atomic import writing
from ..io.bed import BedSink
from ..io.columns import packed
from ..io.npy import NpySink
from ..io.npz import NpzSink
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.table import TextColumn
from ..seq.types import F32, I32, I64

__all__ = ["HighWriter", "Rows", "Write", "open_output"]

_OUTPUTS = (".npy", ".npz", *TABLES, *TRACKS)


@dataclass(frozen=True)
class Rows:
    """Windows with their names (of the sequence, or of the contig) and scores f32[B], and where they lie in a genome.

    strand: "+", "-" or "." (both), as the model read sequences and windows that are not turned round.
    """

    windows: Windows
    scores: F32
    names: TextColumn
    plan: Plan | None
    strand: str

    def strands(self) -> TextColumn:
        """The strand of each window that was read."""
        n = len(self.windows)
        letters = np.full(n, ord(self.strand), np.uint8)
        if self.plan is not None and self.strand != ".":
            letters[self.plan.reverse] = ord("-" if self.strand == "+" else "+")
        return letters, np.arange(n + 1, dtype=np.int64)


Write = Callable[[Rows], None]


def open_output(stack: ExitStack, path: str | Path, genome: Genome | None) -> Write:
    """What writes rows to the file of this name, which is whole when `stack` is left.

    .npy f32[n, L] for windows of one length, .npz with `scores` f32[B] and `offsets` i64[n+1] for any, a table of a row
    a base, or for windows of a genome in its order a track of the mean over the windows that cover a base.
    """
    if not ends_with(path, _OUTPUTS):
        raise FormatError(f"{path}: unknown kind of output; name it {', '.join(_OUTPUTS)}")
    if ends_with(path, TRACKS):
        if genome is None:
            raise FormatError(f"{path}: a track is of a genome; give --window or --regions")
        return _track(stack, path, genome)
    if ends_with(path, TABLES):
        return _table(stack, path, genome)
    return _ragged(stack, path, genome) if ends_with(path, [".npz"]) else _array(stack, path)


def _array(stack: ExitStack, path: str | Path) -> Write:
    with writing(path):
        pass  # that it cannot be written is known before the work
    sinks: list[tuple[int, NpySink]] = []

    def write(rows: Rows) -> None:
        lengths = rows.windows.lengths
        if not len(lengths):
            return
        if not sinks:
            length = int(lengths[0])
            sinks.append((length, stack.enter_context(NpySink(path, length))))
        length, sink = sinks[0]
        other = lengths[lengths != length]
        if len(other):
            raise FormatError(
                f"{path}: rows of an array have one length, but there are windows of {length} and of {other[0]} bases; "
                "name the output .npz"
            )
        sink.write(rows.scores.reshape(-1, length))

    def finish(kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None and not sinks:
            with NpySink(path, 0):
                pass

    stack.push(finish)
    return write


def _ragged(stack: ExitStack, path: str | Path, genome: Genome | None) -> Write:
    places = {} if genome is None else {"contig": "<i4", "start": "<i8", "end": "<i8", "reverse": "?"}
    sink = stack.enter_context(NpzSink(path, {"scores": "<f4", "offsets": "<i8", **places}))
    sink.write({"offsets": np.zeros(1, np.int64)})
    if genome is not None:
        sink.add("contigs", np.array(genome.names))
    done = 0

    def write(rows: Rows) -> None:
        nonlocal done
        columns: dict[str, np.ndarray[Any, Any]] = {"scores": rows.scores, "offsets": rows.windows.offsets[1:] + done}
        done += len(rows.scores)
        plan = rows.plan
        if plan is not None:
            columns |= {"contig": plan.contig, "start": plan.start, "end": plan.end, "reverse": plan.reverse}
        sink.write(columns)

    return write


def _table(stack: ExitStack, path: str | Path, genome: Genome | None) -> Write:
    about = [("name", "str")]
    if genome is not None:
        about = [("contig", "str"), ("start", "int"), ("end", "int"), ("strand", "str")]
    table = stack.enter_context(open_table(path, [*about, ("base", "int"), ("letter", "str"), ("score", "float")]))

    def write(rows: Rows) -> None:
        windows, plan = rows.windows, rows.plan
        lengths = windows.lengths
        owner = np.repeat(np.arange(len(windows)), lengths)
        base = np.arange(len(windows.bases)) - np.repeat(windows.offsets[:-1], lengths)
        columns: list[TextColumn] = [_taken(rows.names, owner)]
        if plan is not None:
            columns += [plan.start[owner], plan.end[owner], _taken(rows.strands(), owner)]
            base += plan.start[owner]
        table.write([*columns, base, (windows.bases, np.arange(len(windows.bases) + 1)), rows.scores])

    return write


def _taken(column: TextColumn, rows: I64) -> TextColumn:
    assert isinstance(column, tuple)
    taken = Windows(*column).take(rows)
    return taken.bases, taken.offsets


def _track(stack: ExitStack, path: str | Path, genome: Genome) -> Write:
    contigs = dict(zip(genome.names, genome.lengths.tolist(), strict=True))
    sink = stack.enter_context(open_track(path, contigs))
    track = MeanTrack()

    def put(segments: list[Segment]) -> None:
        for segment in segments:
            sink.write(genome.names[segment.contig], segment.start, segment.values)

    def write(rows: Rows) -> None:
        if rows.plan is not None and len(rows.plan):
            put(track.add(rows.plan, rows.scores))

    def finish(kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            put(track.close())

    stack.push(finish)
    return write


class HighWriter:
    """Writes the high regions of windows as BED, with the mean score over each; `count` is how many were written.

    Regions of a genome are merged where they touch, with the highest of the means, and come in its order: at once where
    windows do so (`ordered`), else when all are known. Regions of sequences are named by them.
    `told` hears of the regions of a genome as they are written.
    """

    def __init__(
        self,
        stack: ExitStack,
        path: str | Path,
        genome: Genome | None,
        quantile: float | None,
        *,
        ordered: bool,
        told: Callable[[Places], None] = lambda places: None,
    ) -> None:
        self.count = 0
        self._bed = stack.enter_context(BedSink(path))
        self._genome = genome
        self._contigs = packed([] if genome is None else list(genome.names))
        self._quantile = quantile
        self._ordered = ordered
        self._told = told
        self._held: list[Places] = []
        stack.push(self._finish)

    def write(self, rows: Rows) -> None:
        """Write what is final of the regions of these windows."""
        if rows.plan is not None:
            plan = rows.plan
            self.add(self.found(plan, rows.windows, rows.scores), plan.contig[-1:], plan.start[-1:])
            return
        found, value = self._high(rows.windows, rows.scores)
        self._put(_taken(rows.names, found.window), Places(found.window, found.start, found.end, value))

    def found(self, plan: Plan, windows: Windows, scores: F32) -> Places:
        """The regions of windows of a genome."""
        found, value = self._high(windows, scores)
        contig, moved = plan.contig[found.window].astype(np.int64), plan.start[found.window]
        return Places(contig, found.start + moved, found.end + moved, value)

    def add(self, found: Places, contig: I32, start: I64) -> None:
        """Write what is final of the regions that were found in windows; contig and start of the last one, if any."""
        self._held.append(found)
        if self._ordered and len(start):
            # The next windows begin where the last one does, or behind.
            places = merged(Places.concatenate(self._held))
            here = places.contig == contig[0]
            final = ~here | (places.end < start[0])
            self._put_places(places.take(final))
            self._held = [places.take(~final)]

    def _high(self, windows: Windows, scores: F32) -> tuple[Regions, F32]:
        """The regions of windows, and their means."""
        found = high_regions(scores, windows.offsets, quantile=self._quantile)
        first = windows.offsets[found.window]
        return found, _means(scores, first + found.start, first + found.end)

    def _put_places(self, places: Places) -> None:
        self._put(_taken(self._contigs, places.contig), places)
        self._told(places)

    def _put(self, names: TextColumn, places: Places) -> None:
        self.count += len(places)
        self._bed.write_named(names, places.start, places.end, places.value)

    def _finish(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None and self._held:
            self._put_places(merged(Places.concatenate(self._held)))


def _means(scores: F32, starts: I64, ends: I64) -> F32:
    """The mean of scores[starts[i]:ends[i]], none of which is missing."""
    running = np.zeros(len(scores) + 1, np.float64)
    np.cumsum(np.nan_to_num(scores), dtype=np.float64, out=running[1:])
    means: F32 = ((running[ends] - running[starts]) / np.maximum(ends - starts, 1)).astype(np.float32)
    return means
