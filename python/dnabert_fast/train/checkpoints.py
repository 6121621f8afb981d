"""The state of a training run on disk: whole or not there at all, the former one kept. Knows no network and no loop.

A checkpoint is a folder `step-N` with state.safetensors, state.json and what the run adds. It is written under another
name, flushed to the disk, then renamed, so that a run that dies at any moment leaves the ones before it as they were.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..nn.weights import write_tensors

__all__ = ["State", "latest", "save_state"]

_TENSORS, _FACTS = "state.safetensors", "state.json"
_NAME = re.compile(r"step-(\d+)")
_CHUNK = 1 << 24


@dataclass(frozen=True)
class State:
    """What a checkpoint holds: the tensors by name (on the processor), and its facts as JSON has them.

    `skipped`: newer checkpoints that are damaged, a line each.
    """

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    folder: Path
    skipped: tuple[str, ...] = ()


def save_state(
    folder: str | Path,
    step: int,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    keep: int = 2,
    add: Callable[[Path], None] = lambda aside: None,
) -> Path:
    """Write the checkpoint `step-N` into `folder`, then remove all but the newest `keep`; returns its path.

    Newer ones go as well: a run goes on from an earlier step only where they are damaged.
    `add` writes further files into the folder that it is given. Raises CheckpointError where the checkpoint cannot be
    written (a full disk, a folder that is gone); all others are then as they were.
    """
    from safetensors import SafetensorError

    root = Path(folder)
    final = root / f"step-{step}"
    aside = root / f".step-{step}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(".step-*.partial"):  # by a run that died
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir()
        state = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        write_tensors(state, aside / _TENSORS)
        add(aside)
        files = {path.name: _checksum(path) for path in sorted(aside.iterdir())}
        written = {"step": step, "crc32": files, "facts": dict(facts)}
        (aside / _FACTS).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        for path in (*aside.iterdir(), aside):
            _flush(path)
        shutil.rmtree(final, ignore_errors=True)  # of a run that went on from an earlier step
        aside.rename(final)
        _flush(root)
    except (OSError, SafetensorError, CheckpointError) as wrong:
        shutil.rmtree(aside, ignore_errors=True)
        why = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else wrong
        raise CheckpointError(f"{final}: the checkpoint cannot be written: {why}; {_kept(root)}") from None
    found = _found(root)
    newer = [path for number, path in found if number > step]
    for other in (*newer, *(path for _, path in found[len(newer) + keep :])):
        shutil.rmtree(other, ignore_errors=True)
    return final


def latest(folder: str | Path) -> State | None:
    """The newest whole checkpoint of a folder; None where there is none.

    Damaged ones are passed over; raises CheckpointError where there is no other.
    """
    skipped: list[str] = []
    for step, path in _found(Path(folder)):
        try:
            return _read(step, path, tuple(skipped))
        except CheckpointError as wrong:
            skipped.append(str(wrong))
    if skipped:
        raise CheckpointError(f"{skipped[0]}; no other checkpoint is there: start anew in another folder")
    return None


def _read(step: int, path: Path, skipped: tuple[str, ...]) -> State:
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        written = json.loads((path / _FACTS).read_text(encoding="utf-8"))
        for name, checksum in written["crc32"].items():
            if _checksum(path / name) != checksum:
                raise CheckpointError(f"{path}: {name} is damaged: its contents are not those that were written")
        # Copied: a file that stays mapped would crash us when somebody writes it anew.
        tensors = {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path / _TENSORS).items()}
        return State(step, tensors, written["facts"], path, skipped)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as wrong:
        raise CheckpointError(f"{path}: damaged: {wrong}") from None


def _found(root: Path) -> list[tuple[int, Path]]:
    """Checkpoints by their names, newest first."""
    if not root.is_dir():
        return []
    named = [(match, path) for path in root.iterdir() if (match := _NAME.fullmatch(path.name))]
    return sorted(((int(match.group(1)), path) for match, path in named), reverse=True)


def _kept(root: Path) -> str:
    found = _found(root)
    return f"the one of step {found[0][0]} is still there; make room and add --resume" if found else "make room"


def _checksum(path: Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
