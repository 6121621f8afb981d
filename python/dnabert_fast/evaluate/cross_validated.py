"""Classifiers on several numbers of a row, each row answered by one that has not seen its fold. Arrays alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .metrics import auroc
from .packages import need
from .weighted import F64, I64, Bool

__all__ = ["CLASSIFIERS", "FOLDS", "CrossValidated", "by_blocks", "by_groups", "cross_validated", "features_of"]

CLASSIFIERS = ("logistic", "boosting")

FOLDS = 10
"""Folds at most."""

_BLOCKS = 5
_FEWEST = 10  # rows of each class to learn from


@dataclass(frozen=True)
class CrossValidated:
    """The log-odds of class 1 of each row, float64 [n], from the classifier that has not seen its fold; and of each
    fold its rows, those of class 1, and its own AUROC (NaN where it has one class alone)."""

    scores: F64
    folds: tuple[tuple[int, int, float], ...]


def by_groups(groups: I64, positive: Bool) -> I64 | None:
    """The fold of each row, int64 [n], such that rows of a group are of one fold; None where that cannot be.

    Groups, the largest first, go to whichever of up to FOLDS folds has fewest rows. It cannot be with one group alone,
    and where the rest of the rows would have too few of a class to learn from.
    """
    distinct, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count = min(FOLDS, len(distinct))
    filled = np.zeros(count, np.int64)
    fold_of = np.empty(len(distinct), np.int64)
    for group in np.argsort(-sizes, kind="stable").tolist():
        fold_of[group] = int(filled.argmin())
        filled[fold_of[group]] += sizes[group]
    folds = fold_of[which.reshape(-1)]
    return folds if _can_learn(folds, positive) else None


def by_blocks(contig: I64, position: I64, positive: Bool) -> I64 | None:
    """The fold of each row, int64 [n]: stretches of the genome with about equally many rows; None where there are too
    few of a class to learn from. Rows of one position are of one fold."""
    order = np.lexsort((position, contig))
    begins = np.append(True, (np.diff(position[order]) != 0) | (np.diff(contig[order]) != 0))[: len(order)]
    place = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    folds = np.empty(len(order), np.int64)
    folds[order] = place * _BLOCKS // max(1, len(order))
    return folds if _can_learn(folds, positive) else None


def _can_learn(folds: I64, positive: Bool) -> bool:
    present = np.unique(folds)
    rest = [positive[folds != fold] for fold in present.tolist()]
    return len(present) > 1 and all(_FEWEST <= part.sum() <= len(part) - _FEWEST for part in rest)


def features_of(fields: F64) -> F64:
    """What classifiers are given of numbers [n, m]: each and its size, float64 [n, 2 m]."""
    return np.concatenate([fields, np.abs(fields)], axis=1)


def cross_validated(features: F64, positive: Bool, folds: I64, kind: str, seed: int = 42) -> CrossValidated:
    """Answer each row of features [n, m] by a classifier that learned from the other folds.

    "logistic": logistic regression on standardised numbers with an L2 penalty (C = 1); "boosting": gradient-boosted
    trees by histograms, 100 of up to 8 leaves. Both weigh the classes alike, so that a fold's share of class 1, which
    is not in it, cannot be learnt from what is left. Raises MissingExtra without scikit-learn.
    """
    scores = np.empty(len(positive), np.float64)
    told = []
    for fold in np.unique(folds).tolist():
        own = folds == fold
        model = _model(kind, seed).fit(features[~own], positive[~own])
        scores[own] = model.decision_function(features[own])
        told.append((int(own.sum()), int(positive[own].sum()), auroc(positive[own], scores[own])))
    return CrossValidated(scores, tuple(told))


def _model(kind: str, seed: int) -> Any:
    if kind == "logistic":
        regression = need("sklearn.linear_model").LogisticRegression(class_weight="balanced", max_iter=1000)
        return need("sklearn.pipeline").make_pipeline(need("sklearn.preprocessing").StandardScaler(), regression)
    return need("sklearn.ensemble").HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, learning_rate=0.05, class_weight="balanced", random_state=seed,
        early_stopping=False,
    )  # fmt: skip
