"""Scores by their definitions in exact arithmetic, at both tails too."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.engine.scores import Readout, log_odds_ratio, probability, weighted_difference
from dnabert_fast.errors import DnabertError

LOGITS = st.floats(-80, 80, width=32)


@given(st.lists(st.lists(LOGITS, min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_log_odds_of_a_class(rows: list[list[float]], column: int) -> None:
    found = Readout(column, False, "x").score(np.array(rows, np.float32))
    for odds, row in zip(found, rows, strict=True):
        top = max(row)
        others = [math.exp(value - top) for i, value in enumerate(row) if i != column]
        expected = row[column] - top - math.log(sum(others)) if sum(others) > 1e-30 else None
        if expected is not None:
            assert odds == pytest.approx(expected, abs=1e-6)
        assert math.isfinite(odds)


@given(LOGITS, LOGITS)
def test_two_classes_differ_by_their_logits(no: float, yes: float) -> None:
    assert Readout(1, False, "yes").score(np.array([[no, yes]], np.float32))[0] == pytest.approx(yes - no, abs=1e-9)


@given(st.floats(-700, 700), st.floats(-700, 700))
def test_scores_are_finite_and_as_defined(ref: float, alt: float) -> None:
    r, a = np.array([ref]), np.array([alt])
    p, q = probability(r)[0], probability(a)[0]
    assert 0 <= p <= 1
    assert p == pytest.approx(1 / (1 + math.exp(-ref)), rel=1e-14)
    difference = weighted_difference(r, a)[0]
    assert difference == pytest.approx(float((Fraction(q) - Fraction(p)) * max(Fraction(p), Fraction(q))), rel=1e-12)
    assert log_odds_ratio(r, a)[0] == pytest.approx((ref - alt) / math.log(2), abs=1e-12)
    assert (difference < 0) <= (log_odds_ratio(r, a)[0] > 0)


def test_equal_scores_differ_by_exactly_0() -> None:
    odds = np.array([0.3, -40.0, 700.0])
    assert weighted_difference(odds, odds).tolist() == [0, 0, 0]
    assert log_odds_ratio(odds, odds).tolist() == [0, 0, 0]


def test_the_choice_of_a_class() -> None:
    assert Readout.choose(("a", "b"), False, None) == Readout(1, False, "b")
    assert Readout.choose(("a", "b"), False, "a") == Readout(0, False, "a")
    assert Readout.choose(("a", "b", "c"), False, "c") == Readout(2, False, "c")
    assert Readout.choose(("v",), True, None) == Readout(0, True, "v")
    for labels, regression, name in [(("a", "b", "c"), False, None), (("a", "b"), False, "c"), (("v",), True, "v")]:
        with pytest.raises(DnabertError):
            Readout.choose(labels, regression, name)


def test_a_regression_is_read_as_it_is() -> None:
    readout = Readout(0, True, "v")
    values = readout.score(np.array([[1.5], [-2.0]], np.float32))
    assert readout.value(values).tolist() == [1.5, -2.0]
