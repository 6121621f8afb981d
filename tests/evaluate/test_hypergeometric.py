"""The hypergeometric tail against exact fractions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import motifs as oracle

from dnabert_fast.evaluate.hypergeometric import hypergeometric_tail


@given(st.data())
def test_against_fractions(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 300))
    marked = data.draw(st.integers(0, total))
    drawn = data.draw(st.integers(0, total))
    hits = data.draw(st.integers(max(0, drawn + marked - total), min(drawn, marked)))
    (found,) = hypergeometric_tail(np.array([hits]), np.array([drawn]), marked, total)
    assert found == pytest.approx(float(oracle.tail(hits, drawn, marked, total)), rel=1e-8)


def test_ends_and_repeats() -> None:
    found = hypergeometric_tail(np.array([0, 500, 0, 2000]), np.array([10, 500, 10, 2000]), 50_000, 100_000)
    assert found[[0, 2]].tolist() == [1, 1]
    assert found[1] == pytest.approx(float(oracle.tail(500, 500, 50_000, 100_000)), rel=1e-6)
    assert found[3] == 0  # 1e-608 has no number


def test_nothing_to_test() -> None:
    none = np.empty(0, np.int64)
    assert len(hypergeometric_tail(none, none, 3, 6)) == 0
