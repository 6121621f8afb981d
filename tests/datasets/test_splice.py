"""Introns out of exons, the windows of their sites, and those between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.datasets.examples import read_windows
from dnabert_fast.datasets.spans import Spans
from dnabert_fast.datasets.splice import Introns, between, introns_of, motifs, splice_sites
from dnabert_fast.seq.genome import Genome

exons = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 12)), max_size=14)


def found(rows: list[tuple[int, int, int]]) -> Introns:
    transcript, start, length = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    n = len(rows)
    return introns_of(
        transcript, np.zeros(n, np.int32), start, start + length, np.zeros(n, np.bool_), [str(t) for t in transcript]
    )


@given(exons)
def test_introns_are_the_gaps_of_transcripts(rows: list[tuple[int, int, int]]) -> None:
    wanted = set()
    for transcript in {row[0] for row in rows}:
        bases = {b for t, s, n in rows if t == transcript for b in range(s, s + n)}
        inside = [b for b in range(min(bases), max(bases)) if b not in bases]
        first = [b for b in inside if b - 1 not in inside]
        last = [b + 1 for b in inside if b + 1 not in inside]
        wanted |= set(zip(first, last, strict=True))
    introns = found(rows)
    places = list(zip(introns.start.tolist(), introns.end.tolist(), strict=True))
    assert set(places) == wanted
    assert len(places) == len(wanted)


def introns(*places: tuple[int, int, bool, str]) -> Introns:
    start, end, reverse, names = zip(*places, strict=True)
    n = len(places)
    return Introns(
        np.zeros(n, np.int32), np.array(start, np.int64), np.array(end, np.int64), np.array(reverse), list(names)
    )


@pytest.mark.parametrize("length", [400, 41])
def test_borders_stand_in_the_middle_on_both_strands(tmp_path: object, length: int) -> None:
    """A genome whose introns are GT...AG, and CT...AC for the gene on the other strand."""
    bases = bytearray(b"C" * 4000)
    for start, end, first, last in ((1000, 1300, b"GT", b"AG"), (2000, 2600, b"CT", b"AC")):
        bases[start : start + 2], bases[end - 2 : end] = first, last
    path = f"{tmp_path}/g.fa"
    with open(path, "wb") as out:
        out.write(b">c\n" + bytes(bases) + b"\n")
    genes = introns((1000, 1300, False, "f"), (2000, 2600, True, "r"))
    with Genome.open(path) as genome:
        sites = splice_sites(genes, length)
        windows = read_windows(genome, sites.plan)
        assert {name: those.tolist() for name, those in motifs(genome, genes).items()} == {
            "GT-AG": [True, True], "GC-AG": [False, False], "AT-AC": [False, False]
        }  # fmt: skip
    assert sorted(sites.names) == ["f/acceptor", "f/donor", "r/acceptor", "r/donor"]
    middle = length // 2
    for row, name in enumerate(sites.names):
        assert sites.label[row] == {"acceptor": 0, "donor": 1}[name.split("/")[1]]
        if sites.label[row]:
            assert windows[row][middle : middle + 2] == b"GT", name
        else:
            assert windows[row][middle - 2 : middle] == b"AG", name


@pytest.mark.parametrize("decoys", [False, True])
@pytest.mark.parametrize("away", [0, 20])
def test_negatives_lie_between_sites(genome: Genome, decoys: bool, away: int) -> None:
    genes = introns(
        (2000, 2500, False, "f"), (2600, 4000, False, "f"), (9000, 9900, True, "r"), (20_000, 20_010, True, "s")
    )
    allowed = Spans(np.zeros(1, np.int32), np.zeros(1, np.int64), np.array([9500], np.int64))
    made = between(genome, genes, allowed, 100, 25, away=away, decoys=decoys, random=np.random.default_rng(1))
    plan = made.plan
    assert len(made) == 25
    assert set(made.label.tolist()) == {2}
    assert Spans.of(plan).inside(allowed).all()
    middle = plan.start + 50
    gaps = [(2000, 4000, False), (9000, 9900, True)]
    for at, reverse in zip(middle.tolist(), plan.reverse.tolist(), strict=True):
        assert any(low + away <= at <= high - away and turned == reverse for low, high, turned in gaps)
    sites = np.concatenate([genes.start, genes.end])
    assert np.abs(middle[:, None] - sites).min() >= away
    windows = read_windows(genome, plan)
    is_decoy = [windows[row][50:52] == b"GT" or windows[row][48:50] == b"AG" for row in range(25)]
    assert all(is_decoy) == decoys


def test_no_gap_no_negatives(genome: Genome) -> None:
    allowed = Spans.whole(genome.lengths).merged()
    short = introns((2000, 2010, False, "f"))
    assert len(between(genome, short, allowed, 100, 5, away=20, decoys=False, random=np.random.default_rng(0))) == 0
