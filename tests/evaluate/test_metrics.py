"""Metrics against scikit-learn, on random labels and scores with ties, and on the edges by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from dnabert_fast.evaluate.metrics import METRICS, auprc, auroc, class_metrics, confusion, matthews


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels with every class present, and probabilities coarse enough for many ties."""
    classes = draw(st.integers(2, 4))
    n = draw(st.integers(classes, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, n - classes)]).astype(np.int64)
    weights = random.integers(1, draw(st.sampled_from([3, 50])), (n, classes)).astype(np.float64)
    return labels, weights / weights.sum(axis=1, keepdims=True)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_class_metrics_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    two = classes == 2
    kind = {"average": "binary" if two else "macro", "zero_division": 0, "labels": None if two else range(classes)}
    onehot = labels[:, None] == np.arange(classes)
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "precision": sk.precision_score(labels, predicted, **kind),
        "recall": sk.recall_score(labels, predicted, **kind),
        "f1": sk.f1_score(labels, predicted, **kind),
        "mcc": sk.matthews_corrcoef(labels, predicted),
        "auroc": sk.roc_auc_score(labels, probabilities[:, 1] if two else probabilities, multi_class="ovo"),
        "auprc": sk.average_precision_score(labels, probabilities[:, 1])
        if two
        else sk.average_precision_score(onehot, probabilities, average="macro"),
    }
    found = class_metrics(labels, probabilities)
    assert tuple(found) == METRICS
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_a_perfect_and_a_reversed_order() -> None:
    positive = np.array([True, True, False, False])
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    assert (auroc(positive, scores), auprc(positive, scores)) == (1.0, 1.0)
    assert auroc(positive, -scores) == 0.0
    assert auroc(positive, np.zeros(4)) == 0.5


def test_undefined_values_are_nan_or_zero() -> None:
    one_class = class_metrics(np.zeros(5, np.int64), np.tile([0.7, 0.3], (5, 1)))
    assert one_class["accuracy"] == 1.0
    assert (one_class["mcc"], one_class["precision"], one_class["recall"]) == (0.0, 0.0, 0.0)
    assert math.isnan(one_class["auroc"])
    assert math.isnan(one_class["auprc"])


def test_confusion_counts_true_rows_and_predicted_columns() -> None:
    table = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert matthews(np.array([[5, 0], [0, 5]])) == pytest.approx(1.0)
    assert matthews(np.array([[0, 5], [5, 0]])) == pytest.approx(-1.0)
