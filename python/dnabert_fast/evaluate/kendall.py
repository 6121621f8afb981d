"""Kendall's rank correlation of rows under many weightings at once: what a bootstrap asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .weighted import F64, I64, Weights

__all__ = ["WeightedKendall"]


@dataclass(frozen=True)
class _Level:
    """Rows that one bit of the first rank tells apart, in blocks that the bits above it make, by their second rank.

    left: rows with the bit unset; right: those with it set; of each of these, how many of `left` come before it in all
    blocks: with a lower second rank (`below`), no higher one (`upto`), and where its block begins and ends.
    """

    left: I64
    right: I64
    below: I64
    upto: I64
    begin: I64
    end: I64


class WeightedKendall:
    """Kendall's tau-b of two numbers, float64 [n] both, where each row counts as often as a weight says.

    Pairs are counted as by a merge sort, a level for each bit of a rank: O(n log n) for each weighting, and every sort
    is made once for all of them.
    """

    def __init__(self, one: F64, other: F64) -> None:
        first, second = (np.unique(values, return_inverse=True)[1].reshape(-1) for values in (one, other))
        self._ties = [_Groups(ranks) for ranks in (first, second)]
        self._levels = [_level(first, second, bit) for bit in range(int(first.max(initial=0)).bit_length())]

    def __call__(self, weights: Weights) -> F64:
        """The correlation, float64 [b], of weights int32 [b, n]; NaN where one of the numbers is constant."""
        rows = np.ascontiguousarray(weights.T, np.int64)  # a row a row, so that what is gathered lies side by side
        balance = np.zeros(rows.shape[1], np.int64)
        for level in self._levels:
            before = np.zeros((len(level.left) + 1, rows.shape[1]), np.int64)
            np.cumsum(rows[level.left], axis=0, out=before[1:])
            # Lefts below a right one agree with it, those above do not.
            agree = before[level.below] + before[level.upto] - before[level.begin] - before[level.end]
            balance += np.einsum("nb,nb->b", rows[level.right], agree)
        total = rows.sum(axis=0)
        pairs = total * (total - 1.0) / 2
        spread = [pairs - ties(rows) for ties in self._ties]
        with np.errstate(divide="ignore", invalid="ignore"):
            found: F64 = np.where((spread[0] > 0) & (spread[1] > 0), balance / np.sqrt(spread[0] * spread[1]), np.nan)
        clipped: F64 = np.clip(found, -1, 1)
        return clipped


class _Groups:
    """Rows of equal rank."""

    def __init__(self, ranks: I64) -> None:
        self._order = np.argsort(ranks, kind="stable")
        ranked = ranks[self._order]
        self._starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)])

    def __call__(self, rows: I64) -> F64:
        """Pairs of rows within a group, float64 [b], of weights int64 [n, b]."""
        sums = np.add.reduceat(rows[self._order], self._starts, axis=0)
        pairs: F64 = (sums * (sums - 1.0)).sum(axis=0) / 2
        return pairs


def _level(first: I64, second: I64, bit: int) -> _Level:
    block, is_right = first >> (bit + 1), (first >> bit) & 1 == 1
    span = int(second.max(initial=0)) + 1
    keys = block * span + second
    left, right = np.flatnonzero(~is_right), np.flatnonzero(is_right)
    left, right = (rows[np.argsort(keys[rows], kind="stable")] for rows in (left, right))
    ranked, of_right = keys[left], keys[right]
    begins = block[right] * span
    return _Level(
        left,
        right,
        np.searchsorted(ranked, of_right, side="left"),
        np.searchsorted(ranked, of_right, side="right"),
        np.searchsorted(ranked, begins, side="left"),
        np.searchsorted(ranked, begins + span, side="left"),
    )
