"""Score every window of a genome on a grid, and add the windows up to a track. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..engine.scores import Readout
from ..errors import DnabertError
from ..seq.batch import MAX_TOKENS, PIECE
from ..seq.genome import Genome
from ..seq.plan import Stretch, stretches, tile
from ..seq.track import overlap_mean
from ..seq.types import F32, I64, U8
from ..seq.variants import Regions

__all__ = ["UNIT_BASES", "UNIT_WINDOWS", "ScanSummary", "ScanUnit", "plan_scan", "scan", "unknown_bases"]

UNIT_BASES = 1_000_000
UNIT_WINDOWS = 8192
UNIT_WINDOW_BASES = 1 << 29
"""Bases of a stretch's windows, one window after the other, from which it has fewer than `UNIT_WINDOWS`."""


@dataclass(frozen=True)
class ScanUnit:
    """The scores of one stretch.

    start i64[n]: starts of the windows the stretch owns, in order; score f32[n]; mean f32[L], L the stretch's length:
    the mean score of all windows that cover a base, NaN where there is none.
    """

    stretch: Stretch
    start: I64
    score: F32
    mean: F32


@dataclass
class ScanSummary:
    """What a scan did: windows scored and left out, contigs and merged regions too short for one, pieces encoded."""

    windows: int = 0
    left_out_n: int = 0
    short_contigs: list[str] = field(default_factory=list)
    short_regions: int = 0
    bases: int = 0
    pieces: int = 0
    pieces_encoded: int = 0


@dataclass(frozen=True)
class _Work:
    stretch: Stretch
    start: I64
    prepared: list[Prepared] | None
    left_out: int


