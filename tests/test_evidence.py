"""The scripts of the evidence for pre-training: the Markov chain against slow twins, and every stage at toy size."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def markov() -> ModuleType:
    sys.path.insert(0, str(EXAMPLES))
    try:
        import markov
    finally:
        sys.path.pop(0)
    return markov


def test_counts_are_those_of_both_strands(markov: ModuleType) -> None:
    codes = np.random.default_rng(3).integers(0, 5, 400).astype(np.uint8)
    slow = np.zeros((4**5, 4), np.int64)
    for strand in (codes.tolist(), [3 - code if code < 4 else 4 for code in codes[::-1].tolist()]):
        for at in range(5, len(strand)):
            near = strand[at - 5 : at + 1]
            if max(near) < 4:
                slow[sum(code * 4 ** (4 - place) for place, code in enumerate(near[:5])), near[5]] += 1
    assert slow.sum() > 50
    np.testing.assert_array_equal(markov.counts(codes), slow)


def test_posterior_of_a_hidden_base(markov: ModuleType) -> None:
    rng = np.random.default_rng(4)
    counted = rng.integers(0, 50, (4**5, 4))
    windows = rng.integers(0, 4, (30, 101)).astype(np.uint8)
    transitions = (counted + 1) / (counted + 1).sum(axis=1, keepdims=True)
    slow = []
    for window in windows:
        weights = np.ones(4)
        for base in range(4):
            near = [*window[45:50].tolist(), base, *window[51:56].tolist()]
            for at in range(6):
                context = sum(code * 4 ** (4 - place) for place, code in enumerate(near[at : at + 5]))
                weights[base] *= transitions[context, near[at + 5]]
        slow.append(-np.log(weights[window[50]] / weights.sum()))
    composition, chain = markov.surprise(counted, windows)
    assert chain == pytest.approx(np.mean(slow))
    shares = counted.sum(axis=0) / counted.sum()
    assert composition == pytest.approx(-np.log(shares[windows[:, 50]]).mean())


def test_a_chain_that_is_sure(markov: ModuleType) -> None:
    codes = (np.arange(3000) % 4).astype(np.uint8)
    codes = np.concatenate([codes, 3 - codes[::-1]])
    windows = np.array([codes[at : at + 101] for at in range(0, 2000, 7)])
    assert markov.surprise(markov.counts(codes), windows)[1] < 0.02


def _rows(rng: np.random.Generator, count: int, length: int) -> str:
    lines = ["sequence,label"]
    for row in range(count):
        lines.append("".join(rng.choice(list("ACGT"), length)) + f",{row % 2}")
    return "\n".join(lines) + "\n"


def test_every_stage(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    gue = tmp_path / "gue"
    for name, parts in (("tf/1", ("train", "dev", "test")), ("prom/prom_300_all", ("dev", "test"))):
        (gue / name).mkdir(parents=True)
        for part in parts:
            with gzip.open(gue / name / f"{part}.csv.gz", "wt") as out:
                out.write(_rows(rng, 40, 60))
    genome, held = tmp_path / "genome.fa", tmp_path / "held.bed"
    genome.write_text(">c1\n" + "".join(rng.choice(list("ACGT"), 6000)) + "\n")
    held.write_text("c1\t4000\t6000\n")
    out = tmp_path / "out"
    words = ["--gue", gue, "--genome", genome, "--held", held, "-o", out, "--protocol", "toy", "--threads", "1"]
    command = [sys.executable, EXAMPLES / "evidence.py", *words]

    def run(*more: str) -> str:
        done = subprocess.run([str(word) for word in (*command, *more)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run()
    loss = json.loads((out / "loss.json").read_text())
    assert 1.2 < loss["markov_5"] < 2
    assert loss["network"] > 0
    report = (out / "EVIDENCE.md").read_text()
    header = next(line for line in report.splitlines() if line.startswith("| set | pre"))
    assert header.count("|") == 8
    assert next(line for line in report.splitlines() if line.startswith("| prom_300_all")).endswith("0.904; 0.905 |")
    assert (out / "curve.png").stat().st_size > 5000
    # The set without a training table was split, and no row is in both parts.
    parts = [set((out / "sets" / f"prom_300_all.{part}.csv").read_text().splitlines()[1:]) for part in ("train", "dev")]
    assert [len(part) for part in parts] == [32, 8]
    assert all(not (a & b) for a, b in pairwise(parts))
    trained = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    # Nothing is made again.
    assert "1 of" in first
    assert "1 of" not in run()
    assert trained == {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
