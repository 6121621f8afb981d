"""Score every window of a genome on a grid, and add the windows up to a track. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from ..seq.types import F32, I64, U8, Bool
from ..seq.variants import Regions

__all__ = [
    "UNIT_BASES",
    "UNIT_WINDOWS",
    "CallMerger",
    "ScanSummary",
    "ScanUnit",
    "called",
    "plan_scan",
    "scan",
    "unknown_bases",
]

UNIT_BASES = 1_000_000
UNIT_WINDOWS = 8192
UNIT_WINDOW_BASES = 1 << 29
"""Bases of a stretch's windows, one window after the other, from which it has fewer than `UNIT_WINDOWS`."""


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

    def add(self, other: ScanSummary) -> None:
        """Count what another did too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class ScanUnit:
    """The scores of one stretch.

    start i64[n]: starts of the windows the stretch owns, in order; score f32[n]; mean f32[L], L the stretch's length:
    the mean score of all windows that cover a base, NaN where there is none. `counts` are of this unit alone.
    """

    stretch: Stretch
    start: I64
    score: F32
    mean: F32
    counts: ScanSummary = field(default_factory=ScanSummary)


@dataclass(frozen=True)
class _Work:
    stretch: Stretch
    start: I64
    prepared: list[Prepared] | None
    left_out: int

    @property
    def own(self) -> Bool:
        """Which of the windows the stretch owns; the others reach into it."""
        owned: Bool = self.start >= self.stretch.start
        return owned

    def counts(self) -> ScanSummary:
        sides = self.prepared or []
        return ScanSummary(
            windows=int(np.count_nonzero(self.own)),
            left_out_n=self.left_out,
            bases=self.stretch.end - self.stretch.start,
            pieces=sum(len(side.batch.owner) for side in sides),
            pieces_encoded=sum(len(side.distinct.first) for side in sides),
        )


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
    plan: Iterable[Stretch],
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
        stretch, length, counts = work.stretch, work.stretch.end - work.stretch.start, work.counts()
        summary.add(counts)
        meter = Meter(length, progress)
        if work.prepared is None:
            meter.close()
            nothing = np.empty(0, np.float32), np.full(length, np.nan, np.float32)
            return lambda: ScanUnit(stretch, work.start, *nothing, counts)
        own = work.own
        logits = model.begin(work.prepared, meter.tick)

        def finish() -> ScanUnit:
            score = readout.value(readout.score(logits())).astype(np.float32)
            meter.close()
            mean = overlap_mean(work.start, work.start + window, score, stretch.start, length)
            return ScanUnit(stretch, work.start[own], score[own], mean, counts)

        return finish

    model.run(plan, read, compute, write, readers)
    return summary


def called(unit: ScanUnit, window: int, threshold: float) -> tuple[I64, I64, F32]:
    """Windows of a unit that reach a threshold, merged into regions: start and end i64[n], highest score f32[n]."""
    high = unit.score >= threshold
    starts, scores = unit.start[high], unit.score[high]
    first = np.flatnonzero(np.diff(starts, prepend=-window - 1) > window)
    last = np.append(first[1:], len(starts))[: len(first)] - 1
    best = np.maximum.reduceat(scores, first) if len(first) else scores
    return starts[first], starts[last] + window, best


@dataclass
class CallMerger:
    """Merges regions that touch, which come in order; remembers the open one."""

    _open: tuple[int, int, int, float] | None = None

    def add(self, contig: int, starts: I64, ends: I64, scores: F32) -> list[tuple[int, int, int, float]]:
        """Regions (contig, start, end, highest score) that these, of one unit, close."""
        closed = []
        for start, end, score in zip(starts.tolist(), ends.tolist(), scores.tolist(), strict=True):
            region = (contig, start, end, score)
            if self._open and self._open[0] == contig and start <= self._open[2]:
                region = (contig, self._open[1], end, max(self._open[3], score))
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
