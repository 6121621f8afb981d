"""Several devices: a process each that stays, answers as of one, and an end to all of them whatever happens."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle.resident import Echo

import dnabert_fast.engine.model as engine
from dnabert_fast import DnabertError, Genome, load
from dnabert_fast.analysis.scan import ScanSummary, ScanUnit, plan_scan, scan
from dnabert_fast.engine.fleet import Fleet, _Running, device_names
from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.nn.backends import available
from dnabert_fast.seq.batch import Windows

ROOT = Path(__file__).parent.parent


def gone(process: int, seconds: float = 20) -> bool:
    """Whether a process ends within some seconds."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def silent(share: float) -> None:
    pass


def test_requests_go_to_free_processes_until_one_dies() -> None:
    fleet = Fleet(Echo, ["a", "b"])
    shares: list[float] = []
    answers = [fleet.ask(("sleep", 0.2 if i == 0 else 0.01), shares.append) for i in range(12)]
    found = [answer.result(60) for answer in answers]
    assert [seconds for *_, seconds in found] == [0.2] + [0.01] * 11
    assert {device for device, *_ in found} == {"a", "b"}
    processes = {process for _, process, _ in found}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert shares == [0.5] * 24
    with pytest.raises(ValueError, match="bad request") as failure:
        fleet.ask(("fail", "request"), silent).result(60)
    assert "in begin" in str(failure.value.__cause__)
    with pytest.raises(DnabertError, match=r"pip install 'dnabert-fast\[b\]'"):
        fleet.ask(("extra", 0), silent).result(60)
    with pytest.raises(TypeError, match="cannot pickle"):
        fleet.ask(("lock", 0), silent).result(60)
    assert [fleet.ask(("note", "once"), silent).result(60)[2] for _ in range(4)] == ["once"] * 4
    assert fleet.notes == ("once",)

    waiting = [fleet.ask(("sleep", 0.5), silent) for _ in range(8)]
    os.kill(min(processes), signal.SIGKILL)
    again = {answer.result(60)[1] for answer in waiting}
    assert max(processes) in again
    assert len(again - processes) == 1
    [note] = fleet.notes[1:]
    assert re.fullmatch(r"the process of device [ab] ended by SIGKILL; .* enough memory\?; it was started again", note)

    waiting = [fleet.ask(("kill", 0), silent), *(fleet.ask(("sleep", 60), silent) for _ in range(6))]
    for answer in waiting:
        with pytest.raises(DnabertError, match=r"the process of device [ab] ended by SIGKILL; is there enough memory"):
            answer.result(60)
    processes |= again
    assert all(map(gone, processes))
    device, process, _ = fleet.ask(("sleep", 0), silent).result(60)
    assert device in ("a", "b")
    assert process not in processes
    with pytest.raises(DnabertError, match="ended with exit code 3"):
        fleet.ask(("die", 3), silent).result(60)
    assert gone(process)
    with pytest.raises((pickle.PicklingError, AttributeError), match="pickle"):
        fleet.ask(("sleep", lambda: 0), silent).result(60)
    fleet.stop()


def test_a_resident_that_cannot_be_made_and_a_fleet_that_is_stopped() -> None:
    lacking = Fleet(Echo, ["a", "missing"])
    with pytest.raises(BackendUnavailable, match="no device named missing"):
        lacking.ask(("sleep", 60), silent).result(60)
    fleet = Fleet(Echo, ["a"])
    process = fleet.ask(("sleep", 0), silent).result(60)[1]
    left = fleet.ask(("sleep", 60), silent)
    fleet.stop()
    with pytest.raises(DnabertError, match="stopped"):
        left.result(5)
    assert gone(process)
    other = pickle.loads(pickle.dumps(fleet))
    process = other.ask(("sleep", 0), silent).result(60)[1]
    del other
    assert gone(process)


class Asker:
    """Who asks, and is told how far it is."""

    def tick(self, share: float) -> None:
        pass


def test_nobody_who_asked_is_held_on_to() -> None:
    """Else a thread of the fleet is the last to let go of a model, as the program ends."""
    fleet = Fleet(Echo, ["a"])
    asker = Asker()
    gone_by = weakref.ref(asker)
    assert fleet.ask(("sleep", 0), asker.tick).result(60)[0] == "a"
    del asker
    limit = time.monotonic() + 5
    while gone_by() is not None and time.monotonic() < limit:
        time.sleep(0.01)
    assert gone_by() is None
    fleet.stop()


def test_a_request_that_comes_as_a_process_dies_fails_too() -> None:
    running = _Running(Echo, ["a"], {})
    running.end(DnabertError("it died"))
    with pytest.raises(DnabertError, match="it died"):
        running.ask(("sleep", 0), silent).result(5)


