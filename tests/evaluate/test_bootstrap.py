"""Intervals against their definition over the same resamples, against scipy's, and for what they promise."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.judged import class_rows
from scipy import stats

from dnabert_fast.evaluate.bootstrap import Estimate, estimates, jackknife_weights, resample_weights
from dnabert_fast.evaluate.metrics import auroc
from dnabert_fast.evaluate.weighted import F64, ClassStatistic, Weights


def rows(n: int = 200, seed: int = 1, shift: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.4).astype(np.int64)
    p = 1 / (1 + np.exp(-(random.normal(size=n) + shift * (labels - 0.5))))
    return labels, np.stack([1 - p, p], axis=1)


def statistic(labels: np.ndarray, probabilities: np.ndarray) -> ClassStatistic:
    return ClassStatistic(labels, probabilities.argmax(axis=1), probabilities, calibrated=True)


class Mean:
    """The mean of values: what textbooks do."""

    names = ("mean",)

    def __init__(self, values: F64) -> None:
        self._values = values

    def __call__(self, weights: Weights) -> F64:
        return (weights @ self._values / weights.sum(axis=1))[:, None]


@given(class_rows(rows=30), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_resamples_keep_the_classes(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, _ = case
    for weights in resample_weights(labels, 3, seed):
        assert (weights >= 0).all()
        np.testing.assert_array_equal(np.bincount(labels, weights), np.bincount(labels))


def test_a_resample_depends_on_its_number_and_the_seed_alone() -> None:
    labels = rows(50)[0]
    few, many = list(resample_weights(labels, 3, 7)), list(resample_weights(labels, 9, 7))
    np.testing.assert_array_equal(few, many[:3])
    assert not np.array_equal(few[0], few[1])
    assert not np.array_equal(few[0], next(iter(resample_weights(labels, 1, 8))))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_by_their_definition(method: str) -> None:
    """Resample by resample with rows repeated, then quantiles; BCa by the formulas of Efron 1987."""
    labels, probabilities = rows(60)
    found = estimates([statistic(labels, probabilities)], labels, resamples=300, method=method, seed=3)[0]["auroc"]

    def area(weights: np.ndarray) -> float:
        return auroc(np.repeat(labels, weights) == 1, np.repeat(probabilities[:, 1], weights))

    sample = np.array([area(weights) for weights in resample_weights(labels, 300, 3)])
    value = area(np.ones(60, np.int64))
    tails = np.array([0.025, 0.975])
    if method == "bca":
        influence = []
        for c in (0, 1):
            kept = [area((np.arange(60) != row).astype(np.int64)) for row in np.flatnonzero(labels == c)]
            influence.append((np.mean(kept) - kept) * (len(kept) - 1) / len(kept))
        u = np.concatenate(influence)
        a = (u**3).sum() / (6 * (u**2).sum() ** 1.5)
        z0 = stats.norm.ppf(((sample < value).mean() + (sample <= value).mean()) / 2)
        z = z0 + stats.norm.ppf(tails)
        tails = stats.norm.cdf(z0 + z / (1 - a * z))
    assert (found.low, found.high) == pytest.approx(np.quantile(sample, tails), abs=1e-12)
    assert found.value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_of_a_skewed_mean_they_are_scipys(method: str) -> None:
    values = np.random.default_rng(5).exponential(size=80)
    ours = estimates([Mean(values)], np.zeros(80, np.int64), resamples=6000, method=method)[0]["mean"]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=6000, method={"bca": "BCa"}.get(method, method), rng=np.random.default_rng(2)
    ).confidence_interval
    spread = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.04 * spread)
    assert ours.high == pytest.approx(theirs.high, abs=0.04 * spread)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 200 sets with a known AUROC, 95 % intervals of 200 resamples hold it in about 95 % of them."""
    truth = stats.norm.cdf(1.2 / np.sqrt(2))
    held = 0
    for seed in range(200):
        random = np.random.default_rng((9, seed))
        labels = np.arange(80) % 2
        s = random.normal(size=80) + 1.2 * labels
        scores = np.stack([-s, s], axis=1)
        one = ClassStatistic(labels, (s > 0.6).astype(np.int64), scores, calibrated=False)
        found = estimates([one], labels, resamples=200, seed=seed)[0]["auroc"]
        held += found.low <= truth <= found.high
    assert 178 <= held <= 199  # 6 standard errors of 190 would be 18; chance alone leaves 181 to 198 in 99 %


def test_the_jackknife_leaves_every_row_out_once() -> None:
    labels = rows(2500)[0]
    left_out = np.zeros(2500, np.int64)
    for _, groups, weights in jackknife_weights(labels):
        left_out += weights == 0
        assert groups <= 1000
    assert (left_out == 1).all()


def test_what_is_constant_or_undefined() -> None:
    labels = np.array([0, 0, 1, 1])
    perfect = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8]])
    for method in ("percentile", "bca"):
        found = estimates([statistic(labels, perfect)], labels, resamples=50, method=method)[0]
        assert found["auroc"] == Estimate(1.0, 1.0, 1.0)
        assert found["mcc"].low == pytest.approx(1.0)
    alone = estimates([statistic(np.zeros(4, np.int64), perfect)], np.zeros(4, np.int64), resamples=5)[0]
    assert all(np.isnan([alone["auroc"].value, alone["auroc"].low, alone["auroc"].high]))


def test_all_predictors_meet_the_same_resamples() -> None:
    labels, probabilities = rows(90)
    one = statistic(labels, probabilities)
    told: list[int] = []
    both = estimates([one, one], labels, resamples=40, tick=told.append)
    assert both[0] == both[1]
    assert sum(told) == 40


def test_two_thousand_resamples_of_ten_thousand_rows_take_seconds() -> None:
    labels, probabilities = rows(10_000)
    began = time.perf_counter()
    estimates([statistic(labels, probabilities)], labels, resamples=2000)
    assert time.perf_counter() - began < 30  # 1.1 s on one idle core
    with pytest.raises(ValueError, match="no interval named normal"):
        estimates([], labels, method="normal")
