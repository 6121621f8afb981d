"""Which linear layers int8 and fp8 leave in a higher precision, where they fail the gate without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..engine.model import Model, load
from ..nn.packed import Packed
from ..nn.sensitivity import worst_layers
from ..seq.batch import Windows, tokenize

__all__ = ["LOW", "find_exceptions", "label", "rest_of"]

LOW = ("int8", "fp8")
"""Precisions that can leave layers out."""

_SHARES = (8, 4, 2)  # an eighth of the layers, a quarter, half: past that, the layers left out cost what is gained
# Bases that errors are measured on, and windows at least: with three products a layer, a tenth of the work that a check
# in passing has in fp32.
_BASES, _FEWEST = 2048, 6


def rest_of(there: Mapping[str, str | None]) -> str:
    """The precision of the layers left out, given what `available` says: bf16 where the device has it, else fp32."""
    return "bf16" if there.get("bf16", "not known") is None else "fp32"


def label(precision: str, exceptions: tuple[str, ...], rest: str) -> str:
    """A precision and how many layers it leaves out, such as "int8 (9 layers bf16)"."""
    count = len(exceptions)
    return precision if not count else f"{precision} ({count} layer{'s' * (count > 1)} {rest})"


def find_exceptions(
    model: str | Path,
    fp32: Model,
    windows: Windows,
    rest_passes: Callable[[], bool],
    passes: Callable[[tuple[str, ...]], bool],
) -> tuple[str, ...]:
    """The names of the layers with which a low precision passes, or none where it does not.

    Left out are the worst eighth, quarter and half of all linear layers, by their errors in int8 on some of `windows`;
    `passes` judges each choice and the first that it accepts is taken. What is left out is no better than the precision
    it stays in: where that fails itself (`rest_passes`), nothing is tried.
    """
    if not rest_passes():
        return ()
    # Errors are measured on processors.
    near = fp32 if fp32.network.backend.device == "cpu" else load(model, device="cpu")
    names = worst_layers(near.network, [_some(near, windows)])
    for count in dict.fromkeys(math.ceil(len(names) / share) for share in _SHARES):
        worst = tuple(names[:count])
        if passes(worst):
            return worst
    return ()


def _some(model: Model, windows: Windows) -> Packed:
    """Some of the windows, evenly spread, as the model's head asks for them."""
    longest = int(np.diff(windows.offsets).max())
    some = np.linspace(0, len(windows) - 1, min(len(windows), max(_FEWEST, _BASES // longest))).astype(np.int64)
    batch = tokenize(windows.take(some), model.k)
    return Packed.from_arrays(batch.ids, batch.cu_seqlens, rows=model.network.head.wants)
