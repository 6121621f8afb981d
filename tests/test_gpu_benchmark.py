"""The GPU benchmark: a dry run of every step on the processor, and what becomes of a run that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gpu
import pytest
import torch
from gpu_steps.bars import STEPS, Bar
from gpu_steps.prepare import prepare

SCRIPT = Path(gpu.__file__)

# What only a GPU has: fp8 products, the precisions of GPUs, its load.
ON_GPUS = {"fp8 TFLOP/s", "gate fp16", "gate fp8", "variants busy", "variants fp8/s", "scan busy"}


@pytest.mark.timeout(300)
def test_a_dry_run_fills_the_table(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    command = [sys.executable, str(SCRIPT), "--dry", "--out", str(tmp_path), "--wheels", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    for step, bars in STEPS.items():
        missing = {bar.recorded for bar in bars} - figures[step].keys()
        assert missing <= ON_GPUS, step
        assert all(value >= 0 for value in figures[step].values())
    assert figures["tests"]["tests failed"] == 0 < figures["tests"]["tests passed"]
    assert len(figures["memory"]) >= 8
    assert len(figures["tune"]) == 9
    (path,) = tmp_path.glob("*-gpu-dry.json")
    record = json.loads(path.read_text())
    assert {step["status"] for step in record["steps"].values()} == {"done"}
    assert not any(step["errors"] for step in record["steps"].values())
    rows = [row for step in record["steps"].values() for row in step["table"]]
    text = path.with_suffix(".md").read_text()
    assert len(rows) > 50
    assert all(str(row["what"]) in text for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("no GPU on this machine")
    assert len(done.stdout.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_step_that_fails_or_hangs_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that were said count; the process is ended with all that it started; the next step begins anew."""
    package = tmp_path / "gpu_steps"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        """
import json, subprocess, sys, time
out, step = sys.argv[1], sys.argv[-1]
with open(out, "a") as file:
    file.write(json.dumps({"step": step, "figure": "copy TB/s", "value": 4.0}) + "\\n")
    file.flush()
    if step == "scan":
        sys.exit("no such thing")
    if step == "memory":
        child = subprocess.Popen(["sleep", "60"])
        file.write(json.dumps({"step": step, "note": str(child.pid)}) + "\\n{")
        file.flush()
        time.sleep(60)
    file.write(json.dumps({"step": step, "done": 0.5}) + "\\n")
"""
    )
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    record = gpu.Record(tmp_path / "out", "none")
    for step, seconds in (("memory", 2.0), ("scan", 60.0), ("gate", 60.0)):
        gpu.run(record, [step], {**os.environ, "PYTHONPATH": str(tmp_path)}, seconds, dry=False)
    kept = json.loads(next((tmp_path / "out").glob("*.json")).read_text())["steps"]
    assert all(step["figures"] == {"copy TB/s": 4.0} for step in kept.values())
    assert {name: step["status"] for name, step in kept.items()} == {
        "scan": "ended with 1",
        "memory": "cut off after 2 s",
        "gate": "done",
    }
    assert "no such thing" in kept["scan"]["log"]
    child = Path("/proc") / kept["memory"]["notes"][0] / "stat"
    assert not child.exists() or ") Z " in child.read_text()  # gone, or nobody has asked how it ended


def test_a_record_is_continued(tmp_path: Path) -> None:
    first = gpu.Record(tmp_path, "none")
    first.begin("scan")["figures"]["scan Mbase/s"] = 2.5
    first.begin("memory")
    first.write()
    second = gpu.Record(tmp_path, "none")
    second.begin("memory")["figures"]["rows to fp8"] = 0.9
    second.write()
    text = second.path.with_suffix(".md").read_text()
    assert "| 2.30 Mbase/s |  | 2.50 Mbase/s | bar |" in text
    assert "| rows to fp8 |  |  | 90% |  |" in text


def test_bars_and_goals() -> None:
    bar = Bar("x", "x", least=0.9, goal=1.0)
    assert [bar.met(value) for value in (None, 0.89, 0.9, 1.0)] == ["no figure", "**falls short**", "bar", "goal"]
    assert [Bar("x", "x").met(value) for value in (None, 0.5)] == ["", ""]


def test_what_cannot_be_built_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler an earlier build serves, if it is for this Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    notes: list[str] = []
    prepare(tmp_path / "site", tmp_path, True, notes.append, 60.0)
    assert notes[0] == "no C++ compiler and cmake here, so the C++ core is not built"
    assert "_core" in notes[1]
    assert list((tmp_path / "site" / "dnabert_fast").glob("_core*"))
    monkeypatch.setattr("gpu_steps.prepare.SUFFIX", ".cpython-27.so")
    prepare(tmp_path / "other", tmp_path, True, notes.append, 60.0)
    assert any("there is no module for this Python (.cpython-27.so)" in note for note in notes)
