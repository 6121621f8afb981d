"""prom-scan: long regions around start sites cut into overlapping windows, and how their scores are judged.

The original's set: 10,000 bases around a TSS, windows of 1,001 bases every 100, positive where at least half of the
window lies in TSS +- 500 on the same strand. Its rule for scores: windows are grouped by 1,000-base stretch, a group is
reduced to its largest, mean or second largest score, and called from 0.5 on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DnabertError
from ..seq.plan import Plan
from ..seq.types import F64, I32, I64, Bool
from .examples import Sites, join_plans
from .promoters import Starts

__all__ = ["REDUCTIONS", "REGION", "STRIDE", "WINDOW", "Groups", "group_windows", "scan_sites", "stretches_of"]

REGION, WINDOW, STRIDE, AROUND, STRETCH = 10_000, 1_001, 100, 500, 1_000
REDUCTIONS = ("max", "mean", "second-max")


def scan_sites(starts: Starts, *, both_strands: bool = False) -> Sites:
    """The 90 windows of the region of each TSS (TSS - 5,000 up to TSS + 5,000), named by its name.

    They are read on the strand of their TSS, with `both_strands` on the other as well. Class 1 is a window of which at
    least half (501 bases) lies in -500..+500 of any TSS on its strand, class 0 any other. Regions that overlap give the
    windows of each; windows may reach over a contig's ends.
    """
    offsets = np.arange(0, REGION - WINDOW + 1, STRIDE, dtype=np.int64)
    n = len(starts)
    row = np.repeat(np.arange(n), len(offsets))
    start = starts.base[row] - REGION // 2 + np.tile(offsets, n)
    plan = Plan(starts.contig[row], start, start + WINDOW, starts.reverse[row])
    if both_strands:
        row = np.tile(row, 2)
        turned = Plan(plan.contig, plan.start, plan.end, ~plan.reverse)
        plan = join_plans([plan, turned])
    label = _near(plan, starts).astype(np.int64)
    return Sites(plan, label, [starts.names[i] for i in row.tolist()])


def _near(plan: Plan, starts: Starts) -> Bool:
    """Whether the middle of each window is at most half its length from a TSS on its strand: an overlap of half."""
    far = 1 << 40
    line = (starts.contig.astype(np.int64) * 2 + starts.reverse) * far + starts.base
    sites = np.sort(line)
    middle = (plan.contig.astype(np.int64) * 2 + plan.reverse) * far + plan.start + WINDOW // 2
    at = np.searchsorted(sites, middle)
    before = np.abs(middle - sites[np.maximum(at - 1, 0)])
    after = np.abs(middle - sites[np.minimum(at, len(sites) - 1)])
    # Two windows of 1,001 bases whose middles are d apart have 1,001 - d bases in common.
    near: Bool = 2 * (WINDOW - np.minimum(before, after)) >= WINDOW
    return near


@dataclass(frozen=True)
class Groups:
    """Scored groups of windows: score f64[g], label i64[g] (1 where a window of it is positive), called bool[g].

    group i64[n]: the group of each window.
    """

    score: F64
    label: I64
    called: Bool
    group: I64


def stretches_of(contig: I32 | I64, start: I64, end: I64, reverse: Bool) -> I64:
    """The 1,000-base stretch of the genome that the middle of each window lies in, by strand, as numbers i64[n]."""
    middle = (start + end) // 2
    return (np.asarray(contig, np.int64) * 2 + reverse) * (1 << 40) + middle // STRETCH


def group_windows(
    group: I64, score: NDArray[np.floating], label: I64, how: str = "max", threshold: float = 0.5
) -> Groups:
    """Reduce the scores of the windows of each group, and call groups of at least `threshold`.

    group, score, label: of n windows; groups are any numbers, and come out in ascending order. how: "max", "mean" or
    "second-max", which is the score itself in a group of one window. Raises DnabertError for another word.
    """
    if how not in REDUCTIONS:
        raise DnabertError(f"{how}: windows are reduced by {', '.join(REDUCTIONS)}")
    _, number, count = np.unique(group, return_inverse=True, return_counts=True)
    values = np.asarray(score, np.float64)
    order = np.lexsort((values, number))
    last = np.cumsum(count) - 1
    if how == "mean":
        reduced = np.bincount(number, values, len(count)) / count
    else:
        back = np.where(count > 1, 1, 0) if how == "second-max" else 0
        reduced = values[order[last - back]]
    positive = np.zeros(len(count), np.int64)
    np.maximum.at(positive, number, (np.asarray(label) > 0).astype(np.int64))
    return Groups(reduced, positive, reduced >= threshold, number)
