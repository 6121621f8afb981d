"""Merging of windows into calls, and stretches of a genome that do not depend on their neighbours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dnabert_fast.analysis.scan as analysis
from dnabert_fast import DnabertError, Genome, Model
from dnabert_fast.analysis.scan import CallMerger, ScanSummary, ScanUnit, called, plan_scan, scan
from dnabert_fast.seq.batch import PIECE
from dnabert_fast.seq.plan import Stretch, tile
from dnabert_fast.seq.variants import Regions


def merged(windows: list[tuple[int, int, float]], window: int, threshold: float) -> list[tuple[int, int, int, float]]:
    """Contig, start, end and highest score of runs of high windows that touch or overlap."""
    found: list[tuple[int, int, int, float]] = []
    for contig, start, score in windows:
        if score < threshold:
            continue
        if found and found[-1][0] == contig and start <= found[-1][2]:
            found[-1] = (contig, found[-1][1], start + window, max(found[-1][3], score))
        else:
            found.append((contig, start, start + window, score))
    return found


@given(st.data(), st.integers(1, 20), st.integers(1, 15))
def test_calls_are_merged_over_units(data: st.DataObject, window: int, stride: int) -> None:
    windows, units = [], []
    for contig in range(data.draw(st.integers(1, 3))):
        start = 0
        for _ in range(data.draw(st.integers(0, 4))):
            n = data.draw(st.integers(0, 8))
            scores = data.draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=n, max_size=n))
            starts = start + stride * np.arange(n, dtype=np.int64)
            windows += [(contig, int(s), score) for s, score in zip(starts, scores, strict=True)]
            stretch = Stretch(contig, start, start + stride * n, 0, 10_000)
            units.append(ScanUnit(stretch, starts, np.array(scores, np.float32), np.empty(0, np.float32)))
            start += stride * n + data.draw(st.sampled_from([0, 1, 30]))
    merger = CallMerger()
    found = [region for unit in units for region in merger.add(unit.stretch.contig, *called(unit, window, 0.5))]
    found += merger.close()
    assert found == merged(windows, window, 0.5)
    assert merger.close() == []


def run(
    model: Model, genome: Genome, window: int, stride: int, regions: Regions | None = None, readers: int = 1
) -> tuple[list[ScanUnit], ScanSummary]:
    units: list[ScanUnit] = []
    summary = ScanSummary()
    plan = plan_scan(genome, window, stride, regions, summary)
    scan(
        model,
        genome,
        plan,
        units.append,
        summary,
        window=window,
        stride=stride,
        readout=model.readout(),
        readers=readers,
    )
    return units, summary


@pytest.fixture(scope="module")
def piece(grch38: Path, tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """3,000 real bases with a run of N in the middle, a contig that is short and one of N alone."""
    with Genome.open(grch38) as genome:
        bases = genome.bases("chr20", 1_000_000, 1_003_000).tobytes()
    path = tmp_path_factory.mktemp("piece") / "piece.fa"
    path.write_bytes(
        b">one\n" + bases[:1400] + b"N" * 100 + bases[1500:] + b"\n>short\nACGTACGT\n>n\n" + b"N" * 200 + b"\n"
    )
    return Genome.open(path)


@pytest.mark.parametrize(("max_bases", "max_windows"), [(100, 8192), (1, 8192), (10**6, 3), (777, 20)])
@pytest.mark.parametrize(("window", "stride"), [(50, 20), (30, 45), (64, 64)])
def test_borders_of_units_do_not_show(
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
    piece: Genome,
    max_bases: int,
    max_windows: int,
    window: int,
    stride: int,
) -> None:
    (one, n), whole = run(model, piece, window, stride)
    assert whole.short_contigs == ["short"]
    monkeypatch.setattr(analysis, "UNIT_BASES", max_bases)
    monkeypatch.setattr(analysis, "UNIT_WINDOWS", max_windows)
    units, summary = run(model, piece, window, stride)
    assert len(units) > 4
    parts = [unit for unit in units if unit.stretch.contig == 0]
    assert np.concatenate([unit.start for unit in parts]).tolist() == one.start.tolist()
    assert np.concatenate([unit.score for unit in parts]) == pytest.approx(one.score, abs=1e-5)
    assert np.concatenate([unit.mean for unit in parts]) == pytest.approx(one.mean, abs=1e-5, nan_ok=True)
    assert all(np.isnan(unit.mean).all() and not len(unit.start) for unit in units if unit.stretch.contig == 2)
    assert len(n.start) == 0
    for name in ("windows", "left_out_n", "bases", "short_contigs"):
        assert getattr(summary, name) == getattr(whole, name)
    assert whole.left_out_n > 200 // stride - window // stride
    assert whole.windows == len(one.start)


@pytest.mark.parametrize("readers", [2, 4])
def test_equal_bytes_whatever_the_readers(
    monkeypatch: pytest.MonkeyPatch, model: Model, piece: Genome, readers: int
) -> None:
    monkeypatch.setattr(analysis, "UNIT_BASES", 200)
    first, summary = run(model, piece, 50, 20)
    units, again = run(model, piece, 50, 20, readers=readers)
    assert summary == again
    for unit, other in zip(first, units, strict=True):
        assert unit.stretch == other.stretch
        for name in ("start", "score", "mean"):
            assert getattr(unit, name).tobytes() == getattr(other, name).tobytes()


def regions(*rows: tuple[int, int, int]) -> Regions:
    contig, start, end = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Regions(contig.astype(np.int32), start, end, np.zeros(len(rows), np.bool_))


def test_regions_are_merged_and_come_in_the_order_of_the_genome(model: Model, piece: Genome) -> None:
    summary = ScanSummary()
    chosen = regions((2, 0, 200), (0, 500, 700), (0, 650, 800), (0, 100, 180), (0, 800, 820), (0, 2990, 3000))
    plan = plan_scan(piece, 60, 20, chosen, summary)
    assert [(s.contig, s.first, s.last) for s in plan] == [(0, 100, 180), (0, 500, 820), (2, 0, 200)]
    units, _ = run(model, piece, 60, 20, chosen)
    assert units[0].start.tolist() == [100, 120]
    assert units[1].start.tolist() == list(range(500, 761, 20))
    assert not np.isnan(units[1].mean).any()


def test_a_window_that_fits_nowhere(piece: Genome) -> None:
    with pytest.raises(DnabertError, match="no window of 3001 bases fits: the longest contig has 3000"):
        plan_scan(piece, 3001, 10, None, ScanSummary())
    with pytest.raises(DnabertError, match="no window of 60 bases fits into any of the regions"):
        plan_scan(piece, 60, 10, regions((0, 5, 64), (0, 100, 110)), ScanSummary())
    assert len(plan_scan(piece, 3000, 10, None, ScanSummary())) == 1


@pytest.mark.parametrize("max_n", [0.0, 0.25, 0.5, 1.0])
def test_windows_of_too_many_unknown_bases_are_left_out(model: Model, piece: Genome, max_n: float) -> None:
    summary, units = ScanSummary(), []
    scan(
        model,
        piece,
        plan_scan(piece, 40, 10, None, summary),
        units.append,
        summary,
        window=40,
        stride=10,
        readout=model.readout(),
        max_n=max_n,
    )
    bases = piece.bases("one", 0, 3000).tobytes()
    kept = [start for start in range(0, 2961, 10) if bases[start : start + 40].count(b"N") <= max_n * 40]
    of_n = list(range(0, 161, 10))
    assert units[0].start.tolist() == kept
    assert units[1].start.tolist() == (of_n if max_n == 1 else [])
    assert summary.windows == len(kept) + len(units[1].start)
    assert summary.left_out_n == 297 + 17 - summary.windows


@pytest.mark.parametrize(
    ("window", "stride", "owned"),
    [
        (101, 1, 8192),
        (10_000, 100, 8192),
        (100_000, 100, 4369),
        (300_000, 100, 2999),
        (300_000, 50, 1131),
        (40, 50, 8192),
    ],
)
def test_long_windows_make_short_units(window: int, stride: int, owned: int) -> None:
    assert analysis._unit_windows(window, stride) == owned


def test_windows_that_overlap_too_much_are_refused() -> None:
    genome = cast(Genome, SimpleNamespace(names=["c"], lengths=np.array([3_000_000])))
    with pytest.raises(DnabertError, match=r"windows of 300,000 bases at every 1 overlap too much: .*larger --stride"):
        plan_scan(genome, 300_000, 1, None, ScanSummary())
    for window, stride in ((300_000, 100), (299_000, 50)):
        for stretch in plan_scan(genome, window, stride, None, ScanSummary()):
            pieces = window // PIECE + 1
            assert len(tile(stretch, window, stride, halo=True)) * (window + 2 * pieces) < 2**31
    few = cast(Genome, SimpleNamespace(names=["c"], lengths=np.array([300_009])))
    assert len(plan_scan(few, 300_000, 1, None, ScanSummary())) > 0
