"""Are two predictors different, or several: tests on paired numbers. Arrays in, p-values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .packages import need

__all__ = ["Delong", "areas_and_covariance", "benjamini_hochberg", "delong", "kruskal", "mcnemar", "wilcoxon"]

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Delong:
    """The first AUROC less the second, its standard error, z and two-sided p; NaN where the error is 0."""

    difference: float
    error: float
    z: float
    p: float


def areas_and_covariance(positive: Bool, scores: F64) -> tuple[F64, F64]:
    """AUROCs [m] of m predictors' scores [m, n] on the same rows, and their covariance [m, m].

    DeLong, DeLong & Clarke-Pearson 1988, by the mid-ranks of Sun & Xu 2014 (IEEE Signal Processing Letters 21(11)):
    a sort in place of every pair. A covariance needs two positives and two negatives and is NaN without.
    """
    rank = need("scipy.stats").rankdata
    above, below = scores[:, positive], scores[:, ~positive]
    p, q = above.shape[1], below.shape[1]
    if not p or not q:
        nothing = np.full(len(scores), np.nan)
        return nothing, np.full((len(scores), len(scores)), np.nan)
    of_all = rank(np.concatenate([above, below], axis=1), axis=1)
    # The share of negatives below each positive, and of positives above each negative.
    placed_above = (of_all[:, :p] - rank(above, axis=1)) / q
    placed_below = 1 - (of_all[:, p:] - rank(below, axis=1)) / p
    areas: F64 = placed_above.mean(axis=1)
    if p < 2 or q < 2:
        return areas, np.full((len(scores), len(scores)), np.nan)
    covariance: F64 = np.atleast_2d(np.cov(placed_above)) / p + np.atleast_2d(np.cov(placed_below)) / q
    return areas, covariance


def delong(positive: Bool, one: F64, other: F64) -> Delong:
    """DeLong's test that two scores [n] of the same rows have the same AUROC."""
    areas, covariance = areas_and_covariance(positive, np.stack([one, other]))
    difference = float(areas[0] - areas[1])
    # Exactly 0 for scores that rank alike, where sums of the covariances leave a rest of either sign.
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not variance > 1e-15:
        same = 1.0 if variance <= 1e-15 and difference == 0 else float("nan")
        return Delong(difference, max(variance, 0.0), float("nan"), same)
    error = variance**0.5
    z = difference / error
    return Delong(difference, error, z, float(2 * need("scipy.stats").norm.sf(abs(z))))


def mcnemar(one: Bool, other: Bool) -> tuple[int, int, float]:
    """How often only the first and only the second was right, and McNemar's exact p (two-sided; 1 for neither)."""
    first, second = int(np.count_nonzero(one & ~other)), int(np.count_nonzero(other & ~one))
    if not first + second:
        return 0, 0, 1.0
    return first, second, float(need("scipy.stats").binomtest(first, first + second, 0.5).pvalue)


def wilcoxon(one: F64, other: F64) -> tuple[int, float]:
    """Pairs that differ, and the two-sided p of Wilcoxon's signed-rank test that neither is larger.

    Pairs in which either is NaN are left out, and so are ties, as Wilcoxon has it; 1 where nothing is left.
    """
    difference = (one - other)[~(np.isnan(one) | np.isnan(other))]
    difference = difference[difference != 0]
    if not len(difference):
        return 0, 1.0
    return len(difference), float(need("scipy.stats").wilcoxon(difference).pvalue)


def kruskal(groups: list[F64]) -> tuple[float, float]:
    """H and p of Kruskal and Wallis's test that groups come from one distribution; NaN entries are left out.

    NaN where fewer than two groups have entries; H = 0 and p = 1 where all entries are equal.
    """
    filled = [group[~np.isnan(group)] for group in groups]
    filled = [group for group in filled if len(group)]
    if len(filled) < 2:
        return float("nan"), float("nan")
    if np.unique(np.concatenate(filled)).size == 1:
        return 0.0, 1.0
    found = need("scipy.stats").kruskal(*filled)
    return float(found.statistic), float(found.pvalue)


def benjamini_hochberg(p: F64) -> F64:
    """p-values [m] adjusted for the false discovery rate (Benjamini & Hochberg 1995); NaN stay and do not count."""
    adjusted = np.full(len(p), np.nan)
    there = ~np.isnan(p)
    if there.any():
        adjusted[there] = need("scipy.stats").false_discovery_control(p[there], method="bh")
    return adjusted
