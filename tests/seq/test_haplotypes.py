"""Haplotypes in windows against strings, one sample and one window at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.haplotypes import Change, of_window

from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genotypes import genotypes
from dnabert_fast.seq.haplotypes import Carriers, HaplotypeFlag, Haplotypes, applied, haplotypes_of
from dnabert_fast.seq.variants import Alleles, changes
from dnabert_fast.seq.vcf_text import Records, allele_table

CONTIG = "ACGTTGCAGGCTAGGATTACACCGTTGACGGTACCTTAGACCATGCATTGCCGATATCCGGTTAACGCATGCCTAGAGGTTCAACTG"

Rows = list[tuple[int, int, str, list[tuple[int, int]]]]
copies = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=3, max_size=3)
rows = st.lists(
    st.tuples(st.integers(0, 70), st.integers(0, 5), st.text("ACGT", max_size=5), copies), min_size=1, max_size=8
)


def carriers_of(drawn: Rows, phased: bool = True, sets: list[int] | None = None) -> Carriers:
    """Alleles of three samples, each a record of its own; carried: a number of each copy."""
    start, deleted, inserted, carried = zip(*drawn, strict=True)
    given = np.array(carried, np.uint8)
    n, samples = given.shape[:2]
    order = np.argsort(np.array(start), kind="stable")
    phase = np.zeros((n, samples), np.int64) if sets is None else np.array(sets)[:, None] * np.ones(samples, np.int64)
    return Carriers(
        np.array(start, np.int64),
        np.array(deleted, np.int64),
        Windows.from_strings(inserted),
        np.ones(n, np.bool_),
        given,
        np.arange(n, dtype=np.int32),
        given[:, :, 0] != given[:, :, 1],
        np.full((n, samples), phased),
        phase,
        np.zeros((n, samples), np.uint8),
        np.zeros((n, samples), np.bool_),
    ).take(order)


def texts(carriers: Carriers, found: Haplotypes, start: int, end: int) -> list[str]:
    """The bases of haplotypes of one window."""
    padded = CONTIG + "N" * 200
    spans = Windows.from_strings([padded[start : end + 60]] * len(found))
    size = np.full(len(found), end - start, np.int64)
    windows = applied(carriers, found.alleles, found.offsets, spans, np.full(len(found), start, np.int64), size)
    return [windows[i].decode() for i in range(len(found))]


@given(rows, st.integers(0, 60), st.integers(1, 25))
def test_phased_haplotypes_are_those_of_strings(drawn: Rows, start: int, length: int) -> None:
    carriers, end = carriers_of(drawn), start + length
    found = haplotypes_of(carriers, np.array([start], np.int64), np.array([end], np.int64))
    spelt = texts(carriers, found, start, end)
    mine = {int(copy): i for i, group in enumerate(found.copies) for copy in group}
    assert len(mine) == sum(len(group) for group in found.copies)
    ordered = sorted(drawn, key=lambda row: row[0])
    for sample in range(3):
        changes = [
            Change(at, gone, new, frozenset(c for c in (0, 1) if carried[sample][c]))
            for at, gone, new, carried in ordered
        ]
        expected = of_window(CONTIG, changes, start, end)
        assert {copy % 2 for copy in mine if copy // 2 == sample} == set(expected)
        for copy, (kept, text) in expected.items():
            group = mine[2 * sample + copy]
            assert spelt[group] == text
            assert found.offsets[group + 1] - found.offsets[group] == len(kept)
            spanning = any(change.start < start for change in kept)
            assert bool(found.flags[group] & HaplotypeFlag.SPANNING) == spanning
            behind = [change for change in changes if copy in change.copies and kept[-1].end <= change.start < end]
            pushed = any(all(change is not one for one in kept) for change in behind)
            assert bool(found.flags[group] & HaplotypeFlag.PUSHED_OUT) == pushed


@given(rows, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), min_size=1, max_size=6))
def test_windows_together_are_as_each_alone(drawn: Rows, spans: list[tuple[int, int]]) -> None:
    carriers = carriers_of(drawn)
    start, end = (np.array(column, np.int64) for column in zip(*((a, a + n) for a, n in spans), strict=True))
    found = haplotypes_of(carriers, start, end)
    alone = [haplotypes_of(carriers, start[i : i + 1], end[i : i + 1]) for i in range(len(start))]
    assert found.window.tolist() == [i for i, part in enumerate(alone) for _ in range(len(part))]
    assert found.alleles.tolist() == [row for part in alone for row in part.alleles.tolist()]
    assert [c.tolist() for c in found.copies] == [c.tolist() for part in alone for c in part.copies]


TWO: Rows = [(10, 1, "A", [(1, 0), (1, 1), (0, 0)]), (14, 1, "C", [(1, 0), (0, 1), (0, 1)])]


def one_window(carriers: Carriers) -> Haplotypes:
    return haplotypes_of(carriers, np.array([5], np.int64), np.array([25], np.int64))


def test_copies_with_the_same_alleles_are_one() -> None:
    found = one_window(carriers_of([*TWO[:1], (14, 1, "C", [(1, 0), (0, 1), (1, 0)])]))
    bounds = zip(found.offsets[:-1], found.offsets[1:], found.copies, strict=True)
    groups = {tuple(found.alleles[first:last].tolist()): copies.tolist() for first, last, copies in bounds}
    assert groups == {(0, 1): [0, 3], (0,): [2], (1,): [4]}


def test_what_an_insertion_pushes_out_of_the_window_is_told() -> None:
    """The window ends at 25; 14 bases more bring what stands at 14 to 28, and what is unusable there is told too."""
    drawn: Rows = [(10, 0, "A" * 14, [(1, 1), (1, 0), (0, 0)]), (14, 1, "C", [(1, 0), (0, 1), (0, 1)])]
    found = one_window(carriers_of(drawn))
    bounds = zip(found.offsets[:-1], found.offsets[1:], found.copies, found.flags, strict=True)
    told = {tuple(copies.tolist()): (found.alleles[a:b].tolist(), flags) for a, b, copies, flags in bounds}
    assert told == {(0,): ([0], HaplotypeFlag.PUSHED_OUT), (1, 2): ([0], 0), (3, 5): ([1], 0)}
    carriers = carriers_of(drawn)
    carriers.usable[1] = False
    assert one_window(carriers).flags.tolist()[0] == HaplotypeFlag.UNUSABLE


@pytest.mark.parametrize(
    ("phased", "sets", "flag"), [(False, None, HaplotypeFlag.UNPHASED), (True, [7, 9], HaplotypeFlag.PHASE_SETS)]
)
def test_what_is_not_phased_together_has_no_haplotypes(
    phased: bool, sets: list[int] | None, flag: HaplotypeFlag
) -> None:
    """Sample 0 has two heterozygous alleles; 1 one beside a homozygous one, 2 a single one: these are clear."""
    found = one_window(carriers_of(TWO, phased, sets))
    assert found.flags.tolist() == [flag, 0, 0, 0]
    assert [copies.tolist() for copies in found.copies] == [[0, 1], [2], [3], [5]]
    assert np.diff(found.offsets).tolist() == [0, 1, 2, 1]


def test_one_phase_set_is_clear() -> None:
    assert not one_window(carriers_of(TWO, True, [7, 7])).flags.any()


def test_overlap_and_truncation_are_told() -> None:
    both = [(1, 0), (0, 0), (0, 0)]
    found = one_window(carriers_of([(10, 4, "A", both), (12, 1, "G", both), (24, 0, "ACGT", both)]))
    assert found.flags.tolist() == [HaplotypeFlag.OVERLAP]
    assert found.alleles.tolist() == [0, 2]
    found = one_window(carriers_of([(24, 0, "ACGT", both)]))
    assert found.flags.tolist() == [HaplotypeFlag.TRUNCATED]
    # Of a deletion that begins before the window, what lies in the window alone moves others to the left.
    found = haplotypes_of(
        carriers_of([(0, 6, "", both), (23, 2, "", both)]), np.array([5], np.int64), np.array([25], np.int64)
    )
    assert found.flags.tolist() == [HaplotypeFlag.SPANNING]
    found = haplotypes_of(
        carriers_of([(0, 6, "", both), (23, 4, "", both)]), np.array([5], np.int64), np.array([25], np.int64)
    )
    assert found.flags.tolist() == [HaplotypeFlag.SPANNING | HaplotypeFlag.TRUNCATED]


@pytest.mark.parametrize(
    ("genotypes_of_records", "flags", "copies"),
    [
        (["0/0/1"], [HaplotypeFlag.POLYPLOID], [[0, 1]]),  # no copy of it is known, and still it is told
        (["0/0/1", "0/1"], [HaplotypeFlag.POLYPLOID], [[0, 1]]),
        (["./1", "0/1"], [HaplotypeFlag.UNPHASED], [[0, 1]]),  # REF is taken for the unknown copy: which has both?
        ([".|1", "0|1"], [HaplotypeFlag.MISSING], [[1]]),
        (["./0", "0/1"], [HaplotypeFlag.MISSING], [[1]]),
        (["./.", "0/1"], [HaplotypeFlag.MISSING], [[1]]),  # whoever else carries the first
        (["1", "0|1"], [0, 0], [[0], [1]]),
        (["0|0", "0/0"], [], []),
    ],
)
def test_genotypes_that_are_not_whole(
    genotypes_of_records: list[str], flags: list[int], copies: list[list[int]]
) -> None:
    lines = "".join(f"c\t{10 + i}\t.\tA\tC\t.\t.\t.\tGT\t{gt}\n" for i, gt in enumerate(genotypes_of_records))
    records = Records.parse(np.frombuffer(lines.encode(), np.uint8), 2, "in.vcf")
    table = allele_table(records)
    contig = np.zeros(len(table.record), np.int32)
    alleles = Alleles.of(table.record, table.kind, contig, records.position - 1, table.ref, table.alt)
    number = np.ones(len(alleles), np.int32)
    found = one_window(Carriers.of(alleles, changes(alleles), number, genotypes(records, 1), 0))
    assert found.flags.tolist() == flags
    assert [group.tolist() for group in found.copies] == copies
