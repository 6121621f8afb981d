"""Promoter windows, their TATA boxes and negatives."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.datasets.examples import Examples, Sites, read_windows
from dnabert_fast.datasets.promoters import FRAMES, Starts, negatives, promoter_plan
from dnabert_fast.datasets.spans import Spans
from dnabert_fast.datasets.tata import BOX, NEAREST, THRESHOLD, UTMOST, box_scores, promoter_box
from dnabert_fast.seq.batch import Windows, reverse_complement
from dnabert_fast.seq.genome import Genome

BASE = b"GTATAAAAGGCGGGG"  # the matrix's likeliest base at most places


def starts(*places: tuple[int, int, bool]) -> Starts:
    contig, base, reverse = zip(*places, strict=True)
    names = [f"p{number}" for number in range(len(places))]
    return Starts(np.array(contig, np.int32), np.array(base, np.int64), np.array(reverse), names)


@pytest.mark.parametrize("length", FRAMES)
def test_the_tss_is_where_it_is_said_to_be(genome: Genome, length: int) -> None:
    frame = FRAMES[length]
    assert (frame.before, frame.length) == {300: (249, 300), 70: (34, 70)}[length]
    plan = promoter_plan(starts((0, 5000, False), (0, 5000, True)), frame)
    forward, backward = (read_windows(genome, plan)[row] for row in range(2))
    assert len(forward) == len(backward) == length
    base = genome.bases("c", 5000, 5001).tobytes()
    assert forward[frame.before : frame.before + 1] == base
    turned = reverse_complement(Windows.from_strings([base]))[0]
    assert backward[frame.before : frame.before + 1] == turned
    # The next base of a promoter that is read backwards is the one before on the genome.
    beyond = reverse_complement(Windows.from_strings([genome.bases("c", 4999, 5000).tobytes()]))[0]
    assert backward[frame.before + 1 : frame.before + 2] == beyond


def test_lower_case_and_n_are_read_as_the_tables_have_them(genome: Genome) -> None:
    plan = promoter_plan(starts((0, 55_000, False), (0, 30_000, False)), FRAMES[300])
    windows = read_windows(genome, plan)
    assert windows[0] == genome.bases("c", 54_751, 55_051).tobytes().upper()
    assert windows[1].endswith(b"N" * 51)


def test_a_box_counts_where_it_may_stand() -> None:
    def scored(at: int) -> int:
        bases = bytearray(b"C" * 300)
        bases[at : at + BOX] = BASE
        return int(promoter_box(Windows.from_strings([bytes(bases)]), 300, 249)[0])

    assert scored(249 + UTMOST) == UTMOST
    assert scored(249 + NEAREST) == NEAREST
    assert scored(249 + UTMOST - 1) == scored(249 + NEAREST + 1) == 0
    assert promoter_box(Windows.from_strings([]), 300, 249).shape == (0,)


def test_the_score_is_the_sum_of_the_matrix() -> None:
    """Once more by hand, from the counts of the first base and so on."""
    from dnabert_fast.datasets import tata

    string = "TTATATAAGCNNACGTGCTATAAAAGCCCCCCGT"
    found = box_scores(Windows.from_strings([string]), len(string))[0]
    for at in range(len(string) - BOX + 1):
        total = 0.0
        for place, letter in enumerate(string[at : at + BOX]):
            counts = np.array(tata._COUNTS[place]) + 0.8
            total += -1e9 if letter == "N" else float(np.log2(counts["ACGT".index(letter)] / counts.sum() / 0.25))
        assert found[at] == pytest.approx(total, rel=1e-5, abs=1e-3)


def test_public_promoters_have_the_boxes_that_epd_says(data: Path) -> None:
    """The cut of the public TATA set: nearly all promoters have a box by our rule."""
    with gzip.open(data / "labelled" / "prom_300_tata_60.csv.gz", "rt") as rows:
        strings = [row["sequence"] for row in csv.DictReader(rows) if row["label"] == "1"]
    boxes = promoter_box(Windows.from_strings(strings), 300, 249)
    assert len(strings) > 20
    assert np.mean(boxes != 0) >= 0.9


def made(genome: Genome, kind: str, length: int = 300, place: str = "like") -> tuple[Examples, Examples, Spans]:
    tss = starts(*((0, 2000 + 700 * i, bool(i % 2)) for i in range(20)))
    plan = promoter_plan(tss, FRAMES[length])
    positives = Examples(read_windows(genome, plan), Sites(plan, np.ones(20, np.int64), tss.names))
    allowed = Spans.whole(genome.lengths).merged().less(Spans.of(plan).widened(100).merged())
    boxes = np.where(np.arange(20) < 5, -30, 0)
    found = negatives(
        genome, positives, boxes, FRAMES[length], allowed,
        kind=kind, tata_place=place, tolerance=0.03, random=np.random.default_rng(4),
    )  # fmt: skip
    assert set(found.windows.lengths.tolist()) == {length}
    assert not found.sites.label.any()
    return positives, found, allowed


@pytest.mark.parametrize("length", FRAMES)
def test_public_negatives_are_of_two_kinds(genome: Genome, length: int) -> None:
    positives, found, allowed = made(genome, "public", length)
    kinds = [name.split("/")[-1].split("_")[0] for name in found.sites.names]
    assert kinds == ["tata"] * 5 + ["segments"] * 15
    assert Spans.of(found.sites.plan).inside(allowed)[:5].all()
    place = FRAMES[length].before - 30
    scores = box_scores(found.windows, length)
    assert (scores[:5, place] >= THRESHOLD).all()
    # Of the whole promoter the last 15 bases stay, of the core, cut from it, whole segments of 15 do.
    for row in range(5, 20):
        mine, theirs = found.windows[row], positives.windows[row]
        assert mine != theirs
        same = np.frombuffer(mine, np.uint8) == np.frombuffer(theirs, np.uint8)
        assert 0.3 < same.mean() < 0.95 if length == 300 else same.mean() < 1
        assert same[-15:].all() or length == 70


def test_boxes_before_the_short_window_are_no_places_in_it(genome: Genome) -> None:
    """A box at -35 begins one base before a window of -34..+35."""
    tss = starts(*((0, 2000 + 700 * i, False) for i in range(20)))
    plan = promoter_plan(tss, FRAMES[70])
    positives = Examples(read_windows(genome, plan), Sites(plan, np.ones(20, np.int64), tss.names))
    found = negatives(
        genome, positives, np.where(np.arange(20) % 2, UTMOST, -28), FRAMES[70], Spans.whole(genome.lengths).merged(),
        kind="tata", tata_place="like", tolerance=0.02, random=np.random.default_rng(4),
    )  # fmt: skip
    assert len(found) == 20
    assert (box_scores(found.windows, 70)[:, 34 - 28] >= THRESHOLD).all()


@pytest.mark.parametrize("place", ["like", "fixed", "anywhere"])
def test_tata_negatives(genome: Genome, place: str) -> None:
    _, found, allowed = made(genome, "tata", place=place)
    assert len(found) == 20
    assert Spans.of(found.sites.plan).inside(allowed).all()
    scores = box_scores(found.windows, 300)
    if place == "anywhere":
        assert (scores.max(axis=1) >= THRESHOLD).all()
        assert (scores[:, 217] >= THRESHOLD).mean() < 0.5
    else:
        assert (scores[:, {"like": 219, "fixed": 217}[place]] >= THRESHOLD).all()


def test_shuffled_and_matched_negatives(genome: Genome) -> None:
    positives, found, _ = made(genome, "shuffle")
    assert [name.split("/")[0] for name in found.sites.names] == positives.sites.names
    for row in range(20):
        assert sorted(found.windows[row]) == sorted(positives.windows[row])
        assert found.windows[row] != positives.windows[row]
    _, matched, allowed = made(genome, "matched")
    assert Spans.of(matched.sites.plan).inside(allowed).all()
