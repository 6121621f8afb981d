"""The verb `pretrain` from genomes to a model folder: killed, resumed, refused, interrupted, and in two processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnabert_fast.engine.model import load
from dnabert_fast.errors import BackendUnavailable, CheckpointError, DnabertError, FormatError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.network import build
from dnabert_fast.nn.weights import read_tensors
from dnabert_fast.train.checkpoints import latest
from dnabert_fast.workflows import pretrain as module
from dnabert_fast.workflows.pretrain import pretrain

from . import killed
from .test_pretrain import config

QUICK: dict[str, Any] = {"preset": "tiny", "steps": 6, "batch": 6, "warm_up": 2, "total_steps": 20, "save_every": 2}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    return killed.genome(tmp_path)


def log(out: Path) -> list[Any]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    return read_tensors(out)[0]


def test_a_folder_that_other_tools_read(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "held.bed").write_text("one\t100\t4000\n")
    told: list[Any] = []
    facts = pretrain(
        genomes=[genome], output=tmp_path / "o", exclude=[tmp_path / "held.bed"], report=told.append, **QUICK
    )
    assert (facts["steps"], facts["stopped"], facts["evaluation"]["step"]) == (6, False, 6)
    written = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert written["run"]["data"]["bases_to_train_on"] == 20_000 - 3_900
    assert [event["event"] for event in log(tmp_path / "o")] == [e["event"] for e in told]
    assert [event["step"] for event in told if event["event"] == "evaluation"] == [2, 4, 6]
    assert sorted(os.listdir(tmp_path / "o" / "checkpoints")) == ["step-4", "step-6"]
    bert = pytest.importorskip("transformers").BertForMaskedLM.from_pretrained(tmp_path / "o").eval()
    ours = load(str(tmp_path / "o"))
    states, _ = next(iter(ours.encode(["ACGTTGCATT"])))
    with torch.no_grad():
        ids = torch.from_numpy(np.array([[2, *np.arange(5, 13), 3]]))
        assert torch.isfinite(bert(input_ids=ids).logits).all()
    assert states.shape == (10, 32)


def test_a_run_made_longer_is_the_long_run(tmp_path: Path, genome: Path) -> None:
    whole = pretrain(genomes=[genome], output=tmp_path / "whole", **QUICK)
    pretrain(genomes=[genome], output=tmp_path / "parts", **{**QUICK, "steps": 3})
    with open(tmp_path / "parts" / "log.jsonl", "a") as file:
        file.write('{"event": "step", "step": 4, "loss": 1.0}\n{"event": "st')
    told: list[Any] = []
    facts = pretrain(genomes=[genome], output=tmp_path / "parts", resume=True, report=told.append, **QUICK)
    assert told[0]["note"] == f"training goes on from {tmp_path / 'parts' / 'checkpoints' / 'step-3'}"
    for name in ("model.safetensors", "config.json", "checkpoints/step-6/state.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    logs = [[(e["step"], e["loss"]) for e in log(tmp_path / name)] for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert facts["tokens"] == whole["tokens"]
    again = pretrain(genomes=[genome], output=tmp_path / "parts", resume=True, **QUICK)
    assert again["steps"] == 6


def test_killed_at_a_random_step_it_ends_with_the_same_bytes(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = random.randrange(1, killed.STEPS - 4)
    assert killed.killed(killed.command(genome, tmp_path / "o"), tmp_path / "o", tmp_path, at)
    for name in ("o", "unstopped"):
        given = {"model": killed.START, "exclude": [killed.HELD_OUT], "resume": True, **killed.SETTINGS}
        pretrain(genomes=[genome], output=tmp_path / name, **given)
    killed.same(tmp_path / "o", tmp_path / "unstopped")


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, genome: Path) -> None:
    out = tmp_path / "out"
    run = killed.start(killed.command(genome, out, "--save-every", 5000, "--steps", 1000), tmp_path)
    limit = time.monotonic() + 60
    while killed.steps_made(out) < 3:
        assert run.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    text = run.communicate(timeout=60)[0].decode()
    assert run.returncode == 130
    state = latest(out / "checkpoints")
    assert state is not None
    assert state.step == killed.steps_made(out)
    assert f"step-{state.step} is written; to go on, give the same command with --resume" in " ".join(text.split())
    assert "nothing was left" not in text
    assert not (out / "model.safetensors").exists()


def test_what_a_scheduler_sends_stops_it_too(tmp_path: Path, genome: Path) -> None:
    def kill_after_three(event: Any) -> None:
        if event["step"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    facts = pretrain(genomes=[genome], output=tmp_path / "o", report=kill_after_three, **QUICK)
    assert (facts["steps"], facts["stopped"]) == (3, True)
    assert sorted(os.listdir(tmp_path / "o" / "checkpoints")) == ["step-2", "step-3"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_two_processes_are_one(tmp_path: Path, genome: Path) -> None:
    """The same losses, weights, evaluations and one log; dropout too, which is drawn by batch."""
    write_network(build(config(dropout=0.1), seed=3, pooler=False), tmp_path / "start")
    several_batches = {**QUICK, "max_tokens": 512}
    (tmp_path / "held.bed").write_text("one\t100\t4000\n")
    words = [genome, "-o", tmp_path / "two", "--model", tmp_path / "start", "--exclude", tmp_path / "held.bed"]
    words += [word for name, value in several_batches.items() for word in (f"--{name.replace('_', '-')}", value)]
    several = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    done = subprocess.run(
        [*several, "-m", "dnabert_fast", "pretrain", *map(str, words), "--device", "cpu", "--threads", "1"],
        capture_output=True, check=False, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    facts = pretrain(
        genomes=[genome],
        output=tmp_path / "one",
        model=str(tmp_path / "start"),
        exclude=[tmp_path / "held.bed"],
        **several_batches,
    )
    one, two = log(tmp_path / "one"), log(tmp_path / "two")
    assert [(e["event"], e["step"]) for e in one] == [(e["event"], e["step"]) for e in two]
    for mine, theirs in zip(one, two, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert mine.get("masked") == theirs.get("masked")
        assert mine.get("tokens") == theirs.get("tokens")
    pair = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert max(float((pair[0][name] - pair[1][name]).abs().max()) for name in pair[0]) < 1e-5
    assert max(float((pair[0][name] - tensors(tmp_path / "start")[name]).abs().max()) for name in pair[0]) > 1e-3
    assert json.loads((tmp_path / "two" / "metrics.json").read_text())["processes"] == 2
    assert facts["processes"] == 1
    again = pretrain(
        genomes=[genome], output=tmp_path / "two", model=str(tmp_path / "start"), exclude=[tmp_path / "held.bed"],
        resume=True, **{**several_batches, "steps": 7},
    )  # fmt: skip
    assert any("processes 2 is now 1: the steps that follow are like, not equal" in line for line in again["notes"])


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_it_goes_on_from_models_of_any_head(tmp_path: Path, genome: Path, make_model: Callable[..., Path]) -> None:
    classifier = make_model("sequence")
    pretrain(
        genomes=[genome], output=tmp_path / "a", model=str(classifier), **{**QUICK, "steps": 1, "learning_rate": 1e-9}
    )
    network = read_network(tmp_path / "a")
    assert network.config.head == "mlm"
    torch.testing.assert_close(network.encoder.word, read_network(classifier).encoder.word, atol=1e-6, rtol=0)
    checkpoint = tmp_path / "a" / "checkpoints" / "step-1"
    pretrain(genomes=[genome], output=tmp_path / "b", model=str(checkpoint), **{**QUICK, "steps": 1, "kmer": 3})
    assert read_network(tmp_path / "b").config == network.config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rate": 1e-4},
            "was made with learning rate 0.002, but this run has 0.0001; give what it was made with",
        ),
        ({"seed": 7}, "was made with seed 42, but this run has 7"),
        ({"network": "mini"}, "was made with network encoder vocab size 69, but this run has 261"),
        ({"mask_rate": "0.2"}, "was made with mask rates [[0, 0.15]], but this run has [[0, 0.2]]"),
        ({"strand": "+"}, "was made with strand both, but this run has +"),
        ({"genome": "longer"}, "was made with data bases 20000, but this run has 20001"),
        ({"genome": "other"}, "was made with data hash"),
        ({"exclude": ["held.bed"]}, "was made with data bases to train on 20000, but this run has 16100"),
        ({"resume": False}, "holds a checkpoint of step 2; go on from it with --resume, or choose another folder"),
    ],
)
def test_another_run_is_refused(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "held.bed").write_text("one\t100\t4000\n")
    short = {**QUICK, "steps": 2}
    pretrain(genomes=[genome], output=tmp_path / "o", **short)
    before = (tmp_path / "o" / "log.jsonl").read_bytes()
    text = genome.read_text()
    changed = {"longer": text[:-1] + "A\n", "other": text.replace("ACGT", "AGCT")}.get(
        str(change.pop("genome", "")), text
    )
    genome.write_text(changed)
    with pytest.raises(DnabertError) as refused:
        pretrain(genomes=[genome], output=tmp_path / "o", **{**short, "resume": True, **change})
    assert message in str(refused.value)
    assert (tmp_path / "o" / "log.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "huge"}, "--preset huge: choose one of dnabert-3"),
        ({"network": "huge"}, "--network huge: choose one of"),
        ({"kmer": 7}, "--kmer 7: choose one of 3, 4, 5, 6"),
        ({"batch": 0}, "--batch 0 must be greater than 0"),
        ({"save_every": 0}, "--save-every 0 must be greater than 0"),
        ({"warm_up": 30}, "the warm-up is shorter"),
        ({"steps": 21}, "the steps are no more than that"),
        ({"mask_rate": "15"}, "--mask-rate 15: give a share such as 0.15"),
        ({"mask_rate": "0.15,0.2"}, "--mask-rate 0.15,0.2: give a share"),
        ({"strand": "-"}, "--strand -: choose + or both"),
        ({"span": 2}, "hides no base"),
        ({"precision": "fp16"}, "--precision fp16: pre-training runs in bf16 (GPUs) or fp32"),
        ({"precision": "bf16", "device": "cpu"}, "--precision bf16: "),
        ({"evaluate_every": 2}, "--evaluate-every needs samples that are held out"),
        ({"exclude": ["two"]}, "no genome has the contig two"),
        ({"include": ["none.bed"]}, "none.bed: cannot be read"),
        ({"model": "x", "network": "mini"}, "--model goes on with a trained network"),
        (
            {"model": "start"},
            "--model start: has the vocabulary of 4-mers, and --preset or --kmer say 3; give --kmer 4",
        ),
        ({"model": "x"}, "x: no such model"),
        ({"output": "genome.fa"}, "is a file; give a folder name for the output"),
        ({"learning_rate": float("nan")}, "--learning-rate nan must be greater than 0"),
        ({"seed": 1 << 63}, "give a whole number from 0 to 2^63 - 1"),
        ({"output": ".", "model": "."}, "is an input too; choose another folder"),
    ],
)
def test_settings_that_do_not_fit(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if wrong.get("model") == "start":
        write_network(build(config().with_k(4), seed=3, pooler=False), tmp_path / "start")
    with pytest.raises((DnabertError, BackendUnavailable, CheckpointError, FormatError)) as caught:
        pretrain(genomes=[genome], **{"output": tmp_path / "o", **QUICK, **wrong})
    assert message in str(caught.value)


def test_a_run_that_is_over_says_again_what_came_of_it(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "held.bed").write_text("one\t100\t4000\n")
    told = [
        pretrain(genomes=[genome], output=tmp_path / "o", exclude=[tmp_path / "held.bed"], resume=resume, **QUICK)
        for resume in (False, True)
    ]
    assert told[0]["evaluation"]["step"] == told[0]["last_step"]["step"] == 6
    assert [told[1][name] for name in ("evaluation", "last_step")] == [
        told[0][name] for name in ("evaluation", "last_step")
    ]


def test_what_is_excluded_may_be_too_short_to_judge_on(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "short.bed").write_text("one\t100\t102\n")
    short = {"exclude": [tmp_path / "short.bed"], **QUICK}
    with pytest.raises(DnabertError, match="--evaluate-every: what is excluded is too short for a sample"):
        pretrain(genomes=[genome], output=tmp_path / "o", evaluate_every=2, **short)
    facts = pretrain(genomes=[genome], output=tmp_path / "o", **short)
    assert (facts["steps"], facts["evaluation"]) == (6, None)


def test_a_schedule_and_another_k(tmp_path: Path, genome: Path) -> None:
    settings = {**QUICK, "steps": 4, "mask_rate": "0.1,0.5@2", "kmer": 4, "whole_spans": True, "span": 6, "strand": "+"}
    facts = pretrain(genomes=[genome], output=tmp_path / "o", **settings)
    assert read_network(tmp_path / "o").config.k == 4
    recipe = facts["run"]["recipe"]
    assert recipe["mask_rates"] == [[0, 0.1], [2, 0.5]]
    shares = [event["masked"] / event["tokens"] for event in log(tmp_path / "o")]
    assert max(shares[:2]) < 0.2 < 0.3 < min(shares[2:])


def test_a_full_disk_is_one_line(tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.save_state

    def save(folder: Path, step: int, *rest: Any, **named: Any) -> Path:
        def full(*args: Any, **given: Any) -> None:
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            if step > 2:
                patch.setattr("safetensors.torch.save_file", full)
            return real(folder, step, *rest, **named)

    monkeypatch.setattr(module, "save_state", save)
    with pytest.raises(
        CheckpointError, match="No space left on device; the one of step 2 is still there; make room and"
    ):
        pretrain(genomes=[genome], output=tmp_path / "o", **QUICK)
    monkeypatch.undo()
    pretrain(genomes=[genome], output=tmp_path / "o", resume=True, **QUICK)
    pretrain(genomes=[genome], output=tmp_path / "whole", **QUICK)
    assert (tmp_path / "o" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
