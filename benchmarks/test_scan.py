"""`scan` with a DNABERT-XL head: neighbouring windows share pieces, and each piece is encoded once.

    python -m pytest benchmarks/test_scan.py -s

A 110 M network of random weights that joins two pieces; windows of 1,025 bases are 1,020 6-mers: two pieces of 510. At
a stride of 102 the second piece of a window is the first of the fifth window on; at a stride of 100 no two are equal.
`separate` scores the same windows with the same engine and batches, but encodes every piece of every window. Both read
model and genome from files, in turns in one process; no ratio is given where their scores differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import workload

from dnabert_fast.engine.model import load
from dnabert_fast.engine.predict import Prepared
from dnabert_fast.seq.batch import Distinct, tokenize
from dnabert_fast.seq.genome import Genome
from dnabert_fast.workflows.scan import scan

Record = Callable[[str, object], None]

WINDOW = 1025
START = 1_000_000
SHARING, NOT_SHARING = 102, 100


@dataclass(frozen=True)
class Job:
    """A model and a stretch of the demonstration's contig."""

    model: Path
    folder: Path
    bases: int
    stride: int

    def ours(self) -> dict[str, object]:
        regions = self.folder / "regions.bed"
        regions.write_text(f"{workload.CONTIG}\t{START}\t{START + self.bases}\n")
        out = self.folder / "scan.tsv"
        return scan(
            workload.GENOME, model=str(self.model), output=out, window=WINDOW, stride=self.stride, regions=regions
        )

    def separate(self) -> np.ndarray:
        """P(second class) of every window, all its pieces encoded for it alone."""
        model = load(self.model)
        start = np.arange(START, START + self.bases - WINDOW + 1, self.stride)
        with Genome.open(workload.GENOME) as genome:
            batch = tokenize(genome.fetch(np.zeros(len(start), np.int32), start, start + WINDOW), model.k)
        each = np.arange(len(batch), dtype=np.int32)
        return model.probabilities(model.logits([Prepared(batch, Distinct(each, each), len(start))]))[:, 1]

    def ratio(self, turns: int) -> tuple[float, dict[str, object]]:
        """How many times as fast the scan is, and its counts; raises where the scores differ."""
        found: dict[str, object] = {}
        cases = {
            "scan": lambda: found.update(facts=self.ours()),
            "separate": lambda: found.update(scores=self.separate()),
        }
        best = workload.in_turns(cases, turns)
        scores = [float(score) for score in workload.column(self.folder / "scan.tsv", "score")]
        assert np.std(scores) > 0.02
        assert workload.largest_difference(scores, found["scores"]) < 1e-5
        return best["separate"] / best["scan"], found["facts"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, quick: bool) -> Path:
    folder = tmp_path_factory.mktemp("scan") / "model"
    return workload.write_model(folder, "small" if quick else "dnabert-6", WINDOW, "xl-concat", split=2)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("stride", "bases", "bar"), [(SHARING, 12_000, 1.8), (NOT_SHARING, 4_000, 0.97)])
def test_ratio(
    model: Path, tmp_path: Path, stride: int, bases: int, bar: float, quick: bool, record_property: Record
) -> None:
    found, facts = Job(model, tmp_path, bases, stride).ratio(1 if quick else 2)
    pieces, encoded = facts["pieces"], facts["pieces_encoded"]
    print(f"scan, stride {stride}: {found:.3g} times separate windows, bar {bar}; {encoded} of {pieces} pieces encoded")
    assert (encoded < pieces) == (stride == SHARING)
    record_property(f"scan / separate windows, stride {stride}", found)
    record_property(f"share of pieces encoded, stride {stride}", encoded / pieces)
    assert quick or found >= bar