SCRIPT = """
import time
from oracle.resident import Echo
from dnabert_fast.engine.fleet import Fleet
from dnabert_fast.engine.pipeline import pipeline

def told(share):
    pass

def compute(item):
    answer = fleet.ask(("sleep", 0 if item == 0 else 600, bytes(10_000_000)), told)
    return answer.result

if __name__ == "__main__":
    fleet = Fleet(Echo, ["a", "b"])
    first = [fleet.ask(("sleep", 0.5), told) for _ in range(2)]
    print(*(answer.result()[1] for answer in first), flush=True)
    pipeline(range(9), abs, compute, lambda wait: wait(), cancel=fleet.stop)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_process_stays_behind(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        processes = [int(word) for word in program.stdout.readline().split()]
        assert len(set(processes)) == 2
        time.sleep(0.5)
        # Ctrl-C in a terminal goes to every process of the program.
        (os.killpg if sent == signal.SIGINT else os.kill)(program.pid, sent)
        assert program.wait(20) != 0
        assert all(map(gone, processes))
        if sent == signal.SIGINT:
            said = program.stderr.read()
            assert said.count("KeyboardInterrupt") == said.count("Traceback") == 1


STARTING = """
import time
if __name__ == "__mp_main__":
    time.sleep(2)
from oracle.resident import Echo
from dnabert_fast.engine.fleet import Fleet

def told(share):
    pass

if __name__ == "__main__":
    fleet = Fleet(Echo, ["a", "b"])
    answer = fleet.ask(("sleep", 0), told)
    print("asked", flush=True)
    answer.result()
"""


def test_processes_that_start_leave_ctrl_c_to_the_program(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(STARTING)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "asked\n"
        time.sleep(1)
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(20) != 0
        said = program.stderr.read()
        assert said.count("KeyboardInterrupt") == said.count("Traceback") == 1, said


def test_names_of_devices() -> None:
    assert device_names("auto") == ["auto"]
    assert device_names("cpu, cpu") == ["cpu", "cpu"]
    assert device_names("cuda:0,cuda:3") == ["cuda:0", "cuda:3"]
    with pytest.raises(DnabertError, match="a name is missing"):
        device_names("cuda:0,")


@pytest.mark.parametrize("gpus", [0, 1, 3])
def test_cuda_means_every_gpu(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    every = ["cuda"] if gpus < 2 else ["cuda:0", "cuda:1", "cuda:2"]
    assert device_names("cuda") == every
    assert device_names("cpu,cuda") == ["cpu", *every]  # no process could start others in its turn


def test_a_device_that_is_not_there(make_model: Callable[..., Path]) -> None:
    with pytest.raises(BackendUnavailable, match="no device named gpu"):
        load(make_model(), device="cpu,gpu")


@pytest.mark.skipif(available("cpu")["int8"] is not None, reason="no fast int8 here")
def test_each_process_leaves_the_same_layers_out(make_model: Callable[..., Path]) -> None:
    left = ["layers.0.up", "layers.1.qkv"]
    options = {"precision": "int8", "threads": 1}
    plain = load(make_model(), device="cpu", **options)
    one, two = (load(make_model(), device=device, exceptions=left, **options) for device in ("cpu", "cpu,cpu"))
    assert two.fleet is not None
    try:
        found = two.predict(["ACGTTGCATTGACA" * 3] * 2)
    finally:
        two.fleet.stop()
    assert one.network.backend.exceptions == tuple(left)
    assert found.tobytes() == one.predict(["ACGTTGCATTGACA" * 3] * 2).tobytes()
    assert found.tobytes() != plain.predict(["ACGTTGCATTGACA" * 3] * 2).tobytes()


def test_two_processes_answer_as_one(
    make_model: Callable[..., Path], grch38: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "UNIT_SEQUENCES", 10)
    one = load(make_model(), device="cpu", threads=1)
    two = load(make_model(), device="cpu,cpu", threads=1)
    assert two.fleet is not None
    random = np.random.default_rng(3)
    sequences = [bytes(random.choice(list(b"ACGT"), random.integers(20, 120)).tolist()) for _ in range(95)]
    try:
        assert two.predict(sequences).tobytes() == one.predict(sequences).tobytes()
        small = [replace(model, max_tokens=64).with_strand("both") for model in (one, two)]
        assert small[1].embed(sequences).tobytes() == small[0].embed(sequences).tobytes()
        with pytest.raises(DnabertError, match=r"2 pieces .* 1 piece"):
            two.logits(two.prepare(Windows.from_strings([b"A" * 513])))
        with Genome.open(grch38) as genome:
            bases = genome.bases("chr20", 1_000_000, 1_002_000).tobytes()
        (tmp_path / "g.fa").write_bytes(b">one\n" + bases + b"\n")
        monkeypatch.setattr("dnabert_fast.analysis.scan.UNIT_BASES", 200)
        units: list[list[ScanUnit]] = [[], []]
        told = [0, 0]
        for i, model in enumerate((one, two)):

            def progress(bases: int, i: int = i) -> None:
                told[i] += bases

            with Genome.open(tmp_path / "g.fa") as genome:
                plan = plan_scan(genome, 50, 20, None, ScanSummary())
                scan(
                    model,
                    genome,
                    plan,
                    units[i].append,
                    ScanSummary(),
                    window=50,
                    stride=20,
                    readout=model.readout(),
                    progress=progress,
                )
        assert len(units[0]) == len(units[1]) == 10
        for unit, other in zip(*units, strict=True):
            assert unit.score.tobytes() == other.score.tobytes()
            assert unit.mean.tobytes() == other.mean.tobytes()
        assert told == [2000, 2000]
    finally:
        two.fleet.stop()
        torch.set_num_threads(1)
