"""Numbers under weights against the same numbers of rows repeated that often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.judged import class_rows
from scipy import stats
from sklearn import metrics as sk

from dnabert_fast.evaluate.calibration import calibration
from dnabert_fast.evaluate.metrics import METRICS, class_metrics
from dnabert_fast.evaluate.weighted import BINS, ClassStatistic, RegressionStatistic, bin_of


@given(class_rows(), st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_weights_are_repeats(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, probabilities = case
    weights = np.random.default_rng(seed).integers(0, 3, (3, len(labels))).astype(np.int32)
    weights[:, np.unique(labels, return_index=True)[1]] += 1  # no class may vanish here
    found = ClassStatistic(labels, probabilities.argmax(axis=1), probabilities, calibrated=True)(weights)
    for row, weight in zip(found, weights, strict=True):
        y, p = np.repeat(labels, weight), np.repeat(probabilities, weight, axis=0)
        expected = class_metrics(y, p)
        np.testing.assert_allclose(row[: len(METRICS)], [expected[name] for name in METRICS], atol=1e-12)
        measured = calibration(y, p)
        np.testing.assert_allclose(row[len(METRICS) :], [measured.brier, measured.ece], atol=1e-12)


@given(class_rows(most=2))
def test_ranks_need_no_probabilities(case: tuple[np.ndarray, np.ndarray]) -> None:
    """Any scores rank, and calls need not be the likeliest class."""
    labels, probabilities = case
    scores = np.stack([-probabilities[:, 1], 7 * probabilities[:, 1] - 3], axis=1)
    statistic = ClassStatistic(labels, np.ones(len(labels), np.int64), scores, calibrated=False)
    found = dict(zip(statistic.names, statistic(np.ones((1, len(labels)), np.int32))[0], strict=True))
    assert found["recall"] == 1.0
    assert found["accuracy"] == pytest.approx(labels.mean())
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, probabilities[:, 1]), abs=1e-12)


def test_a_class_without_rows_has_no_area() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = np.stack([1 - (s := np.array([0.1, 0.6, 0.4, 0.9])), s], axis=1)
    weights = np.array([[1, 1, 0, 0], [0, 0, 1, 2], [1, 1, 1, 1]], np.int32)
    found = ClassStatistic(labels, scores.argmax(axis=1), scores, calibrated=False)(weights)
    areas = found[:, [METRICS.index("auroc"), METRICS.index("auprc")]]
    assert np.isnan(areas[0]).all()
    assert np.isnan(areas[1, 0])
    assert areas[2, 0] == 0.75


@given(st.integers(3, 40), st.integers(0, 2**32 - 1), st.sampled_from([3, 1000]))
@settings(max_examples=100)
def test_regression_numbers_equal_scipy_and_scikit_learn(n: int, seed: int, grain: int) -> None:
    random = np.random.default_rng(seed)
    measured = random.integers(0, grain, n) / 7 + 1e3
    found = measured + random.integers(-2, 3, n)
    weights = random.integers(0, 3, (3, n)).astype(np.int32)
    weights[:, 0] += 1
    for row, weight in zip(RegressionStatistic(measured, found)(weights), weights, strict=True):
        y, x = np.repeat(measured, weight), np.repeat(found, weight)
        assert row[3] == pytest.approx(np.sqrt(sk.mean_squared_error(y, x)), rel=1e-9, abs=1e-9)
        if np.ptp(y) == 0:
            assert np.isnan(row[[0, 1, 2]]).all()
            continue
        assert row[2] == pytest.approx(sk.r2_score(y, x), rel=1e-8, abs=1e-8)
        if np.ptp(x) == 0:
            assert np.isnan(row[:2]).all()
            continue
        assert row[0] == pytest.approx(stats.pearsonr(y, x).statistic, abs=1e-8)
        assert row[1] == pytest.approx(stats.spearmanr(y, x).statistic, abs=1e-9)


@given(class_rows(most=2))
def test_the_brier_score_is_scikit_learns(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    assert calibration(labels, probabilities).brier == pytest.approx(sk.brier_score_loss(labels, probabilities[:, 1]))


def test_the_calibration_error_by_hand() -> None:
    """Four rows at 0.9 of which two are true, and six at 0.1 of which none is: 0.4 * 0.4 + 0.6 * 0.1."""
    p = np.array([0.9] * 4 + [0.1] * 6)
    labels = np.array([1, 1, 0, 0] + [0] * 6)
    found = calibration(labels, np.stack([1 - p, p], axis=1))
    assert found.ece == pytest.approx(0.4 * 0.4 + 0.6 * 0.1)
    assert found.rows.sum() == 10
    assert np.isnan(found.confidence).sum() == BINS - 2
    assert bin_of(np.array([0.0, 1.0, 1 / BINS])).tolist() == [0, BINS - 1, 1]
