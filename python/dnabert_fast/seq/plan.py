"""Which windows of a genome to look at, as arrays with no sequence inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .types import I32, I64, Bool

__all__ = ["Plan", "Stretch", "stretches", "tile"]


@dataclass(frozen=True)
class Plan:
    """Windows of a genome: contig i32[n] (row of `Genome.names`), start and end i64[n] (half-open), reverse bool[n].

    `len(plan)` is n; `plan[a:b]` is that part of it.
    """

    contig: I32
    start: I64
    end: I64
    reverse: Bool

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, part: slice) -> Plan:
        return Plan(self.contig[part], self.start[part], self.end[part], self.reverse[part])

    def take(self, rows: I64) -> Plan:
        """These windows, in the order given."""
        return Plan(self.contig[rows], self.start[rows], self.end[rows], self.reverse[rows])

    @staticmethod
    def concatenate(parts: Sequence[Plan]) -> Plan:
        """The windows of all parts (one at least), in order."""
        columns = ((part.contig, part.start, part.end, part.reverse) for part in parts)
        return Plan(*(np.concatenate(column) for column in zip(*columns, strict=True)))

    @staticmethod
    def of(contig: int, start: I64, end: I64, reverse: bool = False) -> Plan:
        """Windows of one contig on one strand."""
        n = len(start)
        return Plan(np.full(n, contig, np.int32), start, end, np.full(n, reverse, np.bool_))


@dataclass(frozen=True)
class Stretch:
    """A unit of a scan: it owns the windows that start, and the bases that lie, in [start, end) of one contig.

    `first` and `last` bound the stretch's region: no window reaches outside [first, last).
    """

    contig: int
    start: int
    end: int
    first: int
    last: int


def tile(stretch: Stretch, window: int, stride: int, *, halo: bool) -> I64:
    """Starts i64[n] of the windows of a stretch, in order, on the grid first, first + stride, ...

    With `halo` also those before the stretch that reach over its border, so that its bases have all their windows.
    """
    begin = max(stretch.first, stretch.start - window + 1) if halo else stretch.start
    begin = stretch.first + -(-(begin - stretch.first) // stride) * stride
    stop = min(stretch.end, stretch.last - window + 1)
    return np.arange(begin, max(begin, stop), stride, dtype=np.int64)


def stretches(contig: int, first: int, last: int, stride: int, max_bases: int, max_windows: int) -> Iterator[Stretch]:
    """Cut the region [first, last) of a contig into units of whole strides, at most `max_bases` and `max_windows` long.

    The cut depends on the arguments alone, never on how the work is run.
    """
    step = stride * max(1, min(max_bases // stride, max_windows))
    for start in range(first, last, step):
        yield Stretch(contig, start, min(start + step, last), first, last)
