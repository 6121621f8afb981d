"""Edited windows, REF checks, trimming and left-alignment against slices of strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import alleles as oracle

from dnabert_fast.seq import edits
from dnabert_fast.seq.batch import Windows, reverse_complement

bases = st.text(alphabet="ACGTacgtN", max_size=30).map(str.encode)
short = st.text(alphabet="AC", max_size=6).map(str.encode)
iupac = st.text(alphabet="ACGTUNRYSWKMBDHVacgtunryswkmbdhv", max_size=8).map(str.encode)


@st.composite
def edit(draw: st.DrawFn) -> tuple[bytes, int, int, bytes, int]:
    span = draw(bases)
    return span, draw(st.integers(0, len(span))), draw(st.integers(0, 40)), draw(bases), draw(st.integers(0, 60))


@given(st.lists(edit(), max_size=6))
def test_edits_against_slices(rows: list[tuple[bytes, int, int, bytes, int]]) -> None:
    spans, at, deleted, inserted, lengths = ([row[i] for row in rows] for i in range(5))
    found = edits.edit_windows(
        Windows.from_strings(spans),
        np.array(at, np.int64),
        np.array(deleted, np.int64),
        Windows.from_strings(inserted),
        np.array(lengths, np.int64),
    )
    assert [found[i] for i in range(len(rows))] == [oracle.edit(*row) for row in rows]


@pytest.mark.parametrize(
    ("at", "deleted", "inserted", "expected"),
    [
        (2, 1, b"T", b"ACTTAC"),  # SNV
        (2, 2, b"CC", b"ACCCAC"),  # MNV
        (2, 0, b"GGG", b"ACGGGG"),  # insertion: flank drops out on the right
        (2, 3, b"", b"ACCGTA"),  # deletion: flank comes in on the right
        (2, 4, b"AA", b"ACAAGT"),  # both
    ],
)
def test_the_window_keeps_its_length(at: int, deleted: int, inserted: bytes, expected: bytes) -> None:
    span = Windows.from_strings([b"ACGTACGTA"])
    ones = (np.array([value], np.int64) for value in (at, deleted))
    assert edits.edit_windows(span, *ones, Windows.from_strings([inserted]), np.array([6]))[0] == expected


def test_threads_do_not_change_edits() -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    spans = Windows.from_matrix(rng.choice(np.frombuffer(b"ACGT", np.uint8), (n, 30)))
    inserted = Windows.from_strings([b"ACGT"[: i % 5] for i in range(n)])
    at, deleted = rng.integers(0, 30, n), rng.integers(0, 5, n)
    one, four = (edits.edit_windows(spans, at, deleted, inserted, np.full(n, 25), threads) for threads in (1, 4))
    assert (one.bases == four.bases).all()


def test_an_edit_outside_its_span_is_refused() -> None:
    w, one = Windows.from_strings([b"ACGT"]), np.array([1])
    with pytest.raises(ValueError, match="edit 0 lies outside its span"):
        edits.edit_windows(w, np.array([5]), one, w, one)


@given(st.lists(st.tuples(iupac, iupac), max_size=6))
@example([(b"acgu", b"ACGT"), (b"N", b"N"), (b"N", b"A"), (b"RYS", b"ACC"), (b"R", b"G"), (b"A", b"R"), (b"", b"A")])
def test_reference_against_letters(rows: list[tuple[bytes, bytes]]) -> None:
    genome, ref = (Windows.from_strings([row[i] for row in rows]) for i in (0, 1))
    assert edits.match_reference(genome, ref).tolist() == [oracle.matches(*row) for row in rows]


@given(bases)
def test_a_genome_agrees_with_itself(text: bytes) -> None:
    w, other = Windows.from_strings([text]), Windows.from_strings([text.swapcase()])
    assert edits.match_reference(w, other).all()


@given(st.lists(st.tuples(short, short) | st.tuples(bases, bases), max_size=6))
@example([(b"ACA", b"AcA"), (b"A", b"AAA"), (b"CAA", b"CA"), (b"", b"")])
def test_trim_against_letters(rows: list[tuple[bytes, bytes]]) -> None:
    ref, alt = (Windows.from_strings([row[i] for row in rows]) for i in (0, 1))
    prefix, suffix = edits.trim(ref, alt)
    assert list(zip(prefix.tolist(), suffix.tolist(), strict=True)) == [oracle.trim(*row) for row in rows]


indels = st.tuples(short, short, st.just(b"")) | st.tuples(short, st.just(b""), short) | st.tuples(short, short, short)


@given(st.lists(indels, max_size=6))
@example([(b"CAAAA", b"A", b""), (b"AAAA", b"", b"AA"), (b"GCACACA", b"CA", b""), (b"", b"A", b""), (b"Ca", b"", b"A")])
def test_left_alignment_against_vt(rows: list[tuple[bytes, bytes, bytes]]) -> None:
    flank, ref, alt = (Windows.from_strings([row[i] for row in rows]) for i in range(3))
    shift, at_edge = edits.left_align(flank, ref, alt)
    assert list(zip(shift.tolist(), at_edge.tolist(), strict=True)) == [oracle.left_align(*row) for row in rows]


@given(short, short.filter(len), short, st.booleans())
def test_left_alignment_keeps_the_edited_sequence(flank: bytes, unit: bytes, right: bytes, deletion: bool) -> None:
    # Deleting (or inserting) as many letters at each place up to the shift, and at none further, gives the same.
    shift, at_edge = edits.left_align(
        Windows.from_strings([flank]),
        Windows.from_strings([unit if deletion else b""]),
        Windows.from_strings([b"" if deletion else unit]),
    )
    with_unit = flank + unit + right
    whole = {
        at: with_unit[: len(flank) - at] + with_unit[len(flank) - at + len(unit) :] for at in range(len(flank) + 1)
    }
    same = [at for at, left in whole.items() if left == flank + right]
    steps = next((at for at in range(len(flank) + 1) if at not in same), len(flank) + 1) - 1
    assert int(shift[0]) == steps
    assert bool(at_edge[0]) == (steps == len(flank))


@given(st.lists(iupac | st.binary(max_size=10), max_size=5))
def test_reverse_complement_against_letters(texts: list[bytes]) -> None:
    found = reverse_complement(Windows.from_strings(texts))
    assert [found[i] for i in range(len(texts))] == [oracle.reverse_complement(text) for text in texts]
