"""A line an event, cut where a run goes on; TensorBoard where it is asked for."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from dnabert_fast.errors import FormatError, MissingExtra
from dnabert_fast.train.journal import Journal

from .conftest import files_of_at_most


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "log") as journal:
        journal.write({"event": "step", "step": 1, "loss": float("nan")})
        assert lines(tmp_path / "log") == [{"event": "step", "step": 1, "loss": None}]


@pytest.mark.parametrize("after", [0, 2, 4, 9])
@pytest.mark.parametrize("tail", ["", '{"event": "step", "st', "\0\0\0"])
def test_going_on_cuts_off_what_came_later(tmp_path: Path, after: int, tail: str) -> None:
    with Journal(tmp_path / "log") as journal:
        for step in range(1, 5):
            journal.write({"event": "step", "step": step})
            journal.write({"event": "evaluation", "step": step})
    with open(tmp_path / "log", "a") as file:
        file.write(tail)
    with Journal(tmp_path / "log", after=after) as journal:
        journal.write({"event": "step", "step": after + 1})
    steps = [line["step"] for line in lines(tmp_path / "log")]
    assert steps == [step for step in (1, 1, 2, 2, 3, 3, 4, 4) if step <= after] + [after + 1]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="log: cannot be written"):
        Journal(tmp_path / "none" / "log")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """That of the event: what is still to be written when the log is closed adds nothing."""

    def fill() -> None:
        with Journal(tmp_path / "log") as journal:
            for step in range(1, 100):
                journal.write({"event": "step", "step": step})

    with files_of_at_most(100), pytest.raises(FormatError, match="log: cannot be written: File too large; make room"):
        fill()


def test_tensorboard(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Journal(tmp_path / "log", tensorboard=tmp_path / "board") as journal:
        journal.write({"event": "step", "step": 3, "loss": 1.5})
    found = events.EventAccumulator(str(tmp_path / "board"))
    found.Reload()
    assert found.Tags()["scalars"] == ["step/loss"]
    assert [(each.step, each.value) for each in found.Scalars("step/loss")] == [(3, 1.5)]


def test_tensorboard_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'dnabert-fast\[tensorboard\]'"):
        Journal(tmp_path / "log", tensorboard=tmp_path / "board")
    assert not (tmp_path / "log").exists()
