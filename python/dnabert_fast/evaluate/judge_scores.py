"""Numbers that rank rows, judged by a truth of two classes or of numbers, in all and in strata. Arrays alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from .bootstrap import Estimate, estimates
from .judge import Tested
from .kendall import WeightedKendall
from .significance import benjamini_hochberg, delong
from .weighted import F64, I64, Bool, Ranking, Ranks, Statistic, Weights

__all__ = ["AREAS", "CORRELATIONS", "FEWEST", "JudgedStratum", "Stratum", "judge_scores"]

AREAS = ("auroc", "auprc")
CORRELATIONS = ("spearman", "kendall")

FEWEST = 5
"""Rows of each class (of numbers: rows) below which a stratum is counted and not judged."""


@dataclass(frozen=True)
class Stratum:
    """Some of the rows: what they are told apart by, and which of them these are."""

    by: str
    name: str
    rows: I64


@dataclass(frozen=True)
class JudgedStratum:
    """The scores of a stratum: rows and those of class 1, metrics by score, and DeLong's tests of all pairs.

    metrics and tests are empty where there are too few rows; positives is None and tests are empty of numbers.
    """

    by: str
    name: str
    rows: int
    positives: int | None
    metrics: dict[str, dict[str, Estimate]]
    tests: tuple[Tested, ...]


def judge_scores(
    truth: F64,
    of_classes: bool,
    scores: Mapping[str, F64],
    strata: Sequence[Stratum],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    method: str = "percentile",
    seed: int = 42,
    tick: Callable[[int], None] = lambda done: None,
) -> list[JudgedStratum]:
    """Judge scores [n] by a truth [n], each stratum by itself.

    truth float64: 0 and 1, or numbers where not `of_classes`. Classes have AUROC and average precision of class 1 and
    DeLong's tests, adjusted over the pairs of a stratum (Benjamini and Hochberg); numbers have Spearman's and Kendall's
    (tau-b) rank correlations. Intervals are those of a bootstrap, within classes, the same resamples for all scores.
    `tick` is called with the resamples done, over all strata.
    """
    found = []
    for stratum in strata:
        own = truth[stratum.rows]
        positives = int(np.count_nonzero(own == 1)) if of_classes else None
        judged = JudgedStratum(stratum.by, stratum.name, len(own), positives, {}, ())
        fewest = len(own) if positives is None else min(positives, len(own) - positives)
        if fewest < FEWEST:
            tick(resamples)
            found.append(judged)
            continue
        mine = {name: values[stratum.rows] for name, values in scores.items()}
        statistics: list[Statistic] = [
            _Areas(own == 1, values) if of_classes else _Correlations(own, values) for values in mine.values()
        ]
        classes = (own if of_classes else np.zeros(len(own))).astype(np.int64)
        values = estimates(statistics, classes, resamples=resamples, level=level, method=method, seed=seed, tick=tick)
        tests = _pairs(own == 1, mine) if of_classes else ()
        found.append(replace(judged, metrics=dict(zip(mine, values, strict=True)), tests=tests))
    return found


def _pairs(positive: Bool, scores: Mapping[str, F64]) -> tuple[Tested, ...]:
    tests = []
    for one, other in combinations(scores, 2):
        found = delong(positive, scores[one], scores[other])
        tests.append(Tested("DeLong", "AUROC", one, other, found.difference, found.p))
    adjusted = benjamini_hochberg(np.array([test.p for test in tests]))
    return tuple(replace(test, adjusted=float(p)) for test, p in zip(tests, adjusted, strict=True))


class _Areas:
    """AREAS of a score against two classes."""

    names: tuple[str, ...] = AREAS

    def __init__(self, positive: Bool, scores: F64) -> None:
        self._ranking = Ranking(positive, scores, np.arange(len(scores)))

    def __call__(self, weights: Weights) -> F64:
        return np.stack(self._ranking(weights), axis=1)


class _Correlations:
    """CORRELATIONS of a score with numbers."""

    names: tuple[str, ...] = CORRELATIONS

    def __init__(self, truth: F64, scores: F64) -> None:
        self._ranks = Ranks(truth), Ranks(scores)
        self._kendall = WeightedKendall(truth, scores)

    def __call__(self, weights: Weights) -> F64:
        w = weights.astype(np.float64)
        one, other = (ranks(w) for ranks in self._ranks)
        both, first, second = (np.einsum("bn,bn,bn->b", w, a, b) for a, b in ((one, other), (one, one), (other, other)))
        with np.errstate(divide="ignore", invalid="ignore"):
            spearman = np.where((first > 0) & (second > 0), both / np.sqrt(first * second), np.nan)
        return np.stack([np.clip(spearman, -1, 1), self._kendall(weights)], axis=1)
