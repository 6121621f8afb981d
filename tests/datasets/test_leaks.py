"""Leaks: shared k-mers against the slow way, either strand, repeats and overlaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle import annotated

from dnabert_fast.datasets.leaks import KMER, kmers, overlapping, repeated, same_on_either_strand, shared_kmers
from dnabert_fast.datasets.spans import Spans
from dnabert_fast.seq.batch import Windows

dna = st.text("ACGTN", max_size=60).map(str.encode)


@given(st.lists(dna, max_size=5), st.integers(1, 31))
def test_kmers_are_alike_for_both_strands_and_no_others(strings: list[bytes], k: int) -> None:
    codes, there, counts = kmers(Windows.from_strings(strings), k)
    slow = [kmer for string in strings for kmer in annotated.kmers(string, k)]
    assert counts.tolist() == [len(annotated.kmers(string, k)) for string in strings]
    fast = codes[there].tolist()
    assert len(fast) == len(slow)
    # The numbers tell k-mers apart just as the letters do.
    assert len(set(zip(fast, slow, strict=True))) == len(set(fast)) == len(set(slow))


@given(st.lists(dna, max_size=4), st.lists(dna, max_size=4), st.booleans())
def test_shares_of_kmers(strings: list[bytes], others: list[bytes], turned: bool) -> None:
    others = [*others, *(string[5:] for string in strings[:2])]
    if turned:
        others = [annotated.reverse_complement(other) for other in others]
    known = {kmer for other in others for kmer in annotated.kmers(other, KMER)}
    mine = [annotated.kmers(string, KMER) for string in strings]
    wanted = [sum(kmer in known for kmer in each) / max(1, len(each)) for each in mine]
    found = shared_kmers(Windows.from_strings(strings), Windows.from_strings(others))
    np.testing.assert_allclose(found, wanted)


def test_same_letters_on_either_strand_and_again() -> None:
    windows = Windows.from_strings(["AACC", "GGTT", "ACGT", "AACC", "TTTT"])
    assert same_on_either_strand(windows, Windows.from_strings(["GGTT"])).tolist() == [True, True, False, True, False]
    again, first = repeated(windows)
    assert again.tolist() == [False, False, False, True, False]
    assert first[3] == 0


def test_one_difference_in_a_window_leaves_most_kmers() -> None:
    random = np.random.default_rng(0)
    string = bytes(random.choice([*b"ACGT"], 300).tolist())
    other = string[:150] + (b"A" if string[150:151] != b"A" else b"C") + string[151:]
    found = shared_kmers(Windows.from_strings([string]), Windows.from_strings([other]))
    assert found[0] == (270 - 31) / 270


def test_overlaps_of_sets_are_counted() -> None:
    def spans(*places: tuple[int, int]) -> Spans:
        start, end = np.array(places, np.int64).T
        return Spans(np.zeros(len(start), np.int32), start, end)

    assert overlapping([spans((0, 10), (20, 30)), spans((10, 20)), spans((30, 40))]) == 0
    assert overlapping([spans((0, 10), (20, 30)), spans((9, 20)), spans((19, 21))]) == 3
