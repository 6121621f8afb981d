"""Which elements dropout keeps: a function of a seed and a place, so that backward draws the same again."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

import torch
import triton
import triton.language as tl

__all__ = ["STEPS", "draw_seed", "kept", "threshold"]

# Draws are 16 bits: one round of Philox serves eight elements, or the generator would take longer than the memory.
STEPS = 65536


def draw_seed() -> int:
    """A seed from torch's generator of the host, so that torch.manual_seed governs it and no device is waited for."""
    return int(torch.randint(2**31, (), device="cpu").item())


def threshold(dropout: float) -> int:
    """Draws below it are dropped: the probability in steps of 1 / STEPS."""
    return min(STEPS - 1, round(dropout * STEPS))


@triton.jit
def kept(seed, row, limit, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """Whether each element of rows `row` int64 [ROWS] stays: bool [ROWS, BLOCK]."""
    eighth = row[:, None] * (BLOCK // 8) + tl.arange(0, BLOCK // 8)[None, :]
    a, b, c, d = tl.randint4x(seed, eighth)
    words = tl.join(tl.join(a, c), tl.join(b, d))
    halves = tl.join(words & 0xFFFF, words >> 16)
    return tl.reshape(halves, (ROWS, BLOCK)).to(tl.int32) >= limit
