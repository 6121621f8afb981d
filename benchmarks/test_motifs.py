"""How long motif search takes once bases have scores, and whether real attention gives CTCF.

    python -m pytest benchmarks/test_motifs.py -s

Half of the sequences of 101 random bases are positive; three in five of these hold a site drawn from JASPAR's CTCF, on
either strand. Scores are noise, higher over sites; regions are above a quantile of their sequence. Before anything is
timed, a small set has to give the motifs of tests/oracle. The real data are those of tests/data/motifs: attention of a
small network that was trained on CTCF binding.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracle import motifs as oracle

from dnabert_fast import Windows, motifs
from dnabert_fast.analysis.candidates import Candidates, find_candidates
from dnabert_fast.analysis.motifs import Criteria, FoundMotif, find_motifs
from dnabert_fast.analysis.regions import high_regions
from dnabert_fast.io.meme import read_motifs
from dnabert_fast.seq.types import F32, Bool

Record = Callable[[str, object], None]

DATA = Path(__file__).parents[1] / "tests" / "data" / "motifs"
LENGTH = 101
QUANTILE = 0.8
BAR_SECONDS, BAR_Q = 10.0, 0.01


def planted(n: int) -> tuple[Windows, Bool, F32]:
    """Sequences, which are positive, and a score a base."""
    rng = np.random.default_rng(0)
    matrix = next(motif.matrix for motif in read_motifs(DATA / "jaspar_31.pfm") if motif.alt == "CTCF")
    width = len(matrix)
    codes = rng.integers(0, 4, (n, LENGTH))
    noise = rng.gamma(2.0, 1.0, (n, LENGTH + 3))
    scores = sum(noise[:, shift : shift + LENGTH] for shift in range(4)) / 4
    positive = np.arange(n) < n // 2
    rows = np.flatnonzero(positive & (rng.random(n) < 0.6))
    sites = (rng.random((len(rows), width, 1)) > np.cumsum(matrix, axis=1)[None, :, :3]).sum(axis=2)
    turned = rng.random(len(rows)) < 0.5
    sites[turned] = 3 - sites[turned][:, ::-1]
    place = rng.integers(0, LENGTH - width, len(rows))[:, None] + np.arange(width)
    codes[rows[:, None], place] = sites
    scores[rows[:, None], place] += 2
    windows = Windows.from_matrix(np.frombuffer(b"ACGT", np.uint8)[codes])
    return windows, positive, scores.astype(np.float32).reshape(-1)


def search(windows: Windows, positive: Bool, scores: F32) -> tuple[Candidates, list[FoundMotif]]:
    regions = high_regions(scores, windows.offsets, quantile=QUANTILE)
    candidates = find_candidates(windows, positive, regions)
    return candidates, find_motifs(windows, candidates, Criteria())


def test_the_slow_twin_finds_the_same() -> None:
    windows, positive, scores = planted(600)
    candidates, found = search(windows, positive, scores)
    sequences = [windows[i].decode() for i in range(len(windows))]
    regions = high_regions(scores, windows.offsets, quantile=QUANTILE)
    rows = list(zip(regions.window.tolist(), regions.start.tolist(), regions.end.tolist(), strict=True))
    slow = oracle.candidates(sequences, positive.tolist(), rows)
    expected = oracle.motifs(sequences, slow)
    assert [motif.counts.tolist() for motif in found] == [motif.counts for motif in expected]
    assert [[candidates.strings[i].decode() for i in motif.strings] for motif in found] == [m.strings for m in expected]
    assert len(found) >= 2


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [10_000, 100_000])
def test_seconds(count: int, quick: bool, record_property: Record) -> None:
    given = planted(count // 10 if quick else count)
    best = float("inf")
    for _ in range(1 if quick else 3):
        start = time.perf_counter()
        candidates, found = search(*given)
        best = min(best, time.perf_counter() - start)
    print(f"{len(given[0]):,} sequences, {len(candidates):,} strings, {len(found)} motifs: {best:.2f} s")
    record_property(f"motif search, {count:,} sequences, s", best)
    assert found
    assert quick or count > 10_000 or best < BAR_SECONDS


def test_ctcf(tmp_path: Path, record_property: Record) -> None:
    """The best match of the first motif, by the literal attention scores of real sequences."""
    facts = motifs(
        DATA / "ctcf_400.tsv.gz", scores=str(DATA / "ctcf_400_attention.npz"), output=tmp_path / "out",
        quantile=QUANTILE, database=DATA / "jaspar_31.pfm", logos=False,
    )  # fmt: skip
    best = facts["motifs"][0]
    print(f"{best['consensus']}: {best['match']} {best['match_name']}, q {best['match_q']:.2g}")
    record_property("q of CTCF, 400 sequences", best["match_q"])
    assert best["match_name"] == "CTCF"
    assert best["match_q"] < BAR_Q
