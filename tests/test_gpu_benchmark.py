"""The GPU benchmark: a dry run of every step on the processor, and what becomes of a run that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import gpu
import pytest
import torch
from gpu_steps import jobs
from gpu_steps import tests as device_tests
from gpu_steps.bars import STEPS, Bar
from gpu_steps.bench import Bench
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


def test_a_wheel_for_another_python_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    for name, tag in (("there_is_one", "py3-none-any"), ("there_is_none", "cp27-cp27m-win32")):
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            about = f"{name}-1.0.dist-info"
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            wheel.writestr(f"{about}/RECORD", "")
    notes: list[str] = []
    prepare(tmp_path / "site", tmp_path, False, notes.append, 60.0)
    assert (tmp_path / "site" / "there_is_one.py").exists()
    assert any(note.startswith("installing there_is_none-1.0") for note in notes)
    assert "wheels: there_is_one-1.0-py3-none-any.whl" in notes


def _said(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_tests_run_where_others_cannot_be_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tests" / "kernels"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text("def test_it():\n    pass\n")
    (folder / "test_two.py").write_text("import a_package_that_is_not_here\n")
    monkeypatch.setattr(device_tests, "CHECKOUT", tmp_path)
    device_tests.tests(Bench(tmp_path / "said.jsonl", dry=False))
    said = _said(tmp_path / "said.jsonl")
    assert {"step": "", "figure": "tests passed", "value": 1.0} in said
    assert {"step": "", "note": "error: tests/kernels/test_two.py"} in said
    assert any("No module named 'a_package_that_is_not_here'" in str(line.get("note")) for line in said)


def test_a_precision_without_finite_scores_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"precision": "fp8", "sign_changes": 0.0, "spearman_changes": None},
        {"precision": "bf16", "sign_changes": 1.0, "spearman_changes": 0.5},
    ]
    monkeypatch.setattr(jobs, "_Work", lambda *given: SimpleNamespace(model="", options={}))
    monkeypatch.setattr("dnabert_fast.workflows.check.check", lambda *a, **o: {"precisions": rows, "unavailable": {}})
    jobs.gate(Bench(tmp_path / "said.jsonl", dry=False))
    said = _said(tmp_path / "said.jsonl")
    assert [line["figure"] for line in said if "figure" in line] == ["gate bf16"]
    assert any("fp8" in str(line.get("note")) for line in said)


def test_steps_for_which_no_time_is_left_say_so(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--dry", "--minutes", "0", "--only", "memory,gate", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"memory": {}, "gate": {}}
    assert "gate: not begun: no time was left" in done.stderr


def test_a_run_that_is_ended_ends_its_step(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--dry", "--only", "encoder,training", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert "s left" in program.stdout.readline()
        time.sleep(0.5)
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        assert children
        program.terminate()
        assert program.wait(20) == 143
    assert not any((Path("/proc") / child).exists() for child in children)
