"""Per-base means against loops over windows and bases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import track as oracle

from dnabert_fast import _core
from dnabert_fast.seq.track import overlap_mean

windows = st.lists(
    st.tuples(st.integers(-20, 60), st.integers(0, 30), st.floats(-100, 100, width=32)).map(
        lambda w: (w[0], w[0] + w[1], w[2])
    ),
    max_size=12,
)


@given(windows, st.integers(-10, 30), st.integers(0, 40))
def test_mean_against_loops(rows: list[tuple[int, int, float]], origin: int, length: int) -> None:
    starts, ends, scores = ([row[i] for row in rows] for i in range(3))
    found = overlap_mean(
        np.array(starts, np.int64), np.array(ends, np.int64), np.array(scores, np.float32), origin, length
    )
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found, np.array(oracle.overlap_mean(starts, ends, scores, origin, length), np.float32)
    )


def test_two_stretches_with_halo_equal_one() -> None:
    rng = np.random.default_rng(3)
    starts = np.arange(0, 1000, 7)
    scores = rng.normal(size=len(starts)).astype(np.float32)
    whole = overlap_mean(starts, starts + 50, scores, 0, 1000)
    parts = [
        overlap_mean(starts[keep], starts[keep] + 50, scores[keep], a, 500)
        for a in (0, 500)
        for keep in [(starts < a + 500) & (starts + 50 > a)]
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_lengths_must_agree() -> None:
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="differ in length"):
        _core.overlap_add(one, two, np.zeros(1, np.float32), 0, np.zeros(1), np.zeros(1, np.int32))
