"""Intervals of metrics by a stratified bootstrap. Knows weights and numbers, not what they measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .packages import need
from .weighted import F64, I64, Statistic, Weights

__all__ = ["METHODS", "Estimate", "estimates", "jackknife_weights", "resample_weights"]

METHODS = ("percentile", "bca")

_GROUPS = 1000
"""Groups of rows that the jackknife of a BCa interval leaves out in turn, at most: with more rows than that the
acceleration changes in the third digit only, and 10,000 rows would cost five times the bootstrap itself."""

_ENTRIES = 1 << 20
"""Weights held at once: they and what is made of them stay in the processor's cache."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN for what is not defined."""

    value: float
    low: float
    high: float


def estimates(
    statistics: Sequence[Statistic],
    strata: I64,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    method: str = "percentile",
    seed: int = 42,
    tick: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Estimate]]:
    """Each statistic's numbers with intervals; all are asked of the same resamples.

    strata int64 [n]: rows are drawn, with replacement, among those of the same stratum, so that every resample has as
    many of each class as the set. Resample r depends on `seed` and r alone. "percentile" takes quantiles of the
    resamples; "bca" corrects them for bias and skewness (Efron 1987). `tick` is called with the resamples done.
    """
    if method not in METHODS:
        raise ValueError(f"no interval named {method}; there are {', '.join(METHODS)}")
    if resamples < 1:
        raise ValueError(f"intervals need resamples, not {resamples}")
    n = len(strata)
    whole = [statistic(np.ones((1, n), np.int32))[0] for statistic in statistics]
    drawn: list[list[F64]] = [[] for _ in statistics]
    for weights in _in_chunks(resample_weights(strata, resamples, seed), n):
        for parts, statistic in zip(drawn, statistics, strict=True):
            parts.append(statistic(weights))
        tick(len(weights))
    samples = [np.concatenate(parts) for parts in drawn]
    accelerations = [np.zeros(len(statistic.names)) for statistic in statistics]
    if method == "bca":
        accelerations = _accelerations(statistics, strata)
    found = []
    for statistic, value, sample, acceleration in zip(statistics, whole, samples, accelerations, strict=True):
        row = {}
        for i, name in enumerate(statistic.names):
            low, high = _interval(value[i], sample[:, i], level, acceleration[i] if method == "bca" else None)
            row[name] = Estimate(float(value[i]), low, high)
        found.append(row)
    return found


def resample_weights(strata: I64, resamples: int, seed: int) -> Iterator[Weights]:
    """How often each row was drawn, int32 [n], a resample at a time; each stratum keeps its size."""
    members = [np.flatnonzero(strata == value) for value in np.unique(strata)]
    for r in range(resamples):
        random = np.random.default_rng((seed, r))
        weights = np.empty(len(strata), np.int32)
        for rows in members:
            weights[rows] = np.bincount(random.integers(0, len(rows), len(rows)), minlength=len(rows))
        yield weights


def jackknife_weights(strata: I64) -> Iterator[tuple[int, int, Weights]]:
    """Weights with one group of a stratum's rows left out in turn: (stratum, how many groups it has, int32 [n])."""
    for stratum, value in enumerate(np.unique(strata)):
        rows = np.flatnonzero(strata == value)
        # A stratum of one row cannot do without it.
        groups = min(len(rows), max(2, _GROUPS * len(rows) // len(strata))) if len(rows) > 1 else 0
        for group in range(groups):
            weights = np.ones(len(strata), np.int32)
            weights[rows[group::groups]] = 0
            yield stratum, groups, weights


def _in_chunks(weights: Iterator[Weights], n: int) -> Iterator[Weights]:
    size = max(1, _ENTRIES // max(1, n))
    chunk: list[Weights] = []
    for one in weights:
        chunk.append(one)
        if len(chunk) == size:
            yield np.stack(chunk)
            chunk = []
    if chunk:
        yield np.stack(chunk)


def _accelerations(statistics: Sequence[Statistic], strata: I64) -> list[F64]:
    """The skewness of each number's influence over all strata, float64 [names] a statistic (Davison & Hinkley, 5.3)."""
    left_out = list(jackknife_weights(strata))
    cubes = [np.zeros(len(statistic.names)) for statistic in statistics]
    squares = [np.zeros(len(statistic.names)) for statistic in statistics]
    for stratum in sorted({stratum for stratum, _, _ in left_out}):
        own = [(groups, weights) for at, groups, weights in left_out if at == stratum]
        groups = own[0][0]
        chunks = list(_in_chunks(iter([weights for _, weights in own]), len(strata)))
        for i, statistic in enumerate(statistics):
            values = np.concatenate([statistic(chunk) for chunk in chunks])
            influence = (groups - 1) * (values.mean(axis=0) - values) / groups
            cubes[i] += (influence**3).sum(axis=0)
            squares[i] += (influence**2).sum(axis=0)
    return [
        np.divide(cube, 6 * square**1.5, out=np.zeros_like(cube), where=square > 0)
        for cube, square in zip(cubes, squares, strict=True)
    ]


def _interval(value: float, sample: F64, level: float, acceleration: float | None) -> tuple[float, float]:
    """The interval of a number from its resamples; an acceleration makes it BCa."""
    sample = sample[~np.isnan(sample)]
    if np.isnan(value) or not len(sample):
        return float("nan"), float("nan")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if acceleration is not None:
        special = need("scipy.special")
        at = (np.count_nonzero(sample < value) + np.count_nonzero(sample <= value)) / (2 * len(sample))
        if 0 < at < 1:  # at the edge of all resamples there is no bias to correct by
            bias, wanted = special.ndtri(at), special.ndtri(tails)
            tails = special.ndtr(bias + (bias + wanted) / (1 - acceleration * (bias + wanted)))
    low, high = np.quantile(sample, tails)
    return float(low), float(high)
