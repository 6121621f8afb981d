"""Scores of the bases of overlapping windows as one track. Knows nothing of files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..seq.plan import Plan
from ..seq.types import F32, F64, I64

__all__ = ["MeanTrack", "Segment"]


@dataclass(frozen=True)
class Segment:
    """The track over the bases from `start` on of a contig: values f32[L]."""

    contig: int
    start: int
    values: F32


@dataclass
class _Open:
    """A covered stretch that later windows may reach: sums f64[L] and counts i64[L] of its bases so far."""

    contig: int
    start: int
    sums: F64
    counts: I64

    @property
    def end(self) -> int:
        return self.start + len(self.sums)

    def until(self, base: int) -> Segment:
        n = base - self.start
        return Segment(self.contig, self.start, (self.sums[:n] / self.counts[:n]).astype(np.float32))


class MeanTrack:
    """The mean score of all windows that cover a base, of windows that come by contig and start.

    Holds only the bases that the next windows may reach. Sums are float64.
    """

    def __init__(self) -> None:
        self._open: _Open | None = None

    def add(self, plan: Plan, scores: F32) -> list[Segment]:
        """The parts of the track that these windows complete, in order; scores f32[B] are of their bases."""
        found: list[Segment] = []
        lengths = plan.end - plan.start
        ends = np.cumsum(lengths)
        edges = np.flatnonzero(np.diff(plan.contig, prepend=-1, append=-1)).tolist()
        for a, b in pairwise(edges):
            part = scores[int(ends[a] - lengths[a]) : int(ends[b - 1])]
            found += self._add(int(plan.contig[a]), plan.start[a:b], plan.end[a:b], part)
        return found

    def close(self) -> list[Segment]:
        """The last part, if there is one."""
        last = [] if self._open is None else [self._open.until(self._open.end)]
        self._open = None
        return last

    def _add(self, contig: int, starts: I64, ends: I64, scores: F32) -> list[Segment]:
        found: list[Segment] = []
        held = self._open
        if held is not None and (held.contig != contig or held.end < starts[0]):
            found, held = self.close(), None
        reach = np.maximum.accumulate(ends)
        if held is not None:
            reach = np.maximum(reach, held.end)
        first = np.flatnonzero(np.concatenate([[True], starts[1:] > reach[:-1]]))  # of each covered stretch
        base, top = starts[first].copy(), reach[np.append(first[1:], len(starts)) - 1]
        if held is not None:
            base[0] = held.start
        begin = np.cumsum(top - base) - (top - base)
        stretch = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(starts))))
        lengths = ends - starts
        place = np.repeat(begin[stretch] + starts - base[stretch] - (np.cumsum(lengths) - lengths), lengths)
        place += np.arange(len(scores))
        size = int((top - base).sum())
        sums = np.bincount(place, weights=scores, minlength=size).astype(np.float64, copy=False)
        counts = np.bincount(place, minlength=size).astype(np.int64, copy=False)
        if held is not None:
            sums[: len(held.sums)] += held.sums
            counts[: len(held.counts)] += held.counts
        for i, (at, low, high) in enumerate(zip(begin.tolist(), base.tolist(), top.tolist(), strict=True)):
            this = _Open(contig, low, sums[at : at + high - low], counts[at : at + high - low])
            if i < len(first) - 1:
                found.append(this.until(high))
                continue
            done = max(low, int(starts[-1]))
            if done > low:
                found.append(this.until(done))
            self._open = _Open(contig, done, this.sums[done - low :], this.counts[done - low :])
        return found
