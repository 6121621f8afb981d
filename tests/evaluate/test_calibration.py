"""Temperatures: those that were put in come out, and no other is better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from dnabert_fast.evaluate.calibration import COLDEST, HOTTEST, cross_entropy, fit_temperature, softmax


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_temperature_of_labels_drawn_from_cooled_logits(true: float, classes: int) -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(20_000, classes))
    labels = (softmax(logits / true).cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    found = fit_temperature(labels, logits)
    assert found.temperature == pytest.approx(true, rel=0.05)
    assert not found.at_an_end
    assert found.after <= found.before


@given(st.integers(10, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_no_other_temperature_is_better(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 3)) * 2
    labels = random.integers(0, 3, n)
    found = fit_temperature(labels, logits)
    for other in np.geomspace(1.01 * COLDEST, HOTTEST / 1.01, 60):
        assert found.after <= cross_entropy(labels, logits / other) + 1e-9


def test_without_a_mistake_there_is_no_minimum() -> None:
    logits = np.array([[3.0, -1.0], [-2.0, 2.0], [1.0, 0.0]])
    found = fit_temperature(np.array([0, 1, 0]), logits)
    assert found.at_an_end
    assert found.temperature == pytest.approx(COLDEST, rel=0.01)


@given(st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_cross_entropy_is_scikit_learns(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 3)) * 5
    labels = random.integers(0, 3, n)
    assert cross_entropy(labels, logits) == pytest.approx(log_loss(labels, softmax(logits), labels=[0, 1, 2]))
