"""The tests on the device: those of the kernels, and all that are marked `gpu`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

from .bench import Bench
from .prepare import CHECKOUT

_RESULT = re.compile(r"\b(PASSED|FAILED|ERROR|SKIPPED)\b.*?(tests/\S+)|(tests/\S+).*?\b(PASSED|FAILED|ERROR|SKIPPED)\b")


def tests(bench: Bench) -> None:
    """Run them, and keep how many passed as they go; what failed is noted with its reason."""
    counts: Counter[str] = Counter()
    kernels, others = ["tests/kernels", "--ignore=tests/kernels/test_ahead.py"], ["tests", "--ignore=tests/kernels"]
    if bench.dry:
        kernels, others = ["tests/kernels/test_quantize.py"], []
    for selected in ([*kernels], [*others, "-m", "gpu"] if others else []):
        if selected:
            _run(bench, selected, counts)
    _keep(bench, counts)
    assert counts["PASSED"], "no test ran"


def _run(bench: Bench, selected: list[str], counts: Counter[str]) -> None:
    # The project's own options are strict: other versions of plug-ins and warnings would end the run.
    options = ["-v", "-o", "addopts=--import-mode=importlib", "-W", "default", "-p", "no:cacheprovider", "--tb=line"]
    # A test that needs a package which is not here keeps its file out, not all of them.
    options += ["--continue-on-collection-errors"]
    options += ["-n", "4"] if find_spec("xdist") and not bench.dry else []
    command = [sys.executable, "-m", "pytest", *options, *selected]
    tail: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail = [*tail[-30:], line.rstrip()]
            found = _RESULT.search(line)
            if found and not line.startswith(("FAILED", "ERROR", "SKIPPED")):
                outcome, name = found[1] or found[4], found[2] or found[3]
                counts[outcome] += 1
                if outcome in ("FAILED", "ERROR"):
                    bench.note(f"{outcome.lower()}: {name}")
                if sum(counts.values()) % 50 == 0:
                    _keep(bench, counts)
            elif re.match(r"(/|E +)\S.*(Error|Exception|assert)", line):
                bench.note(line.strip()[:300])
    if process.returncode not in (0, 1, 5):
        bench.note(f"pytest ended with {process.returncode}: {' | '.join(tail[-5:])[:800]}")


def _keep(bench: Bench, counts: Counter[str]) -> None:
    bench.record("tests passed", counts["PASSED"])
    bench.record("tests failed", counts["FAILED"] + counts["ERROR"])
    bench.record("tests skipped", counts["SKIPPED"])
