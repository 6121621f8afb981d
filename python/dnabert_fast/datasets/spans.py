"""Stretches of contigs as sets of bases: joined, subtracted, compared. Knows no bases and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..seq.plan import Plan
from ..seq.types import I32, I64, Bool

__all__ = ["Spans"]

_CONTIG = 1 << 40
"""Contigs lie this far apart on the one line that spans are compared on; none is as long."""


@dataclass(frozen=True)
class Spans:
    """Half-open stretches [start[i], end[i]) of contig[i]: i32[n] rows of `Genome.names`, i64[n], i64[n].

    What is said to be merged is ascending, without overlaps, and with a gap between neighbours.
    """

    contig: I32
    start: I64
    end: I64

    def __len__(self) -> int:
        return len(self.start)

    @staticmethod
    def of(plan: Plan) -> Spans:
        """The windows of a plan, whatever their strand."""
        return Spans(plan.contig, plan.start, plan.end)

    @staticmethod
    def whole(lengths: I64) -> Spans:
        """All of every contig."""
        return Spans(np.arange(len(lengths), dtype=np.int32), np.zeros_like(lengths), lengths)

    @staticmethod
    def none() -> Spans:
        """No stretch at all."""
        return Spans(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))

    @staticmethod
    def concatenate(parts: Sequence[Spans]) -> Spans:
        """All stretches of all parts, in order."""
        if not parts:
            return Spans.none()
        return Spans(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("contig", "start", "end")))

    @property
    def bases(self) -> int:
        """The sum of the lengths."""
        return int((self.end - self.start).sum())

    def take(self, rows: I64 | Bool) -> Spans:
        """These stretches, in the order of `rows` (numbers, or a mask bool[n])."""
        return Spans(self.contig[rows], self.start[rows], self.end[rows])

    def widened(self, by: int) -> Spans:
        """Each stretch with `by` more bases on either side; it may reach over a contig's ends."""
        return Spans(self.contig, self.start - by, self.end + by)

    def merged(self) -> Spans:
        """The same bases as merged stretches; empty ones are left out."""
        kept = self.take(self.end > self.start)
        begin, end = kept._line()
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
        reach = np.maximum.accumulate(end) if len(end) else end
        first = np.flatnonzero(np.concatenate([[True], begin[1:] > reach[:-1]])) if len(begin) else np.empty(0, int)
        last = np.append(first[1:], len(begin)) - 1
        return _from_line(begin[first], reach[last] if len(first) else end)

    def within(self, merged: Spans) -> Spans:
        """The parts of merged stretches (of which this is one) that lie in `merged` too; merged as well."""
        begin, end = self._line()
        other_begin, other_end = merged._line()
        low = np.searchsorted(other_end, begin, side="right")
        high = np.searchsorted(other_begin, end, side="left")
        count = np.maximum(high - low, 0)
        mine = np.repeat(np.arange(len(begin)), count)
        other = np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())
        return _from_line(np.maximum(begin[mine], other_begin[other]), np.minimum(end[mine], other_end[other]))

    def less(self, merged: Spans) -> Spans:
        """The parts of merged stretches (of which this is one) that do not lie in `merged`; merged as well."""
        other_begin, other_end = merged._line()
        outside = np.iinfo(np.int64)
        begin, end = np.append(outside.min // 2, other_end), np.append(other_begin, outside.max // 2)
        return self.within(_from_line(begin, end))

    def touches(self, merged: Spans) -> Bool:
        """Whether each stretch has a base in common with `merged`, bool[n]; empty ones have none."""
        begin, end = self._line()
        other_begin, other_end = merged._line()
        found: Bool = (
            np.searchsorted(other_begin, end, side="left") > np.searchsorted(other_end, begin, side="right")
        ) & (end > begin)
        return found

    def inside(self, merged: Spans) -> Bool:
        """Whether each stretch lies wholly in one of `merged`, bool[n]."""
        if not len(merged):
            return np.zeros(len(self), np.bool_)
        begin, end = self._line()
        other_begin, other_end = merged._line()
        at = np.searchsorted(other_begin, begin, side="right") - 1
        found: Bool = (at >= 0) & (end <= other_end[np.maximum(at, 0)])
        return found

    def apart(self) -> Bool:
        """A choice of stretches of which no two overlap, bool[n].

        In order of contig and start, those are kept whose start no earlier one, kept or not, reaches over; so of a long
        chain fewer are kept than could be.
        """
        begin, end = self._line()
        order = np.lexsort((end, begin))
        reach = np.maximum.accumulate(end[order]) if len(order) else end
        kept = np.ones(len(self), np.bool_)
        kept[order[1:]] = begin[order[1:]] >= reach[:-1]
        return kept

    def _line(self) -> tuple[I64, I64]:
        origin = self.contig.astype(np.int64) * _CONTIG + _CONTIG // 4
        return origin + self.start, origin + self.end


def _from_line(begin: I64, end: I64) -> Spans:
    # A stretch that is no contig's (what is left over between two) keeps its bounds on the line and nothing else.
    contig = begin // _CONTIG
    origin = contig * _CONTIG + _CONTIG // 4
    return Spans(contig.astype(np.int32), begin - origin, end - origin)
