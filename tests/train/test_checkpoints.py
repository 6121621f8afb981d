"""Checkpoints are whole or not there, and the former one outlives whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dnabert_fast.errors import CheckpointError
from dnabert_fast.train import checkpoints
from dnabert_fast.train.checkpoints import latest, save_state

from .conftest import files_of_at_most


def tensors(value: float) -> dict[str, Tensor]:
    return {"a": torch.full((300, 3), value), "step": torch.tensor(value)}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    assert latest(tmp_path / "none") is None
    facts = {"run": {"seed": 1}, "seconds": 0.1}
    save_state(tmp_path / "c", 7, tensors(0.25), facts, add=lambda at: (at / "more").write_bytes(b"x") and None)
    state = latest(tmp_path / "c")
    assert state is not None
    assert (state.step, state.facts, state.skipped) == (7, facts, ())
    assert all(torch.equal(state.tensors[name], tensor) for name, tensor in tensors(0.25).items())
    assert sorted(os.listdir(state.folder)) == ["more", "state.json", "state.safetensors"]


def test_damaged_newer_ones_do_not_push_out_what_is_written(tmp_path: Path) -> None:
    for step in (7, 8, 9):
        save_state(tmp_path, step, tensors(step), {}, keep=3)
    for step in (8, 9):
        (tmp_path / f"step-{step}" / "state.safetensors").write_bytes(b"half")
    (tmp_path / ".step-3.partial").mkdir()
    state = latest(tmp_path)
    assert state is not None
    assert (state.step, len(state.skipped)) == (7, 2)
    save_state(tmp_path, 7, tensors(7), {}, keep=2)
    assert os.listdir(tmp_path) == ["step-7"]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 11):
        save_state(tmp_path, step, tensors(step), {}, keep=2)
    assert sorted(os.listdir(tmp_path)) == ["step-10", "step-11"]
    save_state(tmp_path, 11, tensors(12), {})
    state = latest(tmp_path)
    assert state is not None
    assert state.tensors["step"] == 12


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "more"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str, harm: str) -> None:
    for step in (1, 2):
        save_state(tmp_path, step, tensors(step), {}, add=lambda at: (at / "more").write_bytes(b"more") and None)
    path = tmp_path / "step-2" / name
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-2] if harm == "cut" else content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    if (name, harm) == ("state.json", "changed"):
        path.write_bytes(content.replace(b'"crc32"', b'"crc33"'))
    state = latest(tmp_path)
    assert state is not None
    assert state.step == 1
    assert "step-2" in state.skipped[0]
    assert "damaged" in state.skipped[0]
    (tmp_path / "step-1" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no other checkpoint is there: start anew"):
        latest(tmp_path)


def full(*args: Any, **named: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["save_file", "fsync", "write_text", "mkdir", "rename"])
def test_a_full_disk_leaves_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    save_state(tmp_path, 1, tensors(1), {"n": 1})
    before = {path: path.read_bytes() for path in (tmp_path / "step-1").iterdir()}
    place = {"save_file": "safetensors.torch.save_file", "fsync": "os.fsync"}.get(where, f"pathlib.Path.{where}")
    with monkeypatch.context() as patch:
        patch.setattr(place, full)
        message = r"step-2: the checkpoint cannot be written: No space left on device; the one of step 1 is still there"
        with pytest.raises(CheckpointError, match=message):
            save_state(tmp_path, 2, tensors(2), {"n": 2}, keep=1)
    assert os.listdir(tmp_path) == ["step-1"]
    assert {path: path.read_bytes() for path in (tmp_path / "step-1").iterdir()} == before
    save_state(tmp_path, 2, tensors(2), {"n": 2}, keep=1)
    assert os.listdir(tmp_path) == ["step-2"]


def test_a_write_that_the_system_cuts_short(tmp_path: Path) -> None:
    save_state(tmp_path, 1, tensors(1), {})
    with files_of_at_most(2048), pytest.raises(CheckpointError, match="step 1 is still there; make room"):
        save_state(tmp_path, 2, tensors(2), {})
    assert os.listdir(tmp_path) == ["step-1"]


def test_what_a_killed_run_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    save_state(tmp_path, 1, tensors(1), {})
    (tmp_path / ".step-2.partial").mkdir()
    (tmp_path / ".step-2.partial" / "state.safetensors").write_bytes(b"half")
    state = latest(tmp_path)
    assert state is not None
    assert state.step == 1
    save_state(tmp_path, 2, tensors(2), {})
    assert sorted(os.listdir(tmp_path)) == ["step-1", "step-2"]


def test_facts_are_read_as_json_has_them(tmp_path: Path) -> None:
    save_state(tmp_path, 3, tensors(1), {"betas": (0.9, 0.98)})
    written = json.loads((tmp_path / "step-3" / "state.json").read_text())
    assert written["facts"] == {"betas": [0.9, 0.98]}
    assert set(written["crc32"]) == {"state.safetensors"}
    assert checkpoints._checksum(tmp_path / "step-3" / "state.safetensors") == written["crc32"]["state.safetensors"]
