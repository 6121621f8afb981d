"""The post-LN step of BERT: LayerNorm(dropout(x) + residual). Bound by memory: each tensor is read and written once."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .dropout import STEPS, draw_seed, kept, threshold
from .launch import Ahead
from .rows import GROUPS, compiled, dense, moments, norm_gradient, store_state, tile

__all__ = ["ahead", "norm_step", "residual_layer_norm"]


def residual_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float = 0.0
) -> Tensor:
    """LayerNorm of dropout(x) + residual, both [T, H], in the residual's dtype; weight and bias are fp32 [H].

    Differentiable in all four. The seed of the dropout comes from torch's generator of the host.
    """
    y: Tensor = _ResidualLayerNorm.apply(x, residual, weight, bias, eps, dropout)
    return y


def norm_step(
    x: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    weight: Tensor,
    shift: Tensor,
    eps: float,
    stream: torch.dtype,
    operand: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """LayerNorm of x + bias + residual for inference: weight, shift and bias are [H], x and residual [T, H].

    Returns the state [T, H] in `stream`, the same in `operand` (the same tensor where the dtypes are equal), and the
    scales fp32 [T] of its rows if `operand` is fp8 e4m3.
    """
    x, residual = dense(x), None if residual is None else dense(residual)
    tokens, hidden = x.shape
    state = torch.empty(tokens, hidden, dtype=stream, device=x.device)
    second, scale = outputs(state, operand)
    if tokens:
        plan = tile(hidden)
        _step[(triton.cdiv(tokens, plan.rows),)](
            x, bias, residual, weight, shift, state, second, scale, tokens, eps, **plan.sizes, num_warps=plan.warps
        )
    return state, state if second is None else second, scale


def outputs(state: Tensor, operand: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
    """Where a state's second copy and its scales go; None for what is not written."""
    if state.dtype is operand:
        return None, None
    fp8 = operand is torch.float8_e4m3fn
    scale = torch.empty(len(state), dtype=torch.float32, device=state.device) if fp8 else None
    return torch.empty_like(state, dtype=operand), scale


class _ResidualLayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float
    ) -> Tensor:
        x, residual = dense(x), dense(residual)
        tokens, hidden = x.shape
        out = torch.empty_like(residual)
        mean, rstd = torch.empty(2, tokens, dtype=torch.float32, device=x.device)
        limit = threshold(dropout)
        draw = (draw_seed() if limit else 0, limit, STEPS / (STEPS - limit))
        if tokens:
            plan = tile(hidden)
            _forward[(triton.cdiv(tokens, plan.rows),)](
                *(x, residual, weight, bias, out, mean, rstd, tokens, *draw, eps),
                **plan.sizes,
                DROPOUT=limit > 0,
                num_warps=plan.warps,
            )
        ctx.save_for_backward(x, residual, weight, mean, rstd)
        ctx.draw = draw
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None, None]:
        x, residual, weight, mean, rstd = ctx.saved_tensors
        tokens, hidden = x.shape
        plan = tile(hidden)
        groups = min(GROUPS, triton.cdiv(tokens, plan.rows))
        parts = torch.empty(2, groups, hidden, dtype=torch.float32, device=x.device)
        dresidual = torch.empty_like(residual)
        # Without dropout and in one dtype both gradients are one tensor, which is written once.
        shared = ctx.draw[1] == 0 and x.dtype is residual.dtype
        dx = None if shared else torch.empty_like(x)
        if tokens:
            _backward[(groups,)](
                *(dense(dy), x, residual, weight, mean, rstd, dx, dresidual, parts, tokens, *ctx.draw),
                **plan.sizes,
                DROPOUT=ctx.draw[1] > 0,
                num_warps=plan.warps,
            )
        dweight, dbias = parts.sum(1)
        return dresidual if dx is None else dx, dresidual, dweight, dbias, None, None


@triton.jit
def _sum(
    x,
    residual,
    at,
    inside,
    row,
    seed,
    limit,
    keep_scale,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    DROPOUT: tl.constexpr,
):
    """dropout(x) + residual in fp32 [ROWS, BLOCK], and what was kept."""
    h = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    keep = inside
    if DROPOUT:
        keep = kept(seed, row, limit, BLOCK, ROWS)
        h = tl.where(keep, h * keep_scale, 0.0)
    return h + tl.load(residual + at, mask=inside, other=0.0).to(tl.float32), keep


