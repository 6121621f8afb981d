"""One number of several models on many sets: are they different over the sets. Arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .significance import benjamini_hochberg, kruskal, wilcoxon
from .weighted import F64

__all__ = ["Compared", "Overall", "compare"]


@dataclass(frozen=True)
class Compared:
    """Two models over the sets that both have: sets, wins of each, median difference, Wilcoxon's p and its adjusted."""

    one: str
    other: str
    sets: int
    wins: tuple[int, int]
    median: float
    p: float
    adjusted: float


@dataclass(frozen=True)
class Overall:
    """Kruskal and Wallis's H and p over all models, and every pair."""

    h: float
    p: float
    pairs: tuple[Compared, ...]


def compare(models: Sequence[str], table: F64) -> Overall:
    """Compare models by a table float64 [sets, models], NaN where a model has no number for a set.

    Pairs by Wilcoxon's signed-rank test over the sets, adjusted over the pairs (Benjamini and Hochberg); all together
    by Kruskal and Wallis's test.
    """
    pairs = []
    for i, j in combinations(range(len(models)), 2):
        both = table[~np.isnan(table[:, [i, j]]).any(axis=1)]
        difference = both[:, i] - both[:, j]
        _, p = wilcoxon(both[:, i], both[:, j])
        wins = int(np.count_nonzero(difference > 0)), int(np.count_nonzero(difference < 0))
        median = float(np.median(difference)) if len(both) else float("nan")
        pairs.append((models[i], models[j], len(both), wins, median, p if len(both) else float("nan")))
    adjusted = benjamini_hochberg(np.array([pair[-1] for pair in pairs]))
    compared = tuple(Compared(*pair, adjusted=float(value)) for pair, value in zip(pairs, adjusted, strict=True))
    h, p = kruskal([table[:, i] for i in range(len(models))])
    return Overall(h, p, compared)
