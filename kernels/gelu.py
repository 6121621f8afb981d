"""GELU of a linear layer's output and its bias, exact (with the error function). Bound by memory and by erf itself."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .launch import Ahead
from .rows import GROUPS, Tile, compiled, dense, tile, to_fp8

__all__ = ["ahead", "bias_gelu", "gelu_step"]

# Elements are alone, so rows are cut into pieces that fill a block: 3,072 is three of these and nothing is masked.
PIECE = 1024


def bias_gelu(y: Tensor, bias: Tensor) -> Tensor:
    """GELU of y [T, N] + bias [N] in y's dtype. Differentiable in both."""
    out: Tensor = _BiasGelu.apply(y, bias)
    return out


def gelu_step(y: Tensor, bias: Tensor | None, operand: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """GELU of y [T, N] + bias [N] for inference, in `operand`, and the scales fp32 [T] of its rows if that is fp8."""
    y = dense(y)
    tokens, width = y.shape
    out = torch.empty_like(y, dtype=operand)
    fp8 = operand is torch.float8_e4m3fn
    scale = torch.empty(tokens, dtype=torch.float32, device=y.device) if fp8 else None
    _run(y, bias, out, scale, tile(width) if fp8 else pieces(width))
    return out, scale


def pieces(width: int) -> Tile:
    """Tiles of pieces of rows."""
    plan = tile(min(width, PIECE))
    return Tile(width, plan.block, plan.rows, plan.warps)


def _run(y: Tensor, bias: Tensor | None, out: Tensor, scale: Tensor | None, plan: Tile) -> None:
    tokens = len(y)
    if tokens:
        grid = (triton.cdiv(tokens, plan.rows), triton.cdiv(plan.width, plan.block))
        _forward[grid](y, bias, out, scale, tokens, **plan.sizes, num_warps=plan.warps)


class _BiasGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor) -> Tensor:
        y = dense(y)
        out = torch.empty_like(y)
        _run(y, bias, out, None, pieces(y.shape[1]))
        ctx.save_for_backward(y, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor]:
        y, bias = ctx.saved_tensors
        tokens, width = y.shape
        plan = pieces(width)
        # A row of the partial sums is written by as many programs as a row has pieces.
        cuts = triton.cdiv(width, plan.block)
        groups = min(max(1, GROUPS // cuts), triton.cdiv(tokens, plan.rows))
        dy, parts = torch.empty_like(y), torch.empty(groups, width, dtype=torch.float32, device=y.device)
        if tokens:
            _backward[(groups, cuts)](dense(dout), y, bias, dy, parts, tokens, **plan.sizes, num_warps=plan.warps)
        return dy, parts.sum(0).to(bias.dtype)


@triton.jit
def _normal_cdf(z):
    """Phi(z): the part of the standard normal distribution below z."""
    return 0.5 * (1.0 + tl.erf(z * 0.7071067811865476))


@triton.jit(do_not_specialize=["tokens"])
def _forward(y, bias, out, scale, tokens, H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = (row < tokens)[:, None] & (column < H)[None, :]
    at = row[:, None] * H + column[None, :]
    z = tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
    if bias is not None:
        z += tl.load(bias + column, mask=column < H, other=0.0).to(tl.float32)[None, :]
    value = z * _normal_cdf(z)
    if scale is not None:
        small, scales = to_fp8(value)
        tl.store(out + at, small, mask=inside)
        tl.store(scale + row, scales, mask=row < tokens)
    else:
        tl.store(out + at, value.to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["tokens"])
def _backward(dout, y, bias, dy, parts, tokens, H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    group, groups = tl.program_id(0), tl.num_programs(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    shift = tl.load(bias + column, mask=column < H, other=0.0).to(tl.float32)
    dbias = tl.zeros([BLOCK], tl.float32)
    for part in range(group, tl.cdiv(tokens, ROWS), groups):
        row = (part * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        inside = (row < tokens)[:, None] & (column < H)[None, :]
        at = row[:, None] * H + column[None, :]
        z = tl.load(y + at, mask=inside, other=0.0).to(tl.float32) + shift[None, :]
        upstream = tl.load(dout + at, mask=inside, other=0.0).to(tl.float32)
        density = 0.3989422804014327 * tl.exp(-0.5 * z * z)
        dz = upstream * (_normal_cdf(z) + z * density)
        tl.store(dy + at, dz.to(dy.dtype.element_ty), mask=inside)
        dbias += tl.sum(dz, 0)
    tl.store(parts + group * H + column, dbias, mask=column < H)


def ahead(arch: int) -> list[Ahead]:
    """What the 3,072-wide layers of BERT launch on a chip of this capability, in fp32 and bf16 (and fp8)."""
    fp32, bf16, fp8 = torch.float32, torch.bfloat16, torch.float8_e4m3fn
    found = []
    for width in (768, 3072):
        for dtype in (fp32, bf16):
            types = {"y": dtype, "bias": fp32, "out": dtype, "dout": dtype, "dy": dtype, "parts": fp32}
            found += [compiled(_forward, pieces(width), types), compiled(_backward, pieces(width), types)]
        if arch >= 89:
            types = {"y": bf16, "bias": fp32, "out": fp8, "scale": fp32}
            found.append(compiled(_forward, tile(width), types))
    return found
