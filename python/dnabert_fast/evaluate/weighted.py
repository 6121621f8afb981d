"""Metrics of one set of rows under many weightings at once: what a bootstrap asks for. Knows nothing of resampling.

A weighting says how often each row counts. `metrics.class_metrics` of rows repeated that often is the specification.
"""

from __future__ import annotations

from itertools import combinations
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .metrics import METRICS

__all__ = [
    "BINS",
    "CALIBRATION",
    "REGRESSION",
    "ClassStatistic",
    "Ranking",
    "Ranks",
    "RegressionStatistic",
    "Statistic",
    "Weights",
]

BINS = 15
"""Bins of equal width in which confidence is held against what came true (Guo et al. 2017)."""

CALIBRATION = ("brier", "ece")
REGRESSION = ("pearson", "spearman", "r2", "rmse")

Weights: TypeAlias = "NDArray[np.int32]"
F64: TypeAlias = "NDArray[np.float64]"
I64: TypeAlias = "NDArray[np.int64]"
Bool: TypeAlias = "NDArray[np.bool_]"


class Statistic(Protocol):
    """Several numbers that describe rows, each row counting as often as a weight says."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers are called."""
        ...

    def __call__(self, weights: Weights) -> F64:
        """The numbers, float64 [b, len(names)], of weights int32 [b, n]."""
        ...


class ClassStatistic:
    """METRICS of calls and scores against labels; CALIBRATION too where scores are probabilities.

    labels, calls int64 [n] in 0 to C-1; scores float64 [n, C], by whose columns rows are ranked.
    """

    def __init__(self, labels: I64, calls: I64, scores: F64, *, calibrated: bool) -> None:
        self._classes = scores.shape[1]
        self.names = METRICS + (CALIBRATION if calibrated else ())
        cells = labels * self._classes + calls
        self._cells = _indicator(cells, self._classes**2)
        is_class = labels[:, None] == np.arange(self._classes)
        every = np.arange(len(labels))
        ranked = (1,) if self._classes == 2 else range(self._classes)
        self._areas = [Ranking(is_class[:, c], scores[:, c], every) for c in ranked]
        self._pairs = [
            Ranking(is_class[:, c], scores[:, c], np.flatnonzero(is_class[:, pair].any(axis=1)))
            for pair in (combinations(range(self._classes), 2) if self._classes > 2 else ())
            for c in pair
        ]
        self._loss = _squares(is_class, scores) if calibrated else None
        self._gaps = _gaps(labels, scores) if calibrated else None

    def __call__(self, weights: Weights) -> F64:
        table = (weights.astype(np.float64) @ self._cells).reshape(-1, self._classes, self._classes)
        areas = [ranking(weights) for ranking in self._areas]
        if self._classes == 2:
            auroc, auprc = areas[0]
        else:
            auroc = np.mean([ranking(weights)[0] for ranking in self._pairs], axis=0)
            auprc = np.mean([area for _, area in areas], axis=0)
        found = [*_of_tables(table), auroc, auprc]
        if self._loss is not None and self._gaps is not None:
            total = weights.sum(axis=1, dtype=np.float64)
            found += [weights @ self._loss / total, np.abs(weights @ self._gaps).sum(axis=1) / total]
        return np.stack(found, axis=1)


class RegressionStatistic:
    """REGRESSION numbers of values found against values measured, both float64 [n]."""

    names: tuple[str, ...] = REGRESSION

    def __init__(self, measured: F64, found: F64) -> None:
        # About the mean, so that sums of squares lose no digits.
        self._y, self._x = measured - measured.mean(), found - measured.mean()
        self._of_y, self._of_x = Ranks(measured), Ranks(found)

    def __call__(self, weights: Weights) -> F64:
        w = weights.astype(np.float64)
        total, y, x = w.sum(axis=1), self._y, self._x
        moments = w @ np.stack([y, x, y * y, x * x, x * y], axis=1) / total[:, None]
        of_y, of_x = moments[:, 2] - moments[:, 0] ** 2, moments[:, 3] - moments[:, 1] ** 2
        error = moments[:, 3] - 2 * moments[:, 4] + moments[:, 2]
        both = moments[:, 4] - moments[:, 0] * moments[:, 1]
        a, b = self._of_y(w), self._of_x(w)
        ranks = (np.einsum("bn,bn,bn->b", w, part, other) / total for part, other in ((a, b), (a, a), (b, b)))
        together, first, second = ranks
        with np.errstate(divide="ignore", invalid="ignore"):
            pearson, spearman = both / np.sqrt(of_y * of_x), together / np.sqrt(first * second)
            r2 = 1 - error / of_y
        rmse = np.sqrt(np.maximum(error, 0.0))
        # Constant values have no correlation; what sums leave of a variance of 0 is no variance.
        flat = (of_y <= 1e-14 * np.abs(y).max() ** 2) | (of_x <= 1e-14 * np.abs(x).max() ** 2)
        pearson = np.where(flat, np.nan, np.clip(pearson, -1, 1))
        r2 = np.where(of_y <= 1e-14 * np.abs(y).max() ** 2, np.nan, r2)
        spearman = np.where((first > 0) & (second > 0), np.clip(spearman, -1, 1), np.nan)
        return np.stack([pearson, spearman, r2, rmse], axis=1)


