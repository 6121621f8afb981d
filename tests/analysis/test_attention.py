"""Attention over a genome against that of its windows one by one, whole maps, high regions and tracks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import attention as oracle

from dnabert_fast import DnabertError, Genome, Model, Plan, Windows, load
from dnabert_fast.analysis.attention import (
    AttendedUnit,
    attend_genome,
    attention_scores,
    begin_attention,
    full_map,
)
from dnabert_fast.analysis.regions import Places, high_regions, merged
from dnabert_fast.analysis.tracks import MeanTrack

MakeModel = Callable[..., Path]
START = 300_000


def collected(model: Model, genome: Genome, units: list[Plan], **options: object) -> list[AttendedUnit]:
    found: list[AttendedUnit] = []
    attend_genome(model, genome, units, found.append, **options)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("strand", ["+", "both"])
@pytest.mark.parametrize("stride", [7, 60, 500])
def test_windows_of_a_genome(model: Model, genome: Genome, strand: str, stride: int) -> None:
    """Whether they overlap or not; each has the scores of its bases alone, in the genome's order."""
    read = model.with_strand(strand)
    starts = START + stride * np.arange(20)
    lengths = 60 + np.arange(20) % 3
    plan = Plan(np.zeros(20, np.int32), starts, starts + lengths, np.arange(20) % 2 == 0)
    found = collected(read, genome, [plan[:13], plan[13:]])
    assert [len(unit.plan) for unit in found] == [13, 7]
    windows = genome.fetch(plan.contig, plan.start, plan.end)
    assert b"".join(unit.windows.bases.tobytes() for unit in found) == windows.bases.tobytes()
    plus = attention_scores(read, windows)
    minus = attention_scores(read if strand == "both" else model.with_strand("-"), windows)
    expected = [(minus if back else plus)[i] for i, back in enumerate(plan.reverse)]
    assert np.concatenate([unit.scores for unit in found]) == pytest.approx(np.concatenate(expected), abs=1e-6)


def test_windows_of_unknown_bases_are_left_out(model: Model, genome: Genome) -> None:
    """The first 60,000 bases of chr20 are N."""
    starts = np.array([59_900, 59_930, 59_960, 59_990, 60_000])
    plan = Plan.of(0, starts, starts + 60)
    bases = [window.count(b"N") for window in map(bytes, genome.fetch(plan.contig, plan.start, plan.end))]
    assert len(set(bases)) > 2
    found: list[AttendedUnit] = []
    summary = attend_genome(model, genome, [plan[:1], plan], found.append, max_n=0.5)
    kept = [start for start, unknown in zip(starts.tolist(), bases, strict=True) if unknown <= 30]
    assert [unit.plan.start.tolist() for unit in found] == [[], kept]
    assert (summary.windows, summary.left_out_n) == (len(kept), 6 - len(kept))
    assert summary.bases == 60 * len(kept)


def test_scores_asked_ahead_come_with_logits(model: Model) -> None:
    windows = Windows.from_strings([b"ACGTTGCATTGACC", b"GATTACA", b"ACGTTGCATTGACC"])
    prepared = model.prepare(windows)
    for raw in (True, False):
        later = begin_attention(model, prepared, raw)
        logits, scores = later()
        assert logits.tobytes() == model.logits(prepared).tobytes()
        assert scores.tobytes() == attention_scores(model, windows, raw).scores.tobytes()
    assert np.square(scores[:14]).sum() == pytest.approx(1)


@pytest.mark.parametrize("layer", [-1, 0, 1])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_whole_map(make_model: MakeModel, model: Model, strand: str, layer: int) -> None:
    window = b"ACGTTGCATTGACCATTTGACA"
    found = full_map(model.with_strand(strand), window, layer)
    assert found.dtype == np.float32
    read = window if strand == "+" else oracle.reverse_complement(window)
    (expected,) = oracle.Watched(make_model(), 3).maps(read, layer)
    assert found == pytest.approx(expected, abs=1e-6)


