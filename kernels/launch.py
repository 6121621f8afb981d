"""How large the tiles of a kernel are on which chip: tables with reasons, and what is compiled ahead of time.

Every entry must fit its chip: 99 KiB of shared memory a block on 86, 89 and 120, 163 KiB on 80, 227 KiB on 90 and 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
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


def attention_launch(kernel: str, arch: int, itemsize: int, dim: int, rows: int, keys: int, dropout: bool) -> Launch:
    """The tile of attention's "forward", "dquery" or "dkey": heads of `dim`, pieces of at most `rows` and `keys`."""
    if itemsize == 4:
        most = _attention_fp32(kernel, dim)
    elif arch in (90, 100):
        most = _attention_large(kernel, arch, dim, dropout)
    else:
        most = _attention_mma(kernel, dim, dropout)
    # A tile is no larger than the longest piece needs: [CLS] alone takes the 16 rows that tensor cores have at least.
    block_n = min(most.block_n, 32 if keys <= 32 else 64 if keys <= 64 else 128)
    block_m = min(most.block_m, 16 if rows <= 16 else 32 if keys <= 32 else 64 if rows <= 64 else 128)
    # A smaller tile has too little work for eight warps; fp32 and 128 dimensions need them all for their registers.
    smaller = itemsize < 4 and dim < 128 and (block_m, block_n) != (most.block_m, most.block_n)
    return Launch(block_m, block_n, 4 if smaller else most.warps, most.stages)


def attention_entries(kernel: str, arch: int) -> Iterator[tuple[str, int, bool, Launch]]:
    """Every different (type of the state, head dimension, dropout, tile) that `attention_launch` answers."""
    shapes = [(1, 32), (32, 32), (1, 64), (64, 64), (1, 512), (64, 512), (512, 512)]
    for (state, itemsize), dim, dropout in product((("bf16", 2), ("fp32", 4)), (16, 32, 64, 128), (False, True)):
        plans = (attention_launch(kernel, arch, itemsize, dim, *shape, dropout) for shape in shapes)
        for plan in dict.fromkeys(plans):
            yield state, dim, dropout, plan


def _attention_fp32(kernel: str, dim: int) -> Launch:
    """Products of fp32 are not rounded to TF32, so plain multiply-adds: each thread holds whole rows of both operands.

    Two elements of the scores a thread are what 255 registers allow, one at 128 dimensions or with four products.
    """
    if dim <= 32:
        return Launch(32, 32, 8, 2) if kernel == "forward" else Launch(16, 32, 8, 2)
    if kernel == "forward" and dim == 64:
        return Launch(16, 32, 8, 2)
    return Launch(16, 16, 8, 2)


def _attention_large(kernel: str, arch: int, dim: int, dropout: bool) -> Launch:
    """90 and 100: products of 64 rows are asynchronous, operands in shared memory, sums in registers or TMEM."""
    if kernel == "forward":
        if dropout and arch == 90:
            # Drawing needs 60 registers more: three blocks of 64 rows hold more warps than one of 128 does.
            return Launch(64, 64, 4, 2)
        if dim == 128:
            # One block is all that registers allow, so it takes as many keys at a time as they allow.
            return Launch(128, 128, 8, 2) if arch == 90 else Launch(128, 64, 8, 2)
        # At most 128 registers: two blocks share a processor, and one's softmax runs during the other's products.
        # 128 rows halve what is read of keys and values against 64, which L2 could not deliver at full speed.
        return Launch(128, 64, 8, 3)
    if kernel == "dquery":
        if dropout and arch == 90 and dim == 64:
            # As in forward: two blocks of 64 rows instead of one of 128.
            return Launch(64, 64, 4, 2)
        # As in forward: about 125 registers up to 64 dimensions, two blocks on a processor.
        return Launch(128, 64, 8, 2)
    if arch == 100:
        # Keys are the rows of these products, and Blackwell's run at full speed from 128 rows.
        return Launch(64, 128, 8, 2)
    # Two gradients and two scores of 64 x 64 fill 216 registers of four warps; at 128 dimensions they take eight.
    return Launch(64, 64, 4 if dim <= 64 else 8, 2)


def _attention_mma(kernel: str, dim: int, dropout: bool) -> Launch:
    """80, 86, 89 and 120: all operands pass through registers, which end long before the 99 KiB of shared memory do."""
    if kernel == "forward":
        if dim == 128:
            return Launch(128, 32, 8, 2)
        # 32 rows a warp use what is read of keys twice, 16 rows once; with draws there are no registers for 32.
        return Launch(128, 64, 4, 2) if dim == 32 or not dropout else Launch(64, 64, 4, 2)
    if dim == 128:
        # 64 x 64 would spill kilobytes.
        return Launch(32, 64, 8, 2) if kernel == "dquery" else Launch(64, 32, 8, 2)
    if kernel == "dquery":
        return Launch(64, 64, 4, 2) if not dropout else Launch(64, 32, 4, 2)
    return Launch(32, 64, 4, 2) if not dropout else Launch(64, 32, 4, 2)
