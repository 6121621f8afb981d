"""Agreement of two sets of numbers, against scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from dnabert_fast.evaluate.agreement import agreement, spearman

VALUES = st.lists(
    st.tuples(st.integers(-4, 4), st.floats(-1e6, 1e6).map(lambda value: round(value, 1))), min_size=3, max_size=60
)


@given(VALUES)
def test_rank_correlation_is_scipys(pairs: list[tuple[int, float]]) -> None:
    one, other = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    if len(np.unique(one)) == 1 or len(np.unique(other)) == 1:
        assert math.isnan(spearman(one, other))
    else:
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def test_by_hand() -> None:
    found = agreement(np.array([0.0, 0.0, 1.0, -2.0]), np.array([0.0, 1e-9, 1.5, 2.0]))
    assert (found.count, found.largest, found.sign) == (4, 4.0, 0.5)  # 0 and 1e-9 have two signs
    same = agreement(np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, -2.0], [-0.0, 3.0]]))
    assert (same.count, same.largest, same.spearman, same.sign) == (4, 0.0, 1.0, 1.0)
    assert agreement(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0])).spearman == pytest.approx(-1.0)


def test_float32_is_compared_in_double() -> None:
    one = np.array([1.0, 2.0], np.float32)
    assert agreement(one, one + np.float32(1e-7)).largest == float(np.float64(one[0] + np.float32(1e-7)) - 1.0)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_not_finite_agrees_with_nothing(odd: float) -> None:
    found = agreement(np.array([1.0, 2.0, odd]), np.array([1.0, 2.0, odd]))
    assert math.isnan(found.largest)
    assert math.isnan(found.spearman)
    assert found.sign == pytest.approx(2 / 3)


def test_too_few() -> None:
    assert math.isnan(agreement(np.array([1.0]), np.array([1.0])).spearman)
    assert math.isnan(agreement(np.empty(0), np.empty(0)).sign)
    with pytest.raises(ValueError, match="cannot be compared"):
        agreement(np.zeros(3), np.zeros(4))
