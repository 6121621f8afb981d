"""The verbs bench and bench gue as users type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dnabert_fast.workflows import bench as module

Cli = Callable[..., tuple[int, str, str]]


def test_bench_prints_a_table_and_writes_json(
    cli: Cli, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    path = out / "facts.json"
    code, stdout, _ = cli(
        "bench", "-m", model, "--precision", "fp32", "--device", "cpu", "--threads", 1, "--json", path
    )
    assert code == 0
    facts = json.loads(path.read_text())
    lines = stdout.splitlines()
    assert lines[0].startswith("here: ")
    for row in facts["rows"]:
        [line] = [line for line in lines if line.startswith(row["what"])]
        assert f"{row['rate']:,.0f}  {row['unit']}" in line
    assert "fp8: not here: fp8 runs on GPUs" in stdout
    code, stdout, err = cli("bench", "--precision", "fp31", "--quiet")
    assert (code, stdout) == (1, "")
    assert "--precision fp31" in err


def test_bench_gue_sets_models_beside_published_figures(cli: Cli, tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "tf" / "0"
    folder.mkdir(parents=True)
    for name in ("train", "dev", "test"):
        rows = [f"{'ACGTACGTAC' if i % 2 else 'GGGTTGGGTT'}{'ACGT'[i % 4] * 10},{i % 2}" for i in range(24)]
        (folder / f"{name}.csv").write_text("\n".join(["sequence,label", *rows]) + "\n")
    words = ("bench", "gue", tmp_path / "tf", "-o", out / "b", "--baseline", "cnn", "--epochs", 2, "--keep", "metrics")
    code, stdout, err = cli(*words)
    assert code == 0
    header, row, mean = (line.split() for line in stdout.splitlines())
    assert header == ["MCC", "x", "100", "cnn", "DNABERT,", "k=3", "DNABERT,", "k=6", "DNABERT-2"]
    facts = json.loads((out / "b" / "bench.json").read_text())
    assert row == ["0", f"{facts['rows'][0]['mcc']['cnn']:.2f}", "67.95", "66.84", "71.99"]
    assert mean[:4] == ["mean", "of", "1", "sets"]
    assert "bench.md, bench.json" in err
    code, _, err = cli("bench", "gue", tmp_path / "tf", "-o", out / "c")
    assert code == 1
    assert "give --model, --network or --baseline" in err
