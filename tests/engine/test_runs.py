"""Two runs of one work folder: those of the same shards keep each other out, others do not, and the dead hold none."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dnabert_fast.engine.runs import RUNS, alone
from dnabert_fast.errors import DnabertError, FormatError

HOLD = """
import sys
from pathlib import Path
from dnabert_fast.engine.runs import alone
work, *ends = sys.argv[1:]
with alone(Path(work), range(*map(int, ends)) if ends else None):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(work: Path, *ends: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has these shards while the block runs."""
    words = [sys.executable, "-c", HOLD, str(work), *map(str, ends)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        yield run
        run.kill()


def test_only_runs_of_the_same_shards_keep_each_other_out(tmp_path: Path) -> None:
    with another_run(tmp_path, 10, 20) as run:
        for free in (range(10), range(20, 30), range(15, 15), range(9, 10)):
            with alone(tmp_path, free) as notes:
                assert notes == []
        for taken in (range(10, 20), range(11), range(19, 25), range(30), range(12, 13), None):
            with pytest.raises(DnabertError) as error, alone(tmp_path, taken):
                pass
            who = rf"\({socket.gethostname()}, process {run.pid}, since 20"
            assert error.match(rf"^--work {tmp_path}: another run computes shards 11 to 20 of this job {who}.+\); wait")
            assert "\n" not in str(error.value)
            assert "delete" not in str(error.value)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        with alone(tmp_path, range(30)):
            pass
    with another_run(tmp_path):
        with pytest.raises(DnabertError, match="computes the shards of this job"), alone(tmp_path, range(700, 701)):
            pass
        with alone(tmp_path, range(0)):
            pass


def test_the_run_that_is_named_is_the_one_that_runs(tmp_path: Path) -> None:
    """Later lines of runs that have ended, and lines of another machine, half a line: none misleads."""
    with another_run(tmp_path, 0, 10) as run:
        with another_run(tmp_path, 10, 20):
            pass
        with open(tmp_path / RUNS, "a") as file:
            file.write('{"time": "x"}\n[]\n{"ti\n')
        with pytest.raises(DnabertError, match=rf"shards 1 to 10 .*process {run.pid},"), alone(tmp_path, range(20)):
            pass
        lines = [json.loads(line) for line in (tmp_path / RUNS).read_text().splitlines()[:1]]
        (tmp_path / RUNS).write_text(json.dumps(lines[0] | {"host": "elsewhere"}) + "\n")
        with pytest.raises(DnabertError, match=rf"elsewhere, .*or delete {tmp_path / RUNS} if"), alone(tmp_path, None):
            pass
        (tmp_path / RUNS).write_text("")
        with pytest.raises(DnabertError, match="another run computes shards of this part"), alone(tmp_path, None):
            pass


def test_a_file_system_without_locks_gives_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with alone(tmp_path, range(3)) as notes:
        assert len(notes) == 1
        assert "without locks" in notes[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=r"runs.jsonl: cannot be written"), alone(tmp_path / "file", range(3)):
        pass
