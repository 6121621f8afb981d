"""Pairs of sequences as tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.kmers import kmer_ids

from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import PAIR, Windows, pieces_of, tokenize, tokenize_pairs

SEQUENCE = st.text("ACGTN", max_size=40)
LETTERS = str.maketrans("ACGTN", "TGCAN")


@given(st.lists(st.tuples(SEQUENCE, SEQUENCE, st.booleans()), min_size=1, max_size=6), st.integers(3, 6))
def test_a_pair_is_cls_one_sep_other_sep(rows: list[tuple[str, str, bool]], k: int) -> None:
    first, second = (Windows.from_strings([row[i] for row in rows]) for i in (0, 1))
    found = tokenize_pairs(first, second, k, np.array([reverse for *_, reverse in rows]))
    for i, (*texts, reverse) in enumerate(rows):
        a, b = (kmer_ids((t.translate(LETTERS)[::-1] if reverse else t).encode(), k) for t in texts)
        piece = found.ids[found.cu_seqlens[i] : found.cu_seqlens[i + 1]].tolist()
        assert piece == [2, *a, 3, *b, 3]
    assert found.owner.tolist() == list(range(len(rows)))


def test_the_longest_pair_fits_and_a_longer_one_is_named() -> None:
    first, second = Windows.from_strings(["ACG", "A" * 302]), Windows.from_strings(["ACG", "C" * 211])
    assert tokenize_pairs(first, second, 3).lengths.max() == PAIR + 3 == 512
    with pytest.raises(DnabertError, match="pair 2 has 300 and 210 k-mers; the two may have 509 together"):
        tokenize_pairs(first, Windows.from_strings(["ACG", "C" * 212]), 3)


@pytest.mark.parametrize("length", [1, 6, 515, 516, 1025, 1026])
def test_pieces_are_counted_as_they_are_made(length: int) -> None:
    assert pieces_of(np.array([length]), 6)[0] == len(tokenize(Windows.from_strings(["A" * length]), 6))
