"""The curves that metrics summarise: ROC and precision-recall. Points for a picture or a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .packages import need

__all__ = ["Curve", "precision_recall", "roc"]


@dataclass(frozen=True)
class Curve:
    """Points of a curve, f64 [m] both: false positive rate and recall, or recall and precision."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def at_most(self, points: int) -> Curve:
        """The curve with about so many points, the first and last among them."""
        if len(self.x) <= points:
            return self
        kept = np.unique(np.linspace(0, len(self.x) - 1, points).round().astype(np.int64))
        return Curve(self.x[kept], self.y[kept])


def roc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """False positive rate and recall at every score, from (0, 0) to (1, 1); both kinds must be there."""
    false, recall, _ = need("sklearn.metrics").roc_curve(positive, scores)
    return Curve(false, recall)


def precision_recall(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """Recall and precision at every score, recall rising from 0; there must be positives."""
    precision, recall, _ = need("sklearn.metrics").precision_recall_curve(positive, scores)
    return Curve(recall[::-1], precision[::-1])