@triton.jit(do_not_specialize=["tokens", "seed", "limit"])
def _forward(
    x, residual, weight, bias, out, mean, rstd, tokens, seed, limit, keep_scale, eps,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, DROPOUT: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.arange(0, BLOCK)
    row_inside, column_inside = row < tokens, column < H
    inside = row_inside[:, None] & column_inside[None, :]
    at = row[:, None] * H + column[None, :]
    h, _ = _sum(x, residual, at, inside, row, seed, limit, keep_scale, BLOCK, ROWS, DROPOUT)
    centre, spread = moments(h, column_inside[None, :], eps, H)
    w = tl.load(weight + column, mask=column_inside, other=0.0)
    b = tl.load(bias + column, mask=column_inside, other=0.0)
    y = (h - centre[:, None]) * spread[:, None] * w[None, :] + b[None, :]
    tl.store(out + at, y.to(out.dtype.element_ty), mask=inside)
    tl.store(mean + row, centre, mask=row_inside)
    tl.store(rstd + row, spread, mask=row_inside)


@triton.jit(do_not_specialize=["tokens", "seed", "limit"])
def _backward(
    dy, x, residual, weight, mean, rstd, dx, dresidual, parts, tokens, seed, limit, keep_scale,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, DROPOUT: tl.constexpr,
):  # fmt: skip
    # Each program takes every GROUPS-th tile of rows and writes one row of each of the partial sums [2, GROUPS, H].
    group, groups = tl.program_id(0), tl.num_programs(0)
    column = tl.arange(0, BLOCK)
    column_inside = column < H
    w = tl.load(weight + column, mask=column_inside, other=0.0)
    dweight = tl.zeros([BLOCK], tl.float32)
    dbias = tl.zeros([BLOCK], tl.float32)
    for part in range(group, tl.cdiv(tokens, ROWS), groups):
        row = (part * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        row_inside = row < tokens
        inside = row_inside[:, None] & column_inside[None, :]
        at = row[:, None] * H + column[None, :]
        h, keep = _sum(x, residual, at, inside, row, seed, limit, keep_scale, BLOCK, ROWS, DROPOUT)
        centre = tl.load(mean + row, mask=row_inside, other=0.0)
        spread = tl.load(rstd + row, mask=row_inside, other=0.0)
        normal = (h - centre[:, None]) * spread[:, None]
        upstream = tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
        dweight += tl.sum(upstream * normal, 0)
        dbias += tl.sum(upstream, 0)
        dh = norm_gradient(normal, upstream, w, inside, spread, H)
        tl.store(dresidual + at, dh.to(dresidual.dtype.element_ty), mask=inside)
        if dx is not None:
            if DROPOUT:
                dh = tl.where(keep, dh * keep_scale, 0.0)
            tl.store(dx + at, dh.to(dx.dtype.element_ty), mask=inside)
    tl.store(parts + group * H + column, dweight, mask=column_inside)
    tl.store(parts + (groups + group) * H + column, dbias, mask=column_inside)


@triton.jit(do_not_specialize=["tokens"])
def _step(
    x, bias, residual, weight, shift, stream, operand, scale, tokens, eps,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.arange(0, BLOCK)
    row_inside, column_inside = row < tokens, column < H
    inside = row_inside[:, None] & column_inside[None, :]
    at = row[:, None] * H + column[None, :]
    h = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    if bias is not None:
        h += tl.load(bias + column, mask=column_inside, other=0.0).to(tl.float32)[None, :]
    if residual is not None:
        h += tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
    centre, spread = moments(h, column_inside[None, :], eps, H)
    w = tl.load(weight + column, mask=column_inside, other=0.0).to(tl.float32)
    b = tl.load(shift + column, mask=column_inside, other=0.0).to(tl.float32)
    y = (h - centre[:, None]) * spread[:, None] * w[None, :] + b[None, :]
    store_state(y, stream, operand, scale, row, at, inside, row_inside)


def ahead(arch: int) -> list[Ahead]:
    """What a 768-wide encoder launches on a chip of this capability, in fp32 and bf16 (and fp8 where it has any)."""
    fp32, bf16, fp8 = torch.float32, torch.bfloat16, torch.float8_e4m3fn
    sums = dict.fromkeys(("weight", "bias", "shift", "mean", "rstd", "parts"), fp32)
    found = []
    for x, stream in ((fp32, fp32), (bf16, bf16), (bf16, fp32)):
        types = {**sums, "x": x, "residual": stream, "out": stream, "dy": stream, "dresidual": stream, "stream": stream}
        for dropout in (False, True):
            found.append(compiled(_forward, tile(768), types, DROPOUT=dropout))
            apart = {"dx": x} if dropout or x is not stream else {}
            found.append(compiled(_backward, tile(768), {**types, **apart}, DROPOUT=dropout))
        seconds = [{} if x is stream else {"operand": x}]
        if arch >= 89 and x is bf16:
            seconds.append({"operand": fp8, "scale": fp32})
        found += [compiled(_step, tile(768), {**types, **second}) for second in seconds]
    return found
