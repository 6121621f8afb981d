"""Measure every bar of the GPU on one machine, offline, in under nine minutes.

    python benchmarks/gpu.py [--minutes 9] [--only attention,encoder] [--tune] [--wheels FOLDER] [--out FOLDER] [--dry]

The package is put together from this checkout in a temporary folder, with missing packages out of a folder of wheels
and the C++ core built by cmake; then each step runs in a process of its own with a time limit, so that one that fails
or hangs leaves the others be. OUT/DATE-gpu-NAME.json and .md are written as figures come in: a run that is cut off
keeps what it has, and --only replaces its steps in the record of the day. --dry runs every line of every step on the
processor, at toy sizes, to see that it runs. The last line printed is JSON; without a GPU the exit code is 2.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gpu_steps.bars import STEPS, bars_of
from gpu_steps.prepare import CHECKOUT, prepare

HERE = Path(__file__).resolve().parent
LIMITS = {
    "ceilings": 40,
    "tests": 100,
    "attention": 80,
    "encoder": 140,
    "training": 70,
    "variants": 100,
    "scan": 70,
    "memory": 50,
    "gate": 50,
    "tune": 300,
}
"""Seconds of each step at most, in the order they run."""

NOT_ASKED = ("tune",)
PREPARING = 90.0
LEAST = 10.0
"""Seconds below which no step is begun."""

_NAME = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"


class Record:
    """What is known so far, and the two files it is written to whenever that grows."""

    def __init__(self, folder: Path, name: str) -> None:
        self.date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        self.path = folder / f"{self.date}-gpu-{name}.json"
        earlier = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.machine: dict[str, Any] = earlier.get("machine", {})
        self.steps: dict[str, dict[str, Any]] = earlier.get("steps", {})
        self.preparing: list[str] = []

    def begin(self, step: str) -> dict[str, Any]:
        """A step anew: its figures, notes and errors, and how the GPU was meanwhile."""
        self.steps[step] = {"status": "running", "figures": {}, "notes": [], "errors": [], "watch": {}, "seconds": None}
        self.steps[step]["measured"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes")
        self.steps[step]["command"] = " ".join(["python", *sys.argv])
        return self.steps[step]

    def take(self, lines: list[str]) -> None:
        """What a process of steps has said, from its beginning."""
        for content in map(json.loads, lines):
            self.machine.update(content.get("machine", {}))
            step = self.steps.get(content.get("step", ""))
            if step is None:
                continue
            if "figure" in content:
                step["figures"][content["figure"]] = content["value"]
            for kind in ("note", "error"):
                if content.get(kind) and content[kind] not in step[f"{kind}s"]:
                    step[f"{kind}s"].append(content[kind])
            step["watch"] = content.get("watch", step["watch"])
            if "done" in content:
                step["seconds"], step["status"] = round(content["done"], 1), "failed" if step["errors"] else "done"

    def write(self) -> None:
        """Both files, whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        steps = {name: dict(self.steps[name]) for name in LIMITS if name in self.steps}
        for name, step in steps.items():
            found = step["figures"]
            step["table"] = [bar.record(found.get(bar.recorded)) for bar in bars_of(name, found)]
        record = {"date": self.date, "machine": self.machine, "preparing": self.preparing, "steps": steps}
        for path, text in (
            (self.path, json.dumps(record, indent=2) + "\n"),
            (self.path.with_suffix(".md"), self.markdown()),
        ):
            aside = path.with_suffix(path.suffix + ".partial")
            aside.write_text(text)
            aside.replace(path)

    def table(self) -> str:
        """The figures of all steps against their bars."""
        lines = ["| what | bar | goal | measured | reached |", "|---|---|---|---|---|"]
        for step in LIMITS:
            if step in self.steps:
                figures = self.steps[step]["figures"]
                lines += [bar.row(figures.get(bar.recorded)) for bar in bars_of(step, figures)]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The table, the machine, and what each step noted."""
        about = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        parts = [f"# GPU benchmarks, {self.date}", self.table(), about, *self.preparing]
        for name in LIMITS:
            if name in self.steps:
                step = self.steps[name]
                watch = ", ".join(f"{key} {value:.4g}" for key, value in step["watch"].items())
                head = f"## {name}: {step['status']}\n\n{step['seconds']} s; {watch}; `{step['command']}`"
                parts += [head, "\n".join(f"* {line}" for line in [*step["errors"], *step["notes"]])]
        return "\n\n".join(part for part in parts if part) + "\n"


def run(record: Record, steps: list[str], environment: dict[str, str], seconds: float, dry: bool) -> None:
    """Run steps in one process and keep what they say while they say it; the process is ended after `seconds`."""
    began = [record.begin(step) for step in steps]
    with tempfile.TemporaryDirectory() as folder:
        said, log = Path(folder) / "said.jsonl", Path(folder) / "log"
        said.touch()
        command = [sys.executable, "-m", "gpu_steps", str(said), *["--dry"] * dry, *steps]
        with log.open("w") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=HERE, start_new_session=True
            )
            deadline, size = time.monotonic() + seconds, 0
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(min(1.0, max(0.0, deadline - time.monotonic())))
                    if said.stat().st_size > size:
                        size = said.stat().st_size
                        record.take(_whole_lines(said))
                        record.write()
            finally:
                cut_off = process.poll() is None
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        record.take(_whole_lines(said))
        for step in began:
            if step["status"] == "running":
                step["status"] = f"cut off after {seconds:.0f} s" if cut_off else f"ended with {process.returncode}"
            if step["status"] != "done":
                step["log"] = log.read_text(errors="replace")[-3000:]
        record.write()


def _whole_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main() -> int:
    """Prepare, run the steps, write the record; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure the project's bars on a GPU.")
    parser.add_argument("--minutes", type=float, default=9.0, help="when to have ended (9)")
    parser.add_argument("--only", help=f"steps, joined by commas: {', '.join(LIMITS)}")
    parser.add_argument("--tune", action="store_true", help="also time other tiles for attention")
    parser.add_argument("--wheels", type=Path, default=CHECKOUT / ".whl", help="folder of wheels of missing packages")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the record")
    parser.add_argument("--dry", action="store_true", help="toy sizes on the processor: that it runs")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes - 5
    # A step runs in a session of its own, which whoever ends this process does not reach.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    every = [step for step in LIMITS if step not in NOT_ASKED or options.dry]
    chosen = options.only.split(",") if options.only else every
    unknown = [step for step in chosen if step not in STEPS]
    if unknown:
        parser.error(f"no step {', '.join(unknown)}; there are {', '.join(LIMITS)}")
    chosen += ["tune"] * (options.tune and "tune" not in chosen)
    asked = subprocess.run([sys.executable, "-c", _NAME], capture_output=True, text=True, check=False)
    name = "dry" if options.dry else asked.stdout.strip()
    if not name:
        why = asked.stderr.strip().splitlines()[-1:] or ["torch sees none"]
        print(f"no GPU on this machine ({why[0]}): nothing was measured; --dry runs every step on the processor")
        return 2
    record = Record(options.out, re.sub(r"[^a-z0-9]+", "-", name.lower().removeprefix("nvidia ")).strip("-"))
    with tempfile.TemporaryDirectory(prefix="dnabert-fast-") as scratch:
        site = Path(scratch) / "site"
        site.mkdir()
        try:
            prepare(site, options.wheels, not options.dry, record.preparing.append, PREPARING)
        except Exception as error:
            record.preparing.append(f"preparing failed: {type(error).__name__}: {error}")
        record.write()
        paths = [str(site), str(HERE), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        environment["XDG_CACHE_HOME"] = str(Path(scratch) / "cache")  # verdicts on random weights are nobody's
        environment |= {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"} if options.dry else {}
        for steps in [chosen] if options.dry else [[step] for step in LIMITS if step in chosen]:
            left = end - time.monotonic()
            if left < LEAST:
                for step in steps:
                    record.begin(step)["status"] = "not begun: no time was left"
                record.write()
                continue
            print(f"{', '.join(steps)}: {left:.0f} s left", flush=True)
            run(record, steps, environment, left if options.dry else min(left, LIMITS[steps[0]]), options.dry)
    print("\n".join([record.table(), *record.preparing]))
    for step, found in record.steps.items():
        for line in [*found["errors"], *([] if found["status"] == "done" else [found["status"]])]:
            print(f"{step}: {line}", file=sys.stderr)
    print(json.dumps({step: record.steps[step]["figures"] for step in chosen if step in record.steps}))
    return int(any(record.steps[step]["status"] != "done" for step in chosen))


if __name__ == "__main__":
    sys.exit(main())
