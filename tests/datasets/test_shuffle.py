"""Shuffles keep what they must, reach every order with the same chance, and segments are replaced as said."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle.annotated import dinucleotides, orders_with_the_same_dinucleotides

from dnabert_fast.datasets.shuffle import dinucleotide_shuffle, replace_segments
from dnabert_fast.seq.batch import Windows


def shuffled(strings: list[bytes], seed: int = 0) -> list[bytes]:
    made = dinucleotide_shuffle(Windows.from_strings(strings), np.random.default_rng(seed))
    return [made[row] for row in range(len(made))]


@example([b"CAAAAAAAAACCA"], 0)  # the first step is a last exit
@given(st.lists(st.text("ACGTN", max_size=40).map(str.encode), max_size=8), st.integers(0, 9))
def test_every_dinucleotide_is_kept(strings: list[bytes], seed: int) -> None:
    for before, after in zip(strings, shuffled(strings, seed), strict=True):
        assert dinucleotides(after) == dinucleotides(before)
        assert (after[:1], after[-1:]) == (before[:1], before[-1:])
        assert len(after) == len(before)


@pytest.mark.parametrize("string", [b"AACGTAACC", b"ACACACGTC", b"AAGATCAGT", b"CACCTCA", b"TGTTGGAT"])
def test_every_order_has_the_same_chance(string: bytes) -> None:
    """Chi-square over all orders; its limit is passed by chance once in 100,000 runs, and the seed is fixed."""
    orders = orders_with_the_same_dinucleotides(string)
    n = 4000
    counts = Counter(shuffled([string] * n, seed=3))
    assert set(counts) == orders
    assert len(orders) > 2
    expected = n / len(orders)
    chi_square = sum((counts[order] - expected) ** 2 / expected for order in orders)
    freedom = len(orders) - 1
    assert chi_square < freedom + 4.3 * (2 * freedom) ** 0.5 + 12


def test_a_walk_with_one_way_out_of_a_long_cycle_is_found() -> None:
    string = b"AC" * 200 + b"G"
    assert shuffled([string] * 3) == [string] * 3
    assert shuffled([b"A" * 300 + b"C"]) == [b"A" * 300 + b"C"]


def test_real_sequences_become_others() -> None:
    random = np.random.default_rng(1)
    strings = [bytes(random.choice([*b"ACGT"], 300).tolist()) for _ in range(50)]
    for before, after in zip(strings, shuffled(strings), strict=True):
        assert after != before
    assert shuffled(strings) == shuffled(strings)
    assert shuffled(strings) != shuffled(strings, seed=1)


@given(st.integers(20, 330), st.integers(0, 99))
def test_twelve_of_nineteen_segments_are_replaced(length: int, seed: int) -> None:
    """Of N, so that each replaced base shows."""
    made = replace_segments(Windows.from_strings([b"N" * length] * 3), np.random.default_rng(seed))
    size = length // 20
    for row in range(3):
        segments = [made[row][i * size : (i + 1) * size] for i in range(19)]
        kept = [segment == b"N" * size for segment in segments]
        assert sum(kept) == 7
        assert all(b"N" not in segment for segment, same in zip(segments, kept, strict=True) if not same)
        assert made[row][19 * size :] == b"N" * (length - 19 * size)


def test_short_windows_stay() -> None:
    made = replace_segments(Windows.from_strings([b"", b"ACGT" * 4]), np.random.default_rng(0))
    assert [made[0], made[1]] == [b"", b"ACGT" * 4]
