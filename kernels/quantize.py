"""Rows in fp8 e4m3, each with its own scale. Knows nothing of the products that multiply the scales back."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import Ahead
from .rows import compiled, dense, tile, to_fp8

__all__ = ["LARGEST", "ahead", "quantize_rows", "quantize_weight"]

LARGEST = 448.0
"""The largest number of fp8 e4m3, which the largest magnitude of each row becomes."""


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """fp8 e4m3 [T, N] and scales fp32 [T] of x [T, N]: x is about their product. A row of zeros has scale 1."""
    x = dense(x)
    tokens, width = x.shape
    out = torch.empty_like(x, dtype=torch.float8_e4m3fn)
    scale = torch.empty(tokens, dtype=torch.float32, device=x.device)
    if tokens:
        plan = tile(width)
        _quantize[(triton.cdiv(tokens, plan.rows),)](x, out, scale, tokens, **plan.sizes, num_warps=plan.warps)
    return out, scale


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """fp8 e4m3 [O, I] and scales fp32 [O] of a linear layer's weight [O, I]; done once, so in plain torch."""
    largest = weight.float().abs().amax(1)
    scale = torch.where(largest > 0, largest / LARGEST, 1.0)
    return (weight.float() * scale.reciprocal()[:, None]).to(torch.float8_e4m3fn), scale


@triton.jit(do_not_specialize=["tokens"])
def _quantize(x, out, scale, tokens, H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = (row < tokens)[:, None] & (column < H)[None, :]
    at = row[:, None] * H + column[None, :]
    small, scales = to_fp8(tl.load(x + at, mask=inside, other=0.0).to(tl.float32))
    tl.store(out + at, small, mask=inside)
    tl.store(scale + row, scales, mask=row < tokens)


def ahead(arch: int) -> list[Ahead]:
    """Both widths of BERT's products, in fp32 and bf16; none where the chip has no fp8."""
    if arch < 89:
        return []
    return [
        compiled(_quantize, tile(width), {"x": dtype, "out": torch.float8_e4m3fn, "scale": torch.float32})
        for width in (768, 3072)
        for dtype in (torch.float32, torch.bfloat16)
    ]
