"""Candidates, merging and windows against a slow twin; planted motifs; ends, strands and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import motifs as oracle

from dnabert_fast import DnabertError
from dnabert_fast.analysis.candidates import Candidates, find_candidates
from dnabert_fast.analysis.motifs import (
    Criteria,
    FoundMotif,
    background_of,
    consensus,
    find_motifs,
    informative,
    probabilities,
)
from dnabert_fast.analysis.regions import Regions
from dnabert_fast.seq.batch import Windows

SITE = "TGACCTTTGCAC"


def regions_of(rows: list[oracle.Region]) -> Regions:
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Regions(*columns)


def planted(
    n: int, seed: int, letters: str = "ACGT", length: int = 40
) -> tuple[list[str], list[bool], list[oracle.Region]]:
    """Positives with a noisy site on either strand, some of them over an end; regions are parts of sites, and noise.

    They have odd lengths, so that none is its own reverse complement.
    """
    rng = np.random.default_rng(seed)
    sequences, positive, regions = [], [], []
    for row in range(n):
        text = "".join(rng.choice(list(letters), length))
        yes = row % 2 == 0
        if yes and rng.random() < 0.8:
            site = "".join(rng.choice(list("ACGT")) if rng.random() < 0.06 else base for base in SITE)
            site = oracle.turned(site) if rng.random() < 0.5 else site
            at = int(rng.choice([0, length - len(site), rng.integers(0, length - len(site))]))
            text = text[:at] + site + text[at + len(site) :]
            first = at + int(rng.integers(0, 4))
            regions.append((row, first, first + int(rng.choice([5, 7]))))
        noise = int(rng.integers(0, length - 7))
        regions.append((row, noise, noise + 7))
        sequences.append(text)
        positive.append(yes)
    return sequences, positive, sorted(regions)


def search(
    sequences: list[str], positive: list[bool], regions: list[oracle.Region], criteria: Criteria, both: bool = True
) -> tuple[Candidates, list[FoundMotif]]:
    windows = Windows.from_strings(sequences)
    candidates = find_candidates(windows, np.array(positive, np.bool_), regions_of(regions), both)
    return candidates, find_motifs(windows, candidates, criteria, both)


def plain(candidates: Candidates, found: list[FoundMotif]) -> list[oracle.Motif]:
    """What was found, as the slow twin says it."""
    motifs = []
    for motif in found:
        sites = motif.sites
        places = zip(sites.window.tolist(), sites.start.tolist(), sites.reverse.tolist(), strict=True)
        strings = [candidates.strings[i].decode() for i in motif.strings]
        motifs.append(oracle.Motif(strings, sorted(places), motif.counts.tolist()))
    return motifs


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("all_ties", [True, False])
@pytest.mark.parametrize(("n", "letters"), [(60, "ACGT"), (90, "ACGTacgtN"), (80, "AT")])
def test_against_the_slow_twin(n: int, letters: str, all_ties: bool, both: bool) -> None:
    for seed in range(3):
        data = planted(n, seed, letters)
        options = {"width": 15, "cutoff": 0.4, "min_sites": 2, "all_ties": all_ties}
        candidates, found = search(*data, Criteria(**options), both)
        slow = oracle.candidates(*data, both)
        assert [string.decode() for string in candidates.strings] == [c.string for c in slow]
        assert candidates.sequences.tolist() == [c.sequences for c in slow]
        assert candidates.positives.tolist() == [c.positives for c in slow]
        assert candidates.p == pytest.approx([float(c.p) for c in slow], rel=1e-9)
        assert candidates.adjusted == pytest.approx([c.adjusted for c in slow], rel=1e-9)
        expected = oracle.motifs(data[0], slow, **options, both=both)
        assert len(expected) >= 2
        assert plain(candidates, found) == expected


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text("AC", min_size=8, max_size=14), st.booleans()), min_size=2, max_size=14), st.data())
def test_any_small_set_against_the_slow_twin(rows: list[tuple[str, bool]], data: st.DataObject) -> None:
    sequences, positive = [row[0] for row in rows], [row[1] for row in rows]
    regions = []
    for row, text in enumerate(sequences):
        start = data.draw(st.integers(0, len(text) - 3))
        regions.append((row, start, data.draw(st.integers(start + 3, len(text)))))
    # Not 1: rounding may put a p-value of 1 on either side of it.
    options = {"width": data.draw(st.integers(1, 20)), "cutoff": 0.9999, "min_sites": 1, "min_length": 3}
    candidates, found = search(sequences, positive, regions, Criteria(**options))
    assert plain(candidates, found) == oracle.motifs(
        sequences, oracle.candidates(sequences, positive, regions), **options
    )


def test_a_planted_motif_is_found() -> None:
    sequences, positive, regions = planted(400, 1)
    candidates, found = search(sequences, positive, regions, Criteria())
    matrix = probabilities(found[0].counts, background_of(Windows.from_strings(sequences)))
    text = consensus(matrix)
    assert SITE in text or oracle.turned(SITE) in text
    first, last = found[0].first, found[0].last
    assert len(SITE) - 1 <= last - first <= len(SITE) + 3
    assert SITE[1:-1] in text[first:last] or oracle.turned(SITE)[1:-1] in text[first:last]
    assert candidates.adjusted[found[0].strings[0]] < 1e-6


def test_the_other_strand_of_every_sequence_gives_the_same_motifs() -> None:
    sequences, positive, regions = planted(200, 2)
    turned = [oracle.turned(text) for text in sequences]
    mirrored = sorted((row, 40 - end, 40 - start) for row, start, end in regions)
    criteria = Criteria(width=21)
    (one, found), (other, again) = (
        search(sequences, positive, regions, criteria),
        search(turned, positive, mirrored, criteria),
    )
    assert one.strings == other.strings
    assert one.positives.tolist() == other.positives.tolist()
    assert [motif.counts.tolist() for motif in found] == [motif.counts.tolist() for motif in again]
    assert all((a.sites.reverse != b.sites.reverse).all() for a, b in zip(found, again, strict=True))


def test_the_order_of_sequences_does_not_matter() -> None:
    sequences, positive, regions = planted(200, 3)
    order = np.random.default_rng(0).permutation(200).tolist()
    moved = {row: at for at, row in enumerate(order)}
    again = search(
        [sequences[i] for i in order], [positive[i] for i in order],
        [(moved[row], start, end) for row, start, end in reversed(regions)], Criteria(),
    )  # fmt: skip
    one = search(sequences, positive, regions, Criteria())
    assert [motif.counts.tolist() for motif in one[1]] == [motif.counts.tolist() for motif in again[1]]


def test_windows_over_the_ends_are_kept_and_count_nothing_there() -> None:
    sequences = ["GATTACA" + "C" * 20, "C" * 20 + "GATTACA", "TGTAATC" + "C" * 20, "C" * 6 + "GATTACA" + "C" * 14]
    sequences += ["CCCTCCGCCACCCCTTCCCCGGCCACC"] * 4
    regions = [(0, 0, 7), (1, 20, 27), (2, 0, 7), (3, 6, 13)]
    _, (motif,) = search(sequences, [True] * 4 + [False] * 4, regions, Criteria(width=13, cutoff=1.0))
    assert list(zip(motif.sites.start.tolist(), motif.sites.reverse.tolist(), strict=True)) == [
        (-3, False), (17, False), (-3, True), (3, False),
    ]  # fmt: skip
    assert motif.counts.sum(axis=1).tolist() == [3] * 3 + [4] * 7 + [2] * 3


def test_a_motif_as_long_as_a_sequence() -> None:
    sequences = ["ACGTAC"] * 3 + ["TTTTTT"] * 3
    _, (motif,) = search(sequences, [True] * 3 + [False] * 3, [(i, 0, 6) for i in range(3)], Criteria(cutoff=1.0))
    assert motif.counts.sum(axis=1).tolist() == [0] * 9 + [3] * 6 + [0] * 9


def test_ties_join_the_first_motif_or_all() -> None:
    sequences = ["AAAAACCCCC", "AAAAA", "CCCCC", "AAAAA", "CCCCC", "AAAAA", "CCCCC"] + ["AGCAGCAGCA"] * 9
    regions = [(0, 0, 10), *((i, 0, 5) for i in range(1, 7))]
    positive = [True] * 7 + [False] * 9
    options = {"cutoff": 1.0, "width": 5}
    _, first = search(sequences, positive, regions, Criteria(**options))
    _, every = search(sequences, positive, regions, Criteria(**options, all_ties=True))
    assert sorted(len(motif.sites) for motif in first) == [3, 4]
    assert [len(motif.sites) for motif in every] == [4, 4]


def test_nothing_in_nothing_out() -> None:
    windows = Windows.from_strings(["ACGTACGT", "TTTTTTTT"])
    none = find_candidates(windows, np.array([True, False]), regions_of([]))
    assert len(none) == 0
    assert find_motifs(windows, none, Criteria()) == []
    unknown = find_candidates(
        Windows.from_strings(["ACNNACGT", "TTTTTTTT"]), np.array([True, False]), regions_of([(0, 0, 5)])
    )
    assert (len(unknown), unknown.left_out) == (0, 1)


def test_negatives_give_no_strings() -> None:
    found = find_candidates(
        Windows.from_strings(["ACGTACGT", "TTTTTTTT"]), np.array([False, True]), regions_of([(0, 0, 5), (1, 0, 5)])
    )
    assert found.strings == [b"AAAAA"]


@pytest.mark.parametrize(
    ("column", "letter"),
    [([0.97, 0.01, 0.01, 0.01], "A"), ([0.5, 0.4, 0.05, 0.05], "M"), ([0.05, 0.05, 0.5, 0.4], "K"),
     ([0.25] * 4, "N"), ([0, 0.45, 0, 0.55], "Y"), ([0.52, 0.16, 0.16, 0.16], "A"), ([0.4, 0.3, 0.2, 0.1], "N")],
)  # fmt: skip
def test_consensus(column: list[float], letter: str) -> None:
    assert consensus(np.array([column])) == letter


def test_flanks_that_say_little_are_left_out() -> None:
    flat, sure, weak = [25, 25, 25, 25], [100, 0, 0, 0], [40, 20, 20, 20]
    assert informative(np.array([flat, weak, sure, sure, flat, sure, weak, flat, flat])) == (2, 6)
    # Further off than its two bits are worth: 15 columns of nothing cost 15 times 0.15.
    assert informative(np.array([sure, *([flat] * 15), sure, sure])) == (16, 18)
    assert informative(np.array([flat] * 4)) == (0, 4)
    assert informative(np.zeros((4, 4), np.int64)) == (0, 4)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"min_length": 0}, {"min_sites": 0}, {"cutoff": 0.0}, {"cutoff": 1.5}])
def test_criteria_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(DnabertError, match="--"):
        Criteria(**wrong)  # type: ignore[arg-type]
