"""Rows, scores with many ties and weights, drawn by hypothesis; the slow truth they are held against."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@st.composite
def class_rows(
    draw: st.DrawFn, fewest: int = 2, most: int = 4, rows: int = 40
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels with every class there, and probabilities coarse enough for many ties."""
    count = draw(st.integers(fewest, most))
    n = draw(st.integers(count, rows))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.arange(count), random.integers(0, count, n - count)]).astype(np.int64)
    weights = random.integers(1, draw(st.sampled_from([3, 50])), (n, count)).astype(np.float64)
    return labels, weights / weights.sum(axis=1, keepdims=True)


def placements(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each pair of a positive and a negative whether the positive scores above, ties 1/2: float64 [m, p, q]."""
    above, below = scores[:, positive][:, :, None], scores[:, ~positive][:, None, :]
    found: NDArray[np.float64] = (above > below) + 0.5 * (above == below)
    return found


def pairwise_covariance(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUROCs and their covariance out of every pair, as DeLong, DeLong and Clarke-Pearson 1988 define them (eq. 5)."""
    pairs = placements(positive, scores)
    m, p, q = pairs.shape
    areas = pairs.mean(axis=(1, 2))
    covariance = np.zeros((m, m))
    for r in range(m):
        for s in range(m):
            of_positives = sum((pairs[r, i].mean() - areas[r]) * (pairs[s, i].mean() - areas[s]) for i in range(p)) / (
                p - 1
            )
            of_negatives = sum(
                (pairs[r, :, j].mean() - areas[r]) * (pairs[s, :, j].mean() - areas[s]) for j in range(q)
            ) / (q - 1)
            covariance[r, s] = of_positives / p + of_negatives / q
    return areas, covariance
