"""Tensors out of a model folder, safely: safetensors, or pickles that hold weights alone. Knows no network."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, MissingExtra

__all__ = ["PICKLE", "SAFETENSORS", "find_folder", "read_json", "read_tensors", "write_tensors"]

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"


_SHIPPED = Path(__file__).parent.parent / "models"


def find_folder(name: str | Path) -> Path:
    """The local folder of a path, of a model shipped with the package ("demo"), or of a Hugging Face hub name
    (owner/model) after a download.

    Raises CheckpointError where there is neither, MissingExtra where a hub name needs huggingface_hub.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{name}: a file; give the folder that holds config.json and the weights")
    text = str(name)
    shipped = sorted(each.name for each in _SHIPPED.iterdir() if each.is_dir())
    if text in shipped:
        return _SHIPPED / text
    if text.count("/") != 1 or text.startswith((".", "/", "~")) or text.endswith("/"):
        raise CheckpointError(
            f"{name}: no such model; give a folder that holds config.json, vocab.txt and the weights, a hub name "
            f"(OWNER/MODEL), or {' or '.join(shipped)}"
        )
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub", f"{name} is no folder here; reading it from the hub") from None
    wanted = ["config.json", "vocab.txt", SAFETENSORS, PICKLE]
    try:
        return Path(huggingface_hub.snapshot_download(text, allow_patterns=wanted))
    except Exception as wrong:  # many kinds: network, HTTP, validation, a missing cache
        raise CheckpointError(f"{name}: no such folder, and the hub did not give it: {_first_line(wrong)}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises CheckpointError where the file is missing or holds none."""
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: no {path.name}; not a model folder")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise CheckpointError(f"{path}: cannot be read as JSON: {wrong}") from None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return fields


def read_tensors(folder: Path) -> tuple[dict[str, Tensor], Path]:
    """The tensors by name and the file they are from: model.safetensors, else pytorch_model.bin.

    A pickle is read with weights_only=True. Raises CheckpointError for a folder without weights, a file that is cut
    short or holds anything but weights, and for values that are not finite numbers.
    """
    path = folder / SAFETENSORS
    if path.is_file():
        state = _read_safetensors(path)
    else:
        path = folder / PICKLE
        if not path.is_file():
            raise CheckpointError(f"{folder}: no weights; neither {SAFETENSORS} nor {PICKLE} is there")
        state = _read_pickle(path)
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds values that are not finite numbers (NaN or infinity)")
    return state, path


def write_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, with the rights that any new file has: the library lets nobody else read them.

    Raises OSError, as any writing does; the library has an error of its own.
    """
    import safetensors.torch

    try:
        safetensors.torch.save_file(dict(tensors), path, metadata=metadata)
    except safetensors.SafetensorError as wrong:
        number = re.search(r"os error (\d+)", str(wrong))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code) if number else _first_line(wrong), str(path)) from None
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _first_line(wrong: Exception) -> str:
    return (str(wrong).strip() or type(wrong).__name__).splitlines()[0]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except Exception as wrong:  # SafetensorError derives from Exception alone
        raise CheckpointError(f"{path}: not a whole safetensors file: {_first_line(wrong)}") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: holds more than weights, which could run code, or is no PyTorch file; refused. "
            f"Convert it to {SAFETENSORS} where you trust it"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as wrong:
        raise CheckpointError(f"{path}: not a whole PyTorch file: {_first_line(wrong)}") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(f"{path}: not a dictionary of tensors")
    return dict(state)
