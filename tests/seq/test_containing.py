"""How many sequences hold each of many strings, against `in`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import motifs as oracle

from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.containing import count_containing

texts = st.lists(st.text("ACGT", max_size=30) | st.text("ACGTacgtuUN", max_size=30), max_size=12)


def canonical(strings: list[str]) -> list[str]:
    return sorted({min(string, oracle.turned(string)) for string in strings})


@given(texts, st.lists(st.text("ACGT", min_size=1, max_size=6), max_size=12), st.booleans())
def test_counts_are_those_of_in(texts: list[str], strings: list[str], both: bool) -> None:
    strings = canonical(strings) if both else sorted(set(strings))
    marked = [i % 2 == 0 for i in range(len(texts))]
    windows, sought = Windows.from_strings(texts), Windows.from_strings(strings)
    found = count_containing(sought, windows, np.array(marked, np.bool_), both)
    assert tuple(counts.tolist() for counts in found) == oracle.containing(strings, texts, marked, both)


def test_strings_within_strings_and_runs() -> None:
    windows = Windows.from_strings(["AAAAAA", "AATT", "GGAATTCC", "ANA"])
    marked = np.array([True, False, True, False])
    total, of_marked = count_containing(Windows.from_strings(["A", "AA", "AATT", "AAAAA", "GAATTC"]), windows, marked)
    assert total.tolist() == [4, 3, 2, 1, 1]
    assert of_marked.tolist() == [2, 2, 1, 1, 1]


def test_threads_count_the_same() -> None:
    rng = np.random.default_rng(0)
    windows = Windows.from_matrix(np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (5000, 60))])
    strings = canonical(["".join(rng.choice(list("ACGT"), rng.integers(3, 8))) for _ in range(500)])
    marked = rng.random(5000) < 0.5
    one, four = (count_containing(Windows.from_strings(strings), windows, marked, threads=n) for n in (1, 4))
    assert (one[0] == four[0]).all()
    assert (one[1] == four[1]).all()
    assert one[0].max() > 1000


@pytest.mark.parametrize("strings", [[""], ["ACN"], ["AC", "AC"], ["AC", "GT"]])
def test_strings_that_cannot_be_counted(strings: list[str]) -> None:
    with pytest.raises(ValueError, match="pattern"):
        count_containing(Windows.from_strings(strings), Windows.from_strings(["ACGT"]), np.ones(1, np.bool_))