def plan_scan(genome: Genome, window: int, stride: int, regions: Regions | None, summary: ScanSummary) -> list[Stretch]:
    """The stretches of a scan in genome order; regions are merged where they overlap.

    Raises DnabertError where the window fits into no contig or region, and where so many windows cover a base that no
    stretch is short enough for all of its own.
    """
    spans: list[tuple[int, int, int]] = []
    for contig, length in enumerate(genome.lengths.tolist()):
        parts = [(0, length)] if regions is None else _merged(regions, contig, length)
        fitting = [(contig, first, last) for first, last in parts if last - first >= window]
        if regions is not None:
            summary.short_regions += len(parts) - len(fitting)
        elif not fitting:
            summary.short_contigs.append(genome.names[contig])
        spans += fitting
    if not spans:
        longest = int(genome.lengths.max(initial=0))
        raise DnabertError(
            f"no window of {window} bases fits: the longest contig has {longest}"
            if regions is None
            else f"no window of {window} bases fits into any of the regions"
        )
    most = _unit_windows(window, stride)
    plan = [s for span in spans for s in stretches(*span, stride, UNIT_BASES, most)]
    tokens = _tokens(window)
    if (most + window // stride) * tokens > MAX_TOKENS:
        for stretch in plan:
            count = len(tile(stretch, window, stride, halo=True))
            if count * tokens > MAX_TOKENS:
                raise DnabertError(
                    f"windows of {window:,} bases at every {stride:,} overlap too much: {count:,} of them reach into a "
                    f"stretch of {stretch.end - stretch.start:,} bases; give a larger --stride or a shorter --window"
                )
    return plan


def _unit_windows(window: int, stride: int) -> int:
    """Windows that a stretch may own: where they are long, as many as reach into it from before it, if a batch may."""
    before = (window - 1) // stride
    least = min(before, MAX_TOKENS // _tokens(window) - before)
    return max(1, min(UNIT_WINDOWS, max(least, UNIT_WINDOW_BASES // window - before)))


def _tokens(window: int) -> int:
    """Tokens of a window at most, whatever k."""
    return window + 2 * (window // PIECE + 1)


def scan(
    model: Model,
    genome: Genome,
    plan: list[Stretch],
    write: Callable[[ScanUnit], None],
    summary: ScanSummary,
    *,
    window: int,
    stride: int,
    readout: Readout,
    max_n: float = 0.5,
    readers: int | None = None,
    progress: Callable[[int], None] = lambda bases: None,
) -> ScanSummary:
    """Score the windows of every stretch of `plan` and hand each unit to `write` in order.

    A window with more than `max_n` of its bases other than A, C, G, T is left out and counted. Windows that reach over
    a stretch's border are scored for both sides, so a stretch does not depend on its neighbours. `readers` None: as
    many threads as the device needs.
    """
    progress = in_turn(progress)

    def read(stretch: Stretch) -> _Work:
        starts = tile(stretch, window, stride, halo=True)
        if not len(starts):
            return _Work(stretch, starts, None, 0)
        first = int(starts[0])
        bases = genome.bases(genome.names[stretch.contig], first, int(starts[-1]) + window)
        kept = unknown_bases(bases, starts - first, starts - first + window) <= max_n * window
        left_out = int(np.count_nonzero(~kept & (starts >= stretch.start)))
        starts = starts[kept]
        if not len(starts):
            return _Work(stretch, starts, None, left_out)
        return _Work(stretch, starts, model.prepare_spans(bases, starts - first, starts - first + window), left_out)

    def compute(work: _Work) -> Callable[[], ScanUnit]:
        stretch, length = work.stretch, work.stretch.end - work.stretch.start
        summary.left_out_n += work.left_out
        summary.bases += length
        meter = Meter(length, progress)
        if work.prepared is None:
            meter.close()
            return lambda: ScanUnit(stretch, work.start, np.empty(0, np.float32), np.full(length, np.nan, np.float32))
        summary.pieces += sum(len(side.batch.owner) for side in work.prepared)
        summary.pieces_encoded += sum(len(side.distinct.first) for side in work.prepared)
        own = work.start >= stretch.start
        summary.windows += int(np.count_nonzero(own))
        logits = model.begin(work.prepared, meter.tick)

        def finish() -> ScanUnit:
            score = readout.value(readout.score(logits())).astype(np.float32)
            meter.close()
            mean = overlap_mean(work.start, work.start + window, score, stretch.start, length)
            return ScanUnit(stretch, work.start[own], score[own], mean)

        return finish

    model.run(plan, read, compute, write, readers)
    return summary


@dataclass
class CallMerger:
    """Merges windows that reach a threshold into regions; remembers the open region between units."""

    window: int
    threshold: float
    _open: tuple[int, int, int, float] | None = None

    def add(self, unit: ScanUnit) -> list[tuple[int, int, int, float]]:
        """Regions (contig, start, end, highest score) that this unit closes."""
        high = unit.score >= self.threshold
        starts, scores = unit.start[high], unit.score[high]
        closed = []
        breaks = np.flatnonzero(np.diff(starts) > self.window) + 1
        for start, score in zip(np.split(starts, breaks), np.split(scores, breaks), strict=True):
            if not len(start):
                continue
            region = (unit.stretch.contig, int(start[0]), int(start[-1]) + self.window, float(score.max()))
            if self._open and self._open[0] == region[0] and region[1] <= self._open[2]:
                region = (region[0], self._open[1], region[2], max(self._open[3], region[3]))
            elif self._open:
                closed.append(self._open)
            self._open = region
        return closed

    def close(self) -> list[tuple[int, int, int, float]]:
        """The last region, if one is open."""
        last = [self._open] if self._open else []
        self._open = None
        return last


def unknown_bases(bases: U8, starts: I64, ends: I64) -> I64:
    """Bases other than A, C, G, T (or U) of each window bases[starts[i]:ends[i]], int64 [n]."""
    running = np.zeros(len(bases) + 1, np.int64)
    np.cumsum(_UNKNOWN[bases], out=running[1:])
    counts: I64 = running[ends] - running[starts]
    return counts


_UNKNOWN = np.ones(256, np.bool_)
_UNKNOWN[np.frombuffer(b"ACGTUacgtu", np.uint8)] = False


def _merged(regions: Regions, contig: int, length: int) -> list[tuple[int, int]]:
    """The parts of a contig that regions cover, in order."""
    chosen = np.flatnonzero(regions.contig == contig)
    parts: list[tuple[int, int]] = []
    for row in chosen[np.argsort(regions.start[chosen], kind="stable")]:
        first, last = max(0, int(regions.start[row])), min(length, int(regions.end[row]))
        if parts and first <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(parts[-1][1], last))
        elif first < last:
            parts.append((first, last))
    return parts
