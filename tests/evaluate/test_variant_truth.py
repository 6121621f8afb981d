"""What alleles are and what is known of them, against plain rules, a value at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import DnabertError
from dnabert_fast.evaluate.variant_truth import (
    TYPES,
    Features,
    Truth,
    allele_types,
    bin_names,
    bins_of,
    distances,
)

CLINVAR = "CLNSIG=Pathogenic,Likely_pathogenic:Benign,Likely_benign"
MEANINGS = [
    (CLINVAR, "Pathogenic", 1.0, ""),
    (CLINVAR, "Pathogenic/Likely_pathogenic", 1.0, ""),
    (CLINVAR, "Benign|Likely_benign", 0.0, ""),
    (CLINVAR, "Benign,Benign", 0.0, ""),
    (CLINVAR, "Pathogenic|Benign", None, "CLNSIG is Pathogenic|Benign"),
    (CLINVAR, "Pathogenic|not_provided", None, "CLNSIG is Pathogenic|not_provided"),
    (CLINVAR, "pathogenic", None, "CLNSIG is pathogenic"),
    (CLINVAR, "", None, "no CLNSIG"),
    ("CLNSIG=Pathogenic:", "", None, None),
    ("FILTER=PASS", "PASS", 1.0, ""),
    ("FILTER=PASS", "q10;s50", 0.0, ""),
    ("FILTER=q10;s50:PASS", "q10;s50", 1.0, ""),  # a value as a whole
    ("FILTER=q*:PASS", "q10;q20", 1.0, ""),
    ("ID=rs*", "rs12;rs13", 1.0, ""),
    ("ID=rs*", ".", 0.0, ""),
    ("DB=.:1", "", 1.0, ""),  # "." asks for what is missing, and * does not
    ("DB=*:.", "", 0.0, ""),
    ("DB=*:x", "", None, "no DB"),
    ("AF", "0.25", 0.25, ""),
    ("AF", "", None, "no AF"),
]


@pytest.mark.parametrize(("condition", "value", "label", "reason"), MEANINGS)
def test_conditions_say_which_class_a_value_is_of(
    condition: str, value: str, label: float | None, reason: str | None
) -> None:
    if reason is None:
        with pytest.raises(DnabertError, match="--truth"):
            Truth.parse(condition)
        return
    labels, reasons = Truth.parse(condition).of([value, "", value])
    assert (None if np.isnan(labels[2]) else labels[2]) == label
    assert reasons[2] == reason
    assert len(labels) == 3


@pytest.mark.parametrize("text", ["", "=a", "A=b:c:d", "A=", "A=b,,c", "A=:b"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(DnabertError, match="give FIELD, FIELD=VALUE"):
        Truth.parse(text)


@pytest.mark.parametrize("value", ["Pathogenic", "nan", "inf", "1,2"])
def test_values_of_a_bare_field_are_numbers(value: str) -> None:
    with pytest.raises(DnabertError, match="name the values of the two classes"):
        Truth.parse("CLNSIG").of([value])


def test_types_are_told_by_bases_that_go_and_come() -> None:
    gone, come = np.array([1, 2, 0, 3, 1, 2, 0, 1]), np.array([1, 2, 4, 0, 3, 1, 0, 1])
    bases = np.array([True] * 7 + [False])
    expected = ["SNV", "MNV", "insertion", "deletion", "insertion", "deletion", "other", "other"]
    assert [TYPES[kind] for kind in allele_types(gone, come, bases)] == expected


@st.composite
def stretches(draw: st.DrawFn, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(1, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = random.integers(0, 60, n)
    return random.integers(0, 3, n), start, start + random.integers(1, 8, n)


@given(stretches(12), stretches(6))
def test_distances_are_those_of_every_pair(
    one: tuple[np.ndarray, np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    def apart(row: int, feature: int) -> int | None:
        (contig, start, end), (on, begin, stop) = (
            [int(part[i]) for part in x] for x, i in ((one, row), (other, feature))
        )
        return None if contig != on else max(0, begin - end + 1, start - stop + 1)

    found = distances(*one, Features(*other))
    for row, distance in enumerate(found.tolist()):
        every = [gap for feature in range(len(other[0])) if (gap := apart(row, feature)) is not None]
        assert distance == (min(every) if every else -1)


def test_bins_hold_what_their_names_say() -> None:
    edges = (100, 1000)
    names = bin_names(edges)
    assert names == ("inside", "1 to 100 bases", "101 to 1,000 bases", "over 1,000 bases", "none on the contig")
    distance = np.array([0, 1, 100, 101, 1000, 1001, 10**9, -1])
    assert bins_of(distance, edges).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