class Ranking:
    """AUROC and average precision of one order of some of the rows; ties count half and are found together."""

    def __init__(self, positive: Bool, scores: F64, rows: I64) -> None:
        falling = np.argsort(-scores[rows], kind="stable")
        self._order = rows[falling]
        ranked = scores[self._order]
        first = np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)]
        group = np.cumsum(first) - 1
        self._starts = np.flatnonzero(first)
        self._hits = np.flatnonzero(positive[self._order])
        self._groups, self._first_hits = np.unique(group[self._hits], return_index=True)
        self._tied = len(self._starts) < len(ranked)

    def __call__(self, weights: Weights) -> tuple[F64, F64]:
        every = weights[:, self._order]
        hits = every[:, self._hits]
        if not len(self._hits):
            nothing = np.full(len(weights), np.nan)
            return nothing, nothing
        if self._tied:
            every = np.add.reduceat(every, self._starts, axis=1)
            hits = np.add.reduceat(hits, self._first_hits, axis=1)
        # Sums from the top score down to each score that a positive has: what is found, and among how many.
        among = np.cumsum(every, axis=1, dtype=np.int32)
        rows = among[:, -1]
        among = among[:, self._groups]
        found = np.cumsum(hits, axis=1, dtype=np.int32)
        total = found[:, -1]
        positive = hits.astype(np.float64)
        missed = (among - found).astype(np.float64)  # negatives at this score and above; those at it count half
        if self._tied:
            missed -= (every[:, self._groups] - hits) / 2
        pairs = total * (rows - total).astype(np.float64)
        above = np.einsum("bg,bg->b", positive, missed)
        auroc = 1 - np.divide(above, pairs, out=np.full(len(rows), np.nan), where=pairs > 0)
        positive *= found
        precise = np.divide(positive, among, out=positive, where=among > 0).sum(axis=1)
        return auroc, np.divide(precise, total, out=np.full(len(rows), np.nan), where=total > 0)


class Ranks:
    """Ranks of the rows among weighted rows, ties at the mean of theirs, about the mean rank."""

    def __init__(self, values: F64) -> None:
        self._order = np.argsort(values, kind="stable")
        ranked = values[self._order]
        self._starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)])
        _, self._group = np.unique(values, return_inverse=True)

    def __call__(self, weights: F64) -> F64:
        groups = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        upper = np.cumsum(groups, axis=1)
        middle = upper - (groups - 1) / 2 - (weights.sum(axis=1, keepdims=True) + 1) / 2
        ranks: F64 = middle[:, self._group.reshape(-1)]
        return ranks


def _of_tables(table: F64) -> list[F64]:
    """The first five METRICS of confusion tables [b, C, C] (rows true, columns called)."""
    hits, true, called = table.diagonal(axis1=1, axis2=2), table.sum(axis=2), table.sum(axis=1)
    total = table.sum(axis=(1, 2))
    shares = [_share(hits, called), _share(hits, true), _share(2 * hits, true + called)]
    of_classes = [part[:, 1] if part.shape[1] == 2 else part.mean(axis=1) for part in shares]
    covariance = hits.sum(axis=1) * total - (true * called).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (called**2).sum(axis=1))
    mcc = np.divide(covariance, np.sqrt(np.maximum(spread, 0)), out=np.zeros_like(total), where=spread > 0)
    return [hits.sum(axis=1) / total, *of_classes, mcc]


def _share(part: F64, whole: F64) -> F64:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _squares(is_class: Bool, probabilities: F64) -> F64:
    """Each row's part of the Brier score: of class 1 for two classes, else the sum over the classes."""
    squares = (probabilities - is_class) ** 2
    part: F64 = squares[:, 1] if is_class.shape[1] == 2 else squares.sum(axis=1)
    return part


def _gaps(labels: I64, probabilities: F64) -> F64:
    """What each row adds to the gap between confidence and truth of each bin, float64 [n, BINS]."""
    confidence, true = confidence_and_truth(labels, probabilities)
    gaps: F64 = _indicator(bin_of(confidence), BINS) * (confidence - true)[:, None]
    return gaps


def confidence_and_truth(labels: I64, probabilities: F64) -> tuple[F64, F64]:
    """What a reliability curve holds against each other, float64 [n] both.

    Of two classes the probability of class 1 and whether it is the label; of more the largest probability and whether
    its class is the label.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], (labels == 1).astype(np.float64)
    likeliest = probabilities.argmax(axis=1)
    return probabilities.max(axis=1), (labels == likeliest).astype(np.float64)


def bin_of(confidence: F64) -> I64:
    """The bin of each confidence; 1 belongs to the last."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _indicator(values: I64, count: int) -> F64:
    table: F64 = (values[:, None] == np.arange(count)).astype(np.float64)
    return table
