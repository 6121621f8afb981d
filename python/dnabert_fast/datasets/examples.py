"""Labelled windows and where they come from: bases of a genome, upper case, on the strand that is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..seq.batch import Windows, reverse_complement
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import I64, U8, Bool

__all__ = ["Examples", "Sites", "blocks", "gc_counts", "join_plans", "read_windows", "take_plan", "unknown_counts"]

_READ = 1 << 26
"""Bases read from the genome at a time."""
_AT_ONCE = 1 << 22
"""Bases looked at at a time, where each is worth several numbers."""


@dataclass(frozen=True)
class Sites:
    """Windows to be cut: where (a Plan), the class `label` i64[n] and a name of each."""

    plan: Plan
    label: I64
    names: list[str]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: I64 | Bool) -> Sites:
        """These sites, in the order of `rows` (numbers, or a mask bool[n])."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Sites(take_plan(self.plan, chosen), self.label[chosen], [self.names[row] for row in chosen.tolist()])


@dataclass(frozen=True)
class Examples:
    """Labelled sequences: `windows`, and the Sites they are of, or were made from where they are artificial."""

    windows: Windows
    sites: Sites

    def __len__(self) -> int:
        return len(self.sites)

    def take(self, rows: I64 | Bool) -> Examples:
        """These examples, in the order of `rows` (numbers, or a mask bool[n])."""
        return Examples(self.windows.take(rows), self.sites.take(rows))

    @staticmethod
    def concatenate(parts: Sequence[Examples]) -> Examples:
        """The examples of all parts (at least one), in order."""
        sites = Sites(
            join_plans([part.sites.plan for part in parts]),
            np.concatenate([part.sites.label for part in parts]),
            [name for part in parts for name in part.sites.names],
        )
        return Examples(Windows.concatenate([part.windows for part in parts]), sites)

    def in_order(self) -> Examples:
        """Sorted by contig, start, strand and label."""
        plan = self.sites.plan
        return self.take(np.lexsort((self.sites.label, plan.reverse, plan.end, plan.start, plan.contig)))


def take_plan(plan: Plan, rows: I64 | Bool) -> Plan:
    """Any windows of a plan, in the order of `rows`."""
    return Plan(plan.contig[rows], plan.start[rows], plan.end[rows], plan.reverse[rows])


def join_plans(plans: Sequence[Plan]) -> Plan:
    """The windows of all plans (at least one), in order."""
    fields = ("contig", "start", "end", "reverse")
    return Plan(*(np.concatenate([getattr(plan, field) for plan in plans]) for field in fields))


def read_windows(genome: Genome, plan: Plan) -> Windows:
    """The bases of a plan's windows on their strands: upper case, U as T, all but A, C, G and T as N."""
    parts = []
    ends = np.cumsum(plan.end - plan.start)
    first = 0
    while first < len(plan):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _READ, side="right")))
        part = plan[first:last]
        # Windows that ascend are read fastest.
        order = np.lexsort((part.start, part.contig))
        fetched = genome.fetch(part.contig[order], part.start[order], part.end[order])
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        found = fetched.take(back)
        plain = Windows(_PLAIN[found.bases], found.offsets)
        turned = np.repeat(part.reverse, plain.lengths)
        bases = np.where(turned, reverse_complement(plain).bases, plain.bases) if turned.any() else plain.bases
        parts.append(Windows(bases, plain.offsets))
        first = last
    return Windows.concatenate(parts)


def blocks(windows: Windows, bases: int = _AT_ONCE) -> Iterator[slice]:
    """The windows in order, in slices of at most so many bases, or of one window that is longer."""
    first = 0
    while first < len(windows):
        full = int(np.searchsorted(windows.offsets, windows.offsets[first] + bases, side="right")) - 1
        last = max(first + 1, full)
        yield slice(first, last)
        first = last


def gc_counts(windows: Windows) -> I64:
    """How many bases of each window are G or C, i64[n] (upper case)."""
    return _counted(windows, (windows.bases == ord("G")) | (windows.bases == ord("C")))


def unknown_counts(windows: Windows) -> I64:
    """How many bases of each window are N, i64[n]."""
    return _counted(windows, windows.bases == ord("N"))


def _counted(windows: Windows, hits: Bool) -> I64:
    counts = np.empty(len(windows), np.int64)
    for part in blocks(windows):
        offsets = windows.offsets[part.start : part.stop + 1]
        sums = np.concatenate([[0], np.cumsum(hits[offsets[0] : offsets[-1]])])
        counts[part] = np.diff(sums[offsets - offsets[0]])
    return counts


def _plain_letters() -> U8:
    table = np.full(256, ord("N"), np.uint8)
    for letter in "ACGT":
        table[ord(letter)] = table[ord(letter.lower())] = ord(letter)
    table[ord("U")] = table[ord("u")] = ord("T")
    return table


_PLAIN = _plain_letters()
