"""Negatives out of the genome: random windows inside given stretches, by themselves or like given positives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import I32, I64, Bool
from .examples import gc_counts, join_plans, read_windows, take_plan, unknown_counts
from .spans import Spans
from .tata import THRESHOLD, box_scores

__all__ = ["flanks", "matched_by_gc", "random_windows", "with_tata"]

_CANDIDATES = 16
_ROUNDS = 64
_BASES_AT_ONCE = 1 << 25

Test: TypeAlias = Callable[[Plan, I64], tuple[Plan, Bool]]
"""Given candidate windows and the row of the wanted one of each, the windows (which may move) and which will do."""


def random_windows(genome: Genome, allowed: Spans, lengths: I64, random: np.random.Generator) -> tuple[Plan, I64]:
    """A random window without N for each of `lengths` i64[n], on a random strand, and the rows that got one.

    Windows lie wholly in `allowed` (merged) and do not overlap each other; a row gets none where 64 rounds of 16 tries
    have found none.
    """

    def any_will_do(plan: Plan, row: I64) -> tuple[Plan, Bool]:
        return plan, np.ones(len(plan), np.bool_)

    return _drawn(genome, allowed, lengths, random, any_will_do)


def matched_by_gc(
    genome: Genome, allowed: Spans, like: Windows, tolerance: float, random: np.random.Generator
) -> tuple[Plan, I64]:
    """Like `random_windows`, each with the length of one of `like`, and its G+C share to within `tolerance`."""
    wanted, lengths = gc_counts(like), like.lengths

    def alike(plan: Plan, row: I64) -> tuple[Plan, Bool]:
        found = gc_counts(read_windows(genome, plan))
        good: Bool = np.abs(found - wanted[row]) <= tolerance * lengths[row] + 1e-9
        return plan, good

    return _drawn(genome, allowed, lengths, random, alike)


def with_tata(genome: Genome, allowed: Spans, length: int, place: I64, random: np.random.Generator) -> tuple[Plan, I64]:
    """Random windows of one length that have a TATA box on the strand that is read, and the rows that got one.

    place i64[n]: at which base of the window its box begins; -1: wherever it happens to be. Otherwise as
    `random_windows`.
    """

    def moved(plan: Plan, row: I64) -> tuple[Plan, Bool]:
        scores = box_scores(read_windows(genome, plan), length)
        boxes = scores >= THRESHOLD
        # One of the boxes of a window, all as likely.
        chosen = np.where(boxes, random.random(boxes.shape), -1.0).argmax(axis=1)
        shift = np.where(place[row] < 0, 0, chosen - place[row])
        shift = np.where(plan.reverse, -shift, shift)
        has: Bool = np.any(boxes, axis=1)
        return Plan(plan.contig, plan.start + shift, plan.end + shift, plan.reverse), has

    return _drawn(genome, allowed, np.full(len(place), length, np.int64), random, moved)


def flanks(allowed: Spans, peaks: Spans, plan: Plan, distance: int, random: np.random.Generator) -> tuple[Plan, I64]:
    """For each window of `plan` the one so many bases off, left or right at random, and the rows that have one.

    Where that side has a peak (`peaks`, merged) or leaves `allowed` (merged), the other is taken; where both do, none.
    """
    sign = np.where(random.random(len(plan)) < 0.5, -1, 1)
    found = np.zeros(len(plan), np.bool_)
    start = plan.start.copy()
    for side in (sign, -sign):
        shifted = plan.start + side * distance
        there = Spans(plan.contig, shifted, shifted + plan.end - plan.start)
        good = ~found & there.inside(allowed) & ~there.touches(peaks)
        start[good] = shifted[good]
        found |= good
    rows = np.flatnonzero(found)
    return take_plan(Plan(plan.contig, start, start + plan.end - plan.start, plan.reverse), rows), rows


def _drawn(genome: Genome, allowed: Spans, lengths: I64, random: np.random.Generator, test: Test) -> tuple[Plan, I64]:
    """Windows for rows 0 to n-1, in that order, and the rows that got one: tries until all have or the rounds end."""
    empty = np.empty(0, np.int64)
    plans = [Plan(empty.astype(np.int32), empty, empty, empty.astype(np.bool_))]
    rows = [empty]
    taken = Spans.none()
    open_rows = np.arange(len(lengths))
    tries = max(1, min(_CANDIDATES, _BASES_AT_ONCE // max(1, int(lengths.max(initial=1)))))
    for _ in range(_ROUNDS if allowed.bases else 0):
        if not len(open_rows):
            break
        at_once = max(1, _BASES_AT_ONCE // max(1, int(lengths[open_rows].max()) * tries))
        for first in range(0, len(open_rows), at_once):
            row = np.repeat(open_rows[first : first + at_once], tries)
            plan, good = test(_candidates(allowed, lengths[row], random), row)
            spans = Spans.of(plan)
            good &= spans.inside(allowed) & ~spans.touches(taken)
            plan, row = take_plan(plan, good), row[good]
            # The first window of each row that will do, of those that do not overlap.
            _, first_of_row = np.unique(row, return_index=True)
            plan, row = take_plan(plan, first_of_row), row[first_of_row]
            known = unknown_counts(read_windows(genome, plan)) == 0
            kept = np.flatnonzero(known)
            kept = kept[Spans.of(take_plan(plan, kept)).apart()]
            plans.append(take_plan(plan, kept))
            rows.append(row[kept])
            taken = Spans.concatenate([taken, Spans.of(plans[-1])]).merged()
        done = np.concatenate(rows)
        open_rows = np.setdiff1d(open_rows, done)
    order = np.argsort(done := np.concatenate(rows), kind="stable")
    return take_plan(join_plans(plans), order), done[order]


def _candidates(allowed: Spans, lengths: I64, random: np.random.Generator) -> Plan:
    """Windows that start at random bases of `allowed`; they may reach over its ends."""
    ends = np.cumsum(allowed.end - allowed.start)
    base = random.integers(0, ends[-1], len(lengths))
    span = np.searchsorted(ends, base, side="right")
    start: I64 = (allowed.end - ends)[span] + base
    contig: I32 = allowed.contig[span]
    return Plan(contig, start, start + lengths, random.random(len(lengths)) < 0.5)
