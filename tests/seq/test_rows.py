"""Packed pieces against lists of lists."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import rows as oracle

from dnabert_fast import _core
from dnabert_fast.seq.batch import PIECE, Windows, tokenize, tokenize_spans

windows = st.lists(st.text(alphabet="ACGTNacgtn", max_size=60).map(str.encode), max_size=8)


@given(windows, st.data(), st.integers(3, 6), st.integers(1, 20))
def test_rows_against_lists(texts: list[bytes], data: st.DataObject, k: int, piece: int) -> None:
    reverse = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    pieces, owner = oracle.rows(texts, reverse, k, piece)
    w = Windows.from_strings(texts)
    m, total = _core.row_sizes(w.lengths, k, piece)
    assert (m, total) == (len(pieces), sum(map(len, pieces)))
    cu, own, ids = np.empty(m + 1, np.int32), np.empty(m, np.int32), np.empty(total, np.uint16)
    _core.rows(
        w.bases, w.offsets[:-1].copy(), w.offsets[1:].copy(), np.array(reverse, np.uint8), k, piece, cu, own, ids
    )
    assert own.tolist() == owner
    assert [ids[a:b].tolist() for a, b in pairwise(cu)] == pieces


@pytest.mark.parametrize("k", [3, 6])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kmers", "pieces"), [(0, 1), (1, 1), (509, 1), (510, 1), (511, 2), (1020, 2), (1021, 3)])
def test_pieces_at_the_limits(kmers: int, pieces: int, k: int, reverse: bool) -> None:
    # The original adds an empty piece at 510, 1020, ...; ours has ceil(n / 510).
    text = np.random.default_rng(kmers).choice(np.frombuffer(b"ACGT", np.uint8), kmers + k - 1).tobytes()
    batch = tokenize(Windows.from_strings([text]), k, reverse)
    expected, _ = oracle.rows([text], [reverse], k)
    assert len(batch) == pieces == len(expected)
    assert batch.lengths.tolist() == [len(piece) for piece in expected]
    assert batch.ids.tolist() == list(chain(*expected))
    assert int(batch.lengths.max()) <= PIECE + 2


@settings(max_examples=50)
@given(st.text(alphabet="ACGTN", min_size=1, max_size=200), st.data())
def test_overlapping_spans_are_windows(text: str, data: st.DataObject) -> None:
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted), max_size=6))
    starts, ends = (np.array([span[i] for span in spans], np.int64) for i in (0, 1))
    bases = np.frombuffer(text.encode(), np.uint8)
    batch = tokenize_spans(bases, starts, ends, False, 4)
    alone = tokenize(Windows.from_strings([text[a:b] for a, b in spans]), 4)
    for part, other in zip(
        (batch.ids, batch.cu_seqlens, batch.owner), (alone.ids, alone.cu_seqlens, alone.owner), strict=True
    ):
        assert part.tolist() == other.tolist()


def test_threads_do_not_change_rows() -> None:
    rng = np.random.default_rng(5)
    bases = rng.choice(np.frombuffer(b"ACGTN", np.uint8), 100_000)
    starts = rng.integers(0, 90_000, 5000)
    ends = starts + rng.integers(0, 3000, 5000)
    reverse = rng.integers(0, 2, 5000).astype(np.bool_)
    one, four = (tokenize_spans(bases, starts, ends, reverse, 6, threads) for threads in (1, 4))
    assert (one.ids == four.ids).all()
    assert (one.cu_seqlens == four.cu_seqlens).all()


def test_arguments_are_checked() -> None:
    w = Windows.from_strings([b"ACGTACGT"])
    with pytest.raises(ValueError, match="lies outside the bases"):
        tokenize_spans(w.bases, np.array([0]), np.array([9]), False, 3)
    with pytest.raises(ValueError, match="negative length"):
        tokenize_spans(w.bases, np.array([3]), np.array([2]), False, 3)
    with pytest.raises(ValueError, match="at least one k-mer"):
        _core.row_sizes(w.lengths, 3, 0)
    with pytest.raises(ValueError, match="more than 2\\^31 - 1 tokens"):
        _core.row_sizes(np.full(3, 2**30), 3, 510)
