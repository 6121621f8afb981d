"""Attention of packed pieces, differentiable: all tokens, or the wanted rows alone. The kernels have their own files.

Queries and keys have bounds of their own, so that one set of kernels serves both.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .attention_backward import ahead as ahead_backward
from .attention_backward import attend_backward
from .attention_forward import Spans, attend
from .attention_forward import ahead as ahead_forward
from .dropout import draw_seed, threshold
from .launch import Ahead
from .layout import Layout

__all__ = ["ahead", "attention", "attention_rows"]


def attention(qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """Attention within each piece: qkv [T, 3 H] (queries, keys, values, each head by head) to [T, H].

    Differentiable. The seed of the dropout comes from torch's generator of the host.
    """
    if torch.is_grad_enabled() and qkv.requires_grad:
        out: Tensor = _Attention.apply(qkv, layout, heads, dropout)
        return out
    return attend(qkv.chunk(3, dim=1), all_tokens(layout, heads, dropout), save=False)[0]


def attention_rows(query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """Attention of the wanted rows alone: query [R, H] over kv [T, 2 H] of their own pieces, to [R, H].

    Differentiable. The seed of the dropout comes from torch's generator of the host.
    """
    if torch.is_grad_enabled() and (query.requires_grad or kv.requires_grad):
        out: Tensor = _AttentionRows.apply(query, kv, layout, heads, dropout)
        return out
    return attend((query, *kv.chunk(2, dim=1)), wanted_rows(layout, heads, dropout), save=False)[0]


def all_tokens(layout: Layout, heads: int, dropout: float) -> Spans:
    """Every token asks."""
    limit = threshold(dropout)
    seed = draw_seed() if limit else 0
    return Spans(layout.cu_seqlens, layout.cu_seqlens, layout.max_len, layout.max_len, heads, limit, seed)


def wanted_rows(layout: Layout, heads: int, dropout: float) -> Spans:
    """The wanted rows alone ask."""
    assert layout.row_bounds is not None
    limit = threshold(dropout)
    seed = draw_seed() if limit else 0
    return Spans(layout.row_bounds, layout.cu_seqlens, layout.max_rows, layout.max_len, heads, limit, seed)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
        ctx.spans = all_tokens(layout, heads, dropout)
        out, lse = attend(qkv.chunk(3, dim=1), ctx.spans, save=True)
        ctx.save_for_backward(qkv, out, lse)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, None, None, None]:
        qkv, out, lse = ctx.saved_tensors
        dqkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        attend_backward(qkv.chunk(3, dim=1), out, lse, dout, dqkv.chunk(3, dim=1), ctx.spans)
        return dqkv, None, None, None


class _AttentionRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
        ctx.spans = wanted_rows(layout, heads, dropout)
        out, lse = attend((query, *kv.chunk(2, dim=1)), ctx.spans, save=True)
        ctx.save_for_backward(query, kv, out, lse)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        query, kv, out, lse = ctx.saved_tensors
        dquery = torch.empty_like(query, memory_format=torch.contiguous_format)
        dkv = torch.empty_like(kv, memory_format=torch.contiguous_format)
        attend_backward((query, *kv.chunk(2, dim=1)), out, lse, dout, (dquery, *dkv.chunk(2, dim=1)), ctx.spans)
        return dquery, dkv, None, None, None


def ahead(arch: int) -> list[Ahead]:
    """Every compilation that attention may ask for on `arch`."""
    return [*ahead_forward(arch), *ahead_backward(arch)]
