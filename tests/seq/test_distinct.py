"""Pieces grouped by content against a dictionary."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import rows as oracle

from dnabert_fast import _core
from dnabert_fast.seq.batch import TokenBatch, distinct

pieces = st.lists(st.lists(st.integers(0, 2), max_size=4) | st.lists(st.integers(0, 65535), max_size=40), max_size=40)


def batch_of(rows: list[list[int]]) -> TokenBatch:
    cu = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    return TokenBatch(np.array(list(chain(*rows)), np.uint16), cu, np.arange(len(rows), dtype=np.int32))


@given(pieces)
def test_groups_against_a_dictionary(rows: list[list[int]]) -> None:
    found = distinct(batch_of(rows))
    assert (found.first.tolist(), found.inverse.tolist()) == oracle.distinct(rows)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 39), st.integers(1, 4))
def test_one_changed_id_makes_another_piece(row: list[int], at: int, change: int) -> None:
    other = list(row)
    other[at % len(row)] += change
    assert distinct(batch_of([row, other, row, other[:-1]])).inverse[:3].tolist() == [0, 1, 0]


def test_a_longer_piece_of_zeros_is_another() -> None:
    rows = [[0] * n for n in range(80)]
    assert distinct(batch_of(rows)).first.tolist() == list(range(80))


def test_many_pieces() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4096, (1000, 96)).astype(np.uint16)
    which = rng.integers(0, 1000, 20_000)
    batch = TokenBatch(kinds[which].reshape(-1), np.arange(20_001, dtype=np.int32) * 96, which.astype(np.int32))
    found = distinct(batch)
    _, first = np.unique(which, return_index=True)
    assert found.first.tolist() == sorted(first.tolist())
    assert (which[found.first][found.inverse] == which).all()


@pytest.mark.parametrize("cu", [[], [1, 2], [0, 3], [0, 2, 1, 2]])
def test_bounds_are_checked(cu: list[int]) -> None:
    with pytest.raises(ValueError, match="cu_seqlens"):
        _core.distinct(np.zeros(2, np.uint16), np.array(cu, np.int32))