def test_maps_that_cannot_be(model: Model, make_model: MakeModel) -> None:
    for window, message in ((b"AC", "needs 3"), (b"ACGT" * 129, "is 2 pieces; a map is of one")):
        with pytest.raises(DnabertError, match=message):
            full_map(model, window)
    with pytest.raises(DnabertError, match="of one strand"):
        full_map(model.with_strand("both"), b"ACGT")
    with pytest.raises(DnabertError, match="this model has 2 layers, 0 to 1"):
        full_map(model, b"ACGT", 2)
    assert full_map(load(make_model("mlm", ())), b"ACGT").shape == (2, 4, 4)


SCORES = st.lists(
    st.lists(st.sampled_from([0.0, 0.015625, 0.03125, 0.125, 0.25, 0.375, 0.5, float("nan")]), max_size=30), max_size=6
)


@given(SCORES, st.integers(1, 6), st.sampled_from([0.0, 1.5, 10.0]), st.sampled_from([None, 0.0, 0.3, 0.9, 1.0]))
@settings(max_examples=200)
def test_high_regions(windows: list[list[float]], length: int, factor: float, quantile: float | None) -> None:
    scores = np.array([score for window in windows for score in window], np.float32)
    offsets = np.cumsum([0, *map(len, windows)])
    found = high_regions(scores, offsets, length, factor, quantile)
    rounded = [[float(np.float32(score)) for score in window] for window in windows]
    expected = oracle.high_regions(rounded, length, factor, quantile)
    assert list(zip(found.window.tolist(), found.start.tolist(), found.end.tolist(), strict=True)) == expected


def test_regions_that_cannot_be() -> None:
    some = np.ones(3, np.float32), np.array([0, 3])
    with pytest.raises(DnabertError, match=r"--quantile 1.5 is not between 0 and 1"):
        high_regions(*some, quantile=1.5)
    with pytest.raises(DnabertError, match="a region of 0 bases"):
        high_regions(*some, min_length=0)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 9), st.sampled_from([0.25, 0.5, 1.0])),
        max_size=25,
    )
)
def test_merged_regions(places: list[tuple[int, int, int, float]]) -> None:
    stretches = [(contig, start, start + length, value) for contig, start, length, value in places]
    columns = [np.array([row[i] for row in stretches], np.int64) for i in range(3)]
    found = merged(Places(*columns, np.array([row[3] for row in stretches], np.float32)))
    rows = zip(found.contig, found.start, found.end, found.value, strict=True)
    assert [tuple(map(float, row)) for row in rows] == [tuple(map(float, row)) for row in oracle.merged(stretches)]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90), st.integers(1, 40)), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(0, 99),
)
@settings(max_examples=150)
def test_a_track_is_the_mean_over_the_windows(windows: list[tuple[int, int, int]], unit: int, seed: int) -> None:
    rows = sorted((contig, start, start + length) for contig, start, length in windows)
    plan = Plan(*(np.array([row[i] for row in rows]) for i in range(3)), np.zeros(len(rows), np.bool_))
    values = [np.random.default_rng(seed + i).random(b - a).astype(np.float32) for i, (_, a, b) in enumerate(rows)]
    expected: dict[tuple[int, int], list[float]] = {}
    for (contig, start, _), scores in zip(rows, values, strict=True):
        for i, score in enumerate(scores):
            expected.setdefault((contig, start + i), []).append(float(score))
    track = MeanTrack()
    segments = []
    for first in range(0, len(rows), unit):
        segments += track.add(plan[first : first + unit], np.concatenate(values[first : first + unit]))
    segments += track.close()
    assert [(s.contig, s.start) for s in segments] == sorted((s.contig, s.start) for s in segments)
    found = {(s.contig, s.start + i): value for s in segments for i, value in enumerate(s.values.tolist())}
    assert sum(len(s.values) for s in segments) == len(found)
    assert found == pytest.approx({place: np.mean(scores) for place, scores in expected.items()}, rel=1e-6)
    assert track.close() == []
