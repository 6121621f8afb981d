"""How large the tiles of a kernel are on which chip: tables with reasons, and what is compiled ahead of time.

Every entry must fit its chip: 99 KiB of shared memory a block on 86, 89 and 120, 163 KiB on 80, 227 KiB on 90 and 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["ARCHES", "Ahead", "Launch", "arch_of"]

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
