"""Do probabilities mean what they say: the temperature that makes them, and the measures of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .packages import need
from .weighted import BINS, F64, I64, bin_of, confidence_and_truth

__all__ = ["COLDEST", "HOTTEST", "Calibration", "Fitted", "calibration", "cross_entropy", "fit_temperature", "softmax"]

COLDEST, HOTTEST = 0.05, 20.0
"""Where the search for a temperature ends: a set without one mistake would have it fall for ever."""


@dataclass(frozen=True)
class Fitted:
    """A temperature, the mean cross-entropy before and after, and whether the search ended at one of its ends."""

    temperature: float
    before: float
    after: float
    at_an_end: bool


@dataclass(frozen=True)
class Calibration:
    """The Brier score, the expected calibration error, and the BINS it is made of.

    Of each bin: rows i64, mean confidence and share that came true f64 (NaN in empty bins).
    """

    brier: float
    ece: float
    rows: I64
    confidence: F64
    true: F64


def calibration(labels: I64, probabilities: F64) -> Calibration:
    """Reliability of probabilities [n, C]: of class 1 for two classes, of the likeliest class for more.

    Brier: mean squared error (of class 1 for two classes, else summed over the classes). ECE: mean gap between
    confidence and truth of bins of equal width, each weighing as many rows as it has.
    """
    confidence, true = confidence_and_truth(labels, probabilities)
    bins = bin_of(confidence)
    rows = np.bincount(bins, minlength=BINS)
    sums = [np.bincount(bins, weights=values, minlength=BINS) for values in (confidence, true)]
    means = [np.divide(part, rows, out=np.full(BINS, np.nan), where=rows > 0) for part in sums]
    squares = (probabilities - (labels[:, None] == np.arange(probabilities.shape[1]))) ** 2
    brier = float(squares[:, 1].mean() if probabilities.shape[1] == 2 else squares.sum(axis=1).mean())
    return Calibration(brier, float(np.abs(sums[0] - sums[1]).sum() / len(labels)), rows, means[0], means[1])


def fit_temperature(labels: I64, logits: NDArray[np.floating]) -> Fitted:
    """The temperature by which logits [n, C] must be divided for the least cross-entropy (Guo et al. 2017).

    Cross-entropy has a single minimum in the temperature; it is sought between COLDEST and HOTTEST.
    """
    table = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return cross_entropy(labels, table / math.exp(log_temperature))

    ends = math.log(COLDEST), math.log(HOTTEST)
    found = need("scipy.optimize").minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    at_an_end = min(found.x - ends[0], ends[1] - found.x) < 1e-3
    return Fitted(math.exp(found.x), loss(0.0), float(found.fun), bool(at_an_end))


def cross_entropy(labels: I64, logits: F64) -> float:
    """Mean of -log softmax(logits)[label] in nats."""
    top = logits.max(axis=1)
    normal = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((normal - logits[np.arange(len(labels)), labels]).mean())


def softmax(logits: F64) -> F64:
    """Probabilities [n, C] of logits [n, C]."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: F64 = raised / raised.sum(axis=1, keepdims=True)
    return shares
