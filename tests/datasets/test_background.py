"""Windows drawn from the genome lie where they may, look as they must, and overlap no others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.annotated import covered

from dnabert_fast.datasets.background import flanks, matched_by_gc, random_windows, with_tata
from dnabert_fast.datasets.examples import gc_counts, read_windows
from dnabert_fast.datasets.spans import Spans
from dnabert_fast.datasets.tata import THRESHOLD, box_scores
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.plan import Plan


def allowed(*places: tuple[int, int, int]) -> Spans:
    contig, start, end = np.array(places, np.int64).T
    return Spans(contig.astype(np.int32), start, end).merged()


def places(plan: Plan) -> list[tuple[int, int, int]]:
    return list(zip(plan.contig.tolist(), plan.start.tolist(), plan.end.tolist(), strict=True))


def check(genome: Genome, plan: Plan, where: Spans) -> None:
    """Inside, without N, and apart."""
    assert Spans.of(plan).inside(where).all()
    assert len(covered(places(plan))) == int((plan.end - plan.start).sum())
    assert not np.any(read_windows(genome, plan).bases == ord("N"))


@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_random_windows(random_genome: str, lengths: list[int], seed: int) -> None:
    where = allowed((0, 29_000, 34_000), (1, 0, 20_000), (2, 100, 400))
    with Genome.open(random_genome) as genome:
        wanted = np.array(lengths, np.int64)
        plan, rows = random_windows(genome, where, wanted, np.random.default_rng(seed))
        check(genome, plan, where)
        assert rows.tolist() == list(range(len(lengths)))
        assert (plan.end - plan.start).tolist() == lengths
        again, _ = random_windows(genome, where, wanted, np.random.default_rng(seed))
        assert places(again) == places(plan)


def test_every_base_of_every_stretch_can_be_drawn(genome: Genome) -> None:
    where = allowed((0, 10, 30), (2, 5, 15))
    drawn: set[tuple[int, int]] = set()
    for seed in range(60):
        plan, _ = random_windows(genome, where, np.full(3, 2, np.int64), np.random.default_rng(seed))
        drawn |= covered(places(plan))
    assert drawn == covered([(0, 10, 30), (2, 5, 15)])


def test_what_does_not_fit_is_not_had(genome: Genome) -> None:
    plan, rows = random_windows(
        genome, allowed((2, 0, 50)), np.array([60, 20, 20, 20], np.int64), np.random.default_rng(0)
    )
    assert 0 not in rows
    assert 1 <= len(plan) <= 2
    assert len(random_windows(genome, Spans.none(), np.array([5], np.int64), np.random.default_rng(0))[0]) == 0


@settings(max_examples=10)
@given(shares=st.lists(st.floats(0.35, 0.65), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_matched_windows_have_the_length_and_gc_of_their_own(
    random_genome: str, shares: list[float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    strings = [bytes(random.choice([*b"GA"], 101 + row, p=[s, 1 - s]).tolist()) for row, s in enumerate(shares)]
    like = Windows.from_strings(strings)
    where = allowed((0, 0, 60_000), (1, 0, 20_000))
    with Genome.open(random_genome) as genome:
        plan, rows = matched_by_gc(genome, where, like, 0.02, random)
        check(genome, plan, where)
        found = gc_counts(read_windows(genome, plan))
        assert (plan.end - plan.start).tolist() == like.lengths[rows].tolist()
        assert np.all(np.abs(found - gc_counts(like)[rows]) <= 0.02 * like.lengths[rows] + 1e-9)


@pytest.mark.parametrize("place", [217, 0, -1])
def test_tata_windows_have_their_box_where_it_is_wanted(genome: Genome, place: int) -> None:
    where = allowed((0, 0, 60_000), (1, 0, 20_000))
    plan, _ = with_tata(genome, where, 300, np.full(20, place, np.int64), np.random.default_rng(2))
    assert len(plan) == 20
    assert plan.reverse.any()
    assert not plan.reverse.all()
    check(genome, plan, where)
    scores = box_scores(read_windows(genome, plan), 300)
    if place >= 0:
        assert (scores[:, place] >= THRESHOLD).all()
    else:
        assert (scores.max(axis=1) >= THRESHOLD).all()
        first = (scores >= THRESHOLD).argmax(axis=1)
        assert len(np.unique(first)) > 10


def test_flanks_avoid_peaks_and_ends() -> None:
    n = 40
    start = np.full(n, 1000, np.int64)
    plan = Plan(np.zeros(n, np.int32), start, start + 100, np.zeros(n, np.bool_))
    where, random = allowed((0, 0, 3000)), np.random.default_rng(0)
    free, rows = flanks(where, allowed((0, 1000, 1100)), plan, 500, random)
    assert (set(free.start.tolist()), len(rows)) == ({500, 1500}, n)
    one_side, rows = flanks(where, allowed((0, 1000, 1100), (0, 1550, 1560)), plan, 500, random)
    assert (set(one_side.start.tolist()), len(rows)) == ({500}, n)
    assert len(flanks(where, allowed((0, 590, 600), (0, 1550, 1560)), plan, 500, random)[0]) == 0
    assert len(flanks(allowed((0, 900, 1200)), allowed((0, 1000, 1100)), plan, 500, random)[0]) == 0
