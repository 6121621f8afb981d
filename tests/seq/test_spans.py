"""Windows as stretches of bases: the same pieces and ids as the windows' own, shared where they overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.kmers import kmer_ids

from dnabert_fast.seq.batch import PIECE, SpanBatch, TokenBatch, distinct, spans, tokenize_spans


@st.composite
def windows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Bases, starts, ends and strands of windows that overlap, some shorter than k, some of several pieces; and k."""
    seed, length = draw(st.integers(0, 1000)), draw(st.sampled_from([20, 700, 2500]))
    random = np.random.default_rng(seed)
    bases = random.choice(np.frombuffer(b"ACGTacgtNUR", np.uint8), size=length)
    n = draw(st.integers(1, 12))
    start = random.integers(0, length + 1, n)
    end = np.minimum(length, start + random.integers(0, draw(st.sampled_from([8, 300, 2000])), n))
    return bases, start, end, random.random(n) < draw(st.sampled_from([0, 0.5, 1])), draw(st.integers(3, 6))


@given(windows())
def test_ids_are_those_of_the_windows(given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]) -> None:
    bases, start, end, reverse, k = given
    expected = tokenize_spans(bases, start, end, reverse, k)
    batch = spans(bases, start, end, reverse, k)
    assert (len(batch), batch.lengths.tolist()) == (len(expected), expected.lengths.tolist())
    assert_equal(batch.tokens(), expected)


@given(windows(), st.data())
def test_some_pieces_in_any_order(
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], data: st.DataObject
) -> None:
    expected, batch = tokenize_spans(*given), spans(*given)
    which = np.array(data.draw(st.lists(st.integers(0, len(batch) - 1), min_size=1, max_size=20)), np.int32)
    taken = batch.take(which)
    assert isinstance(taken, SpanBatch)
    assert_equal(taken.tokens(), expected.take(which))


@given(windows())
def test_codes_starts_and_lengths_say_the_ids(
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int],
) -> None:
    """What a GPU is sent: pieces of codes, read forwards or as the reverse complement (code ^ 1)."""
    batch = spans(*given)
    codes, expected = batch.codes(), tokenize_spans(*given)
    for i, (start, length) in enumerate(zip(batch.starts.tolist(), batch.lengths.tolist(), strict=True)):
        kmers = length - 2
        part = codes[start : start + kmers + batch.k - 1] if kmers else codes[:0]
        assert len(part) == (kmers + batch.k - 1 if kmers else 0)
        if batch.reverse[i]:
            part = np.where(part < 4, part ^ 1, 4)[::-1]
        letters = np.frombuffer(b"ATCGN", np.uint8)[part].tobytes()
        ids = expected.ids[expected.cu_seqlens[i] : expected.cu_seqlens[i + 1]].tolist()
        assert ids == [2, *kmer_ids(letters, batch.k), 3]


@given(windows())
def test_pieces_are_told_apart_by_where_they_lie(
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int],
) -> None:
    batch = spans(*given)
    found = distinct(batch)
    places = list(zip(batch.starts.tolist(), batch.lengths.tolist(), batch.reverse.tolist(), strict=True))
    seen: dict[tuple[int, int, bool], int] = {}
    inverse = [seen.setdefault(place, len(seen)) for place in places]
    assert found.inverse.tolist() == inverse
    assert found.first.tolist() == [inverse.index(group) for group in range(len(seen))]
    assert (found.first.dtype, found.inverse.dtype) == (np.int32, np.int32)
    # Never less apart than by content, but for pieces that are empty.
    by_content = distinct(batch.tokens())
    assert len(by_content.first) <= len(found.first)


@pytest.mark.parametrize("reverse", [False, True])
def test_neighbours_share_the_pieces_of_long_windows(reverse: bool) -> None:
    """Windows of three pieces, a piece's stride apart: each has one of its own but the first."""
    random = np.random.default_rng(3)
    bases = random.choice(np.frombuffer(b"ACGT", np.uint8), size=3 * PIECE + 5 + 9 * PIECE)
    start = np.arange(10, dtype=np.int64) * PIECE
    batch = spans(bases, start, start + 3 * PIECE + 5, reverse, 6)
    assert (len(batch), len(distinct(batch).first)) == (30, 12)
    assert len(distinct(batch.tokens()).first) == 12


def test_windows_that_are_none() -> None:
    with pytest.raises(ValueError, match="negative length"):
        spans(np.zeros(9, np.uint8), np.array([5]), np.array([3]), False, 3)


def assert_equal(batch: TokenBatch, expected: TokenBatch) -> None:
    for name in ("ids", "cu_seqlens", "owner"):
        found, wanted = getattr(batch, name), getattr(expected, name)
        assert found.dtype == wanted.dtype
        assert found.tolist() == wanted.tolist()
