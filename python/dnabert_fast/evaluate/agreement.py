"""How far two sets of numbers say the same: size, order and sign. Knows nothing of networks or files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agreement", "agreement", "spearman"]

Values = NDArray[np.floating]


@dataclass(frozen=True)
class Agreement:
    """Of `count` pairs: the largest absolute difference, Spearman's rank correlation, the share of equal signs."""

    count: int
    largest: float
    spearman: float
    sign: float


def agreement(reference: Values, found: Values) -> Agreement:
    """Compare two arrays of one shape, entry by entry.

    Two exact zeros have one sign, a zero and anything else have not. What is not finite in either makes the difference
    and the correlation NaN and agrees with nothing; no pairs at all make all three NaN. ValueError for other shapes.
    """
    if reference.shape != found.shape:
        raise ValueError(f"arrays of shapes {reference.shape} and {found.shape} cannot be compared")
    one, other = (np.asarray(values, np.float64).reshape(-1) for values in (reference, found))
    if not len(one):
        return Agreement(0, float("nan"), float("nan"), float("nan"))
    finite = np.isfinite(one) & np.isfinite(other)
    largest = float(np.abs(one - other).max()) if finite.all() else float("nan")
    sign = float(np.mean(finite & (np.sign(one) == np.sign(other))))
    return Agreement(len(one), largest, spearman(one, other), sign)


def spearman(one: Values, other: Values) -> float:
    """Spearman's rank correlation of two arrays [n], ties at the mean of their ranks.

    NaN where one of them is constant, holds what is not finite, or has fewer than two entries.
    """
    if len(one) < 2 or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return float("nan")
    a, b = _centred_ranks(one), _centred_ranks(other)
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else float("nan")


def _centred_ranks(values: Values) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    ranks: NDArray[np.float64] = middle[place.reshape(-1)] - (len(values) + 1) / 2
    return ranks
