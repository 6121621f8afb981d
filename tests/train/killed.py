"""Kill a pre-training run at a random step, go on with it, and compare the weights with those of a run unstopped.

    python tests/train/killed.py [TIMES]

Each run is killed by SIGKILL up to three times. Exits with 1 where a byte differs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dnabert_fast.nn.checkpoint import write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import build

STEPS = 30
SETTINGS = {"preset": "tiny", "steps": STEPS, "batch": 6, "save_every": 4, "threads": 1}
HELD_OUT, START = "one.bed", "start"


def genome(folder: Path) -> Path:
    """20,000 random bases."""
    letters = random.Random(1).choices("ACGT", k=20_000)
    path = folder / "genome.fa"
    path.write_text(">one\n" + "".join(letters) + "\n")
    return path


def command(where: Path, out: Path, *more: object) -> list[str]:
    """A run that goes on from a tiny network with dropout: checkpoints every fourth step."""
    flags = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", value)]
    words = ["pretrain", where, *flags, "--model", START, "--exclude", HELD_OUT, "-o", out, *more]
    return [sys.executable, "-m", "dnabert_fast", *map(str, words)]


def start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Begin a command in a folder that gets the file HELD_OUT, which it holds out, and the model START."""
    (folder / HELD_OUT).write_text("one\t15000\t20000\n")
    if not (folder / START).exists():
        tiny = PRESETS["tiny"].with_head("mlm")
        assert tiny.encoder.hidden_dropout == tiny.encoder.attention_dropout == 0.1
        write_network(build(tiny, seed=1, pooler=False), folder / START)
    given = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def steps_made(out: Path) -> int:
    """Lines of the log."""
    log = out / "log.jsonl"
    return log.read_bytes().count(b'"event": "step"') if log.exists() else 0


def finished(run: subprocess.Popen[bytes]) -> None:
    """Wait for a command that has to end well."""
    text, _ = run.communicate(timeout=120)
    assert run.returncode == 0, text.decode()


def killed(words: list[str], out: Path, folder: Path, at: int) -> bool:
    """Run a command and kill it once its log has `at` steps; whether it was still running then."""
    run = start(words, folder)
    limit = time.monotonic() + 120
    while run.poll() is None and steps_made(out) < at:
        assert time.monotonic() < limit
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    return run.returncode == -signal.SIGKILL


def outlives(folder: Path, unstopped: Path, draw: random.Random, kills: int) -> list[int]:
    """Kill a run so many times; returns after how many steps. AssertionError where the result differs."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "out"
    where = folder / "genome.fa"
    at = sorted(draw.randint(1, STEPS - 1) for _ in range(kills))
    for step in at:
        assert killed(command(where, out, "--resume"), out, folder, step), "the run ended too soon"
    finished(start(command(where, out, "--resume"), folder))
    same(out, unstopped)
    return at


def same(out: Path, unstopped: Path) -> None:
    """AssertionError where weights, moments or the number of steps logged differ."""
    for name in ("model.safetensors", f"checkpoints/step-{STEPS}/state.safetensors"):
        assert (out / name).read_bytes() == (unstopped / name).read_bytes(), f"{name} differs"
    assert steps_made(out) == steps_made(unstopped) == STEPS


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    draw = random.Random()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        finished(start(command(genome(folder), folder / "unstopped"), folder))
        for turn in range(times):
            at = outlives(folder, folder / "unstopped", draw, draw.randint(1, 3))
            print(f"{turn + 1}: killed after steps {at}, the same bytes", flush=True)


if __name__ == "__main__":
    main()
