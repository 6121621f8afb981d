"""Classification metrics on plain arrays: numpy in, numbers out. Knows nothing of networks or files."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "auprc", "auroc", "class_metrics", "confusion", "matthews"]

METRICS = ("accuracy", "precision", "recall", "f1", "mcc", "auroc", "auprc")

Labels = NDArray[np.int64]
Scores = NDArray[np.floating]


def class_metrics(labels: Labels, probabilities: Scores) -> dict[str, float]:
    """The METRICS of class probabilities [n, C] against labels int64[n] in 0 to C-1; n >= 1, C >= 2.

    The class predicted is the most probable one (the first of equals). With two classes precision, recall, F1, AUROC
    and AUPRC are of class 1; with more they are means over the classes, each weighing the same (AUROC over the pairs
    of classes: Hand and Till 2001, eq. 7). A share with nothing in its denominator counts as 0, the MCC of one
    predicted or one true class is 0, and AUROC and AUPRC are NaN where a class has no sequence.
    """
    classes = probabilities.shape[1]
    table = confusion(labels, probabilities.argmax(axis=1), classes)
    hits = table.diagonal().astype(np.float64)
    precision = _share(hits, table.sum(axis=0))
    recall = _share(hits, table.sum(axis=1))
    f1 = _share(2 * hits, table.sum(axis=0) + table.sum(axis=1))
    areas = np.array([auprc(labels == c, probabilities[:, c]) for c in range(classes)])
    return {
        "accuracy": float(hits.sum() / table.sum()),
        "precision": _of_classes(precision),
        "recall": _of_classes(recall),
        "f1": _of_classes(f1),
        "mcc": matthews(table),
        "auroc": _auroc_of_classes(labels, probabilities),
        "auprc": _of_classes(areas),
    }


def confusion(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """How many sequences of each true class (row) were given each class (column), int64 [classes, classes]."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def matthews(table: NDArray[np.int64]) -> float:
    """Matthews' correlation coefficient of a confusion table [C, C] (Gorodkin 2004, eq. 8); 0 where it is undefined."""
    counts = table.astype(np.float64)
    true, predicted, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    covariance = counts.trace() * total - true @ predicted
    spread = (total**2 - true @ true) * (total**2 - predicted @ predicted)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def auroc(positive: NDArray[np.bool_], scores: Scores) -> float:
    """Chance that a positive scores above a negative, ties counting half (Mann-Whitney); NaN without both kinds."""
    above = int(np.count_nonzero(positive))
    below = len(positive) - above
    if not above or not below:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2
    return float((middle_rank[place][positive].sum() - above * (above + 1) / 2) / (above * below))


def auprc(positive: NDArray[np.bool_], scores: Scores) -> float:
    """Average precision: precision at each score that occurs, weighted by the recall it adds; NaN without positives."""
    total = int(np.count_nonzero(positive))
    if not total:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[last_of_ties]
    return float((np.diff(found, prepend=0) * found / (last_of_ties + 1)).sum() / total)


def _auroc_of_classes(labels: Labels, probabilities: Scores) -> float:
    classes = probabilities.shape[1]
    if classes == 2:
        return auroc(labels == 1, probabilities[:, 1])
    areas = []
    for a, b in combinations(range(classes), 2):
        either = (labels == a) | (labels == b)
        is_a = labels[either] == a
        areas += [auroc(is_a, probabilities[either, a]), auroc(~is_a, probabilities[either, b])]
    return float(np.mean(areas))


def _of_classes(values: NDArray[np.float64]) -> float:
    """Class 1 of two; the mean of more."""
    return float(values[1] if len(values) == 2 else values.mean())


def _share(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
