"""How large the tiles of a kernel are on which chip: tables with reasons, and what is compiled ahead of time.

Every entry must fit its chip: 99 KiB of shared memory a block on 86, 89 and 120, 163 KiB on 80, 227 KiB on 90 and 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["ARCHES", "Ahead", "Launch", "arch_of", "attention_entries", "attention_launch"]

# The capabilities that the tables tell apart; one between them (87, 103, 121) takes the entry below it.
ARCHES = (80, 86, 89, 90, 100, 120)


@dataclass(frozen=True)
class Launch:
    """Tile of `block_m` queries (rows) by `block_n` keys (columns), by `warps` warps, with `stages` loads in flight."""

    block_m: int
    block_n: int
    warps: int
    stages: int


@dataclass(frozen=True)
class Ahead:
    """One compilation that a launch may ask for: what `triton.compile` takes of it.

    `signature` names the type of every argument that is not in `constexprs` ("*bf16", "i32"), in the kernel's order
    or not; `constexprs` holds exactly the compile-time arguments that the launch passes.
    """

    kernel: Any
    name: str
    signature: dict[str, str]
    constexprs: dict[str, object]
    warps: int
    stages: int


def arch_of(device: torch.device) -> int:
    """The entry of ARCHES for a device; a processor (the interpreter's) takes those of 80."""
    if device.type != "cuda":
        return 80
    major, minor = torch.cuda.get_device_capability(device)
    return max((arch for arch in ARCHES if arch <= 10 * major + minor), default=80)


def attention_launch(kernel: str, arch: int, itemsize: int, dim: int, rows: int, keys: int) -> Launch:
    """The tile of attention's "forward", "dquery" or "dkey" for heads of `dim`, where pieces ask at most `rows` of `keys`."""
    most = _LARGEST[kernel](arch, itemsize, dim)
    # A tile is no larger than the longest piece needs, in powers of two; 16 is the least that tensor cores take.
    block_m, block_n = min(most.block_m, _ceil(rows)), min(most.block_n, _ceil(keys))
    return Launch(block_m, block_n, most.warps, most.stages)


def attention_entries(kernel: str, arch: int) -> Iterator[tuple[str, int, Launch]]:
    """Every different (type of the state, head dimension, tile) that `attention_launch` answers."""
    for state, itemsize in (("bf16", 2), ("fp32", 4)):
        for dim in (32, 64, 128):
            shapes = [(n, n) for n in (32, 64, 128, 512)] + [(1, 128), (1, 512)]
            plans = (attention_launch(kernel, arch, itemsize, dim, *shape) for shape in shapes)
            for plan in dict.fromkeys(plans):
                yield state, dim, plan


def _ceil(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def _forward(arch: int, itemsize: int, dim: int) -> Launch:
    return Launch(128, 64, 4, 2)


def _dquery(arch: int, itemsize: int, dim: int) -> Launch:
    return Launch(64, 64, 4, 2)


def _dkey(arch: int, itemsize: int, dim: int) -> Launch:
    return Launch(64, 64, 4, 2)


_LARGEST = {"forward": _forward, "dquery": _dquery, "dkey": _dkey}
