"""Several predictors on the same rows: their metrics with intervals, curves, and tests of each pair. Arrays alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Estimate, estimates
from .calibration import Calibration, calibration
from .curves import Curve, precision_recall, roc
from .metrics import confusion
from .significance import benjamini_hochberg, delong, mcnemar, wilcoxon
from .weighted import F64, I64, ClassStatistic, RegressionStatistic, Statistic

__all__ = ["Answers", "Judged", "Judgement", "Tested", "judge"]

Labels: TypeAlias = "I64 | NDArray[np.floating]"


@dataclass(frozen=True)
class Answers:
    """What one predictor says of n rows.

    scores f64[n, C]: rows are ranked by column c as to class c (a regression: [n, 1], its values). calls i64[n]: the
    class of each row; None for a regression. probabilities: whether the scores are that, and can be calibrated.
    """

    name: str
    scores: F64
    calls: I64 | None
    probabilities: bool = False


@dataclass(frozen=True)
class Judged:
    """One predictor: its metrics; of classes its confusion table [C, C] (rows true) and, where its probabilities are
    ones, their calibration; ROC and precision-recall curves of each class shown (class 1 of two, else every class)."""

    name: str
    metrics: dict[str, Estimate]
    confusion: I64 | None
    calibration: Calibration | None
    roc: dict[int, Curve]
    precision_recall: dict[int, Curve]


@dataclass(frozen=True)
class Tested:
    """A test of two predictors: what it compares, the first less the second, p, and p adjusted over all pairs."""

    test: str
    of: str
    one: str
    other: str
    difference: float
    p: float
    adjusted: float = float("nan")


@dataclass(frozen=True)
class Judgement:
    """All predictors of a set, in the order given, and the tests of all pairs."""

    predictors: tuple[Judged, ...]
    tests: tuple[Tested, ...]


def judge(
    labels: Labels,
    answers: Sequence[Answers],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    method: str = "percentile",
    seed: int = 42,
    tick: Callable[[int], None] = lambda done: None,
) -> Judgement:
    """Judge predictors by labels i64[n] of classes, or f64[n] of values where their calls are None.

    Intervals are those of a bootstrap within classes, the same resamples for all (`bootstrap.estimates`). Pairs are
    compared by DeLong's test (two classes), McNemar's exact test (classes), or Wilcoxon's signed-rank test of absolute
    errors (values); p-values are adjusted over the pairs of a test (Benjamini and Hochberg).
    """
    of_classes = answers[0].calls is not None
    statistics = [_statistic(labels, one) for one in answers]
    strata = labels.astype(np.int64) if of_classes else np.zeros(len(labels), np.int64)
    metrics = estimates(statistics, strata, resamples=resamples, level=level, method=method, seed=seed, tick=tick)
    judged = [_judged(labels, one, row) for one, row in zip(answers, metrics, strict=True)]
    return Judgement(tuple(judged), tuple(_pairs(labels, answers)))


def _statistic(labels: Labels, one: Answers) -> Statistic:
    if one.calls is None:
        return RegressionStatistic(labels.astype(np.float64), one.scores[:, 0])
    return ClassStatistic(labels.astype(np.int64), one.calls, one.scores, calibrated=one.probabilities)


def _judged(labels: Labels, one: Answers, metrics: dict[str, Estimate]) -> Judged:
    if one.calls is None:
        return Judged(one.name, metrics, None, None, {}, {})
    true, classes = labels.astype(np.int64), one.scores.shape[1]
    shown = [c for c in ((1,) if classes == 2 else range(classes)) if 0 < np.count_nonzero(true == c) < len(true)]
    return Judged(
        one.name,
        metrics,
        confusion(true, one.calls, classes),
        calibration(true, one.scores) if one.probabilities else None,
        {c: roc(true == c, one.scores[:, c]) for c in shown},
        {c: precision_recall(true == c, one.scores[:, c]) for c in shown},
    )


def _pairs(labels: Labels, answers: Sequence[Answers]) -> list[Tested]:
    """Every test of every pair, test by test."""
    tests = [_by_errors] if answers[0].calls is None else [_by_calls]
    if answers[0].calls is not None and answers[0].scores.shape[1] == 2:
        tests = [_by_areas, *tests]
    found = []
    for test in tests:
        of_pairs = [test(labels, one, other) for one, other in combinations(answers, 2)]
        adjusted = benjamini_hochberg(np.array([pair.p for pair in of_pairs]))
        found += [replace(pair, adjusted=float(p)) for pair, p in zip(of_pairs, adjusted, strict=True)]
    return found


def _by_areas(labels: Labels, one: Answers, other: Answers) -> Tested:
    found = delong(labels == 1, one.scores[:, 1], other.scores[:, 1])
    return Tested("DeLong", "AUROC", one.name, other.name, found.difference, found.p)


def _by_calls(labels: Labels, one: Answers, other: Answers) -> Tested:
    assert one.calls is not None
    assert other.calls is not None
    first, second, p = mcnemar(one.calls == labels, other.calls == labels)
    return Tested("McNemar", "accuracy", one.name, other.name, (first - second) / len(labels), p)


def _by_errors(labels: Labels, one: Answers, other: Answers) -> Tested:
    errors = [np.abs(part.scores[:, 0] - labels) for part in (one, other)]
    _, p = wilcoxon(errors[0], errors[1])
    return Tested("Wilcoxon", "mean absolute error", one.name, other.name, float((errors[0] - errors[1]).mean()), p)
