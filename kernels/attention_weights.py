"""What the first wanted row of each piece attends to. Bound by memory: keys are read twice, no scores are held."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .attention_forward import LOG2E
from .launch import Ahead
from .layout import Layout

__all__ = ["ahead", "attention_weights"]

# Keys at a time: 64 of 64 dimensions are 32 registers of four warps, enough loads in flight to be bound by memory.
BLOCK = 64


def attention_weights(query: Tensor, kv: Tensor, layout: Layout, heads: int) -> Tensor:
    """Softmax weights fp32 [T, heads] of the first wanted row of each piece over its tokens; 0 where none is wanted.

    query is [R, H], kv [T, 2 H] as in `attention_rows`. Not differentiable.
    """
    assert layout.row_bounds is not None
    assert query.stride(1) == kv.stride(1) == 1
    hidden = query.shape[1]
    weights = torch.empty(len(kv), heads, dtype=torch.float32, device=kv.device)
    _weights[((len(layout.cu_seqlens) - 1) * heads,)](
        *(query, kv, weights, layout.row_bounds, layout.cu_seqlens),
        QUERY_STRIDE=query.stride(0),
        KEY_STRIDE=kv.stride(0),
        HEADS=heads,
        DIM=hidden // heads,
        BLOCK=BLOCK,
        num_warps=4,
        num_stages=2,
    )
    return weights


@triton.jit
def _scores(q, key, start, keys, KEY_STRIDE: tl.constexpr, DIM: tl.constexpr, BLOCK: tl.constexpr):
    """Scores [BLOCK] in base 2 of the keys from `start`; -inf past the end."""
    n = start + tl.arange(0, BLOCK)
    inside = n < keys
    k = tl.load(key + n[:, None] * KEY_STRIDE + tl.arange(0, DIM)[None, :], mask=inside[:, None], other=0.0)
    scale: tl.constexpr = LOG2E * DIM**-0.5
    return tl.where(inside, tl.sum(k.to(tl.float32) * q[None, :], 1) * scale, float("-inf"))


@triton.jit
def _weights(
    query, key, weights, row_bounds, key_bounds,
    QUERY_STRIDE: tl.constexpr, KEY_STRIDE: tl.constexpr, HEADS: tl.constexpr, DIM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    # Heads of a piece are neighbours: each reads a part of the same rows and writes a column of the same ones.
    piece, head = tl.program_id(0) // HEADS, tl.program_id(0) % HEADS
    row = tl.load(row_bounds + piece)
    wants = tl.load(row_bounds + piece + 1) > row
    first = tl.load(key_bounds + piece)
    keys = tl.load(key_bounds + piece + 1) - first
    d = tl.arange(0, DIM)
    wanted = d < tl.where(wants, DIM, 0)  # Triton 3.9's interpreter takes no single truth value as a mask
    q = tl.load(query + row.to(tl.int64) * QUERY_STRIDE + head * DIM + d, mask=wanted, other=0.0).to(tl.float32)
    key += first.to(tl.int64) * KEY_STRIDE + head * DIM
    weights += first.to(tl.int64) * HEADS + head
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, keys, BLOCK):
        score = _scores(q, key, start, keys, KEY_STRIDE, DIM, BLOCK)
        highest = tl.maximum(top, tl.max(score, 0))
        total = total * tl.exp2(top - highest) + tl.exp2(score - highest)
        top = highest
    scale = tl.where(wants, 1.0 / tl.sum(total, 0), 0.0)
    highest = tl.max(top, 0)
    for start in range(0, keys, BLOCK):
        n = start + tl.arange(0, BLOCK)
        score = _scores(q, key, start, keys, KEY_STRIDE, DIM, BLOCK)
        tl.store(weights + n * HEADS, tl.exp2(score - highest) * scale, mask=n < keys)


def ahead(arch: int) -> list[Ahead]:
    """Every compilation that attention weights may ask for, of a model of 12 heads; `arch` makes no difference."""
    found = []
    for state in ("bf16", "fp32"):
        for dim in (16, 32, 64, 128):
            signature = {"query": f"*{state}", "key": f"*{state}", "weights": "*fp32"}
            signature |= {"row_bounds": "*i32", "key_bounds": "*i32"}
            constexprs = {"QUERY_STRIDE": 12 * dim, "KEY_STRIDE": 24 * dim, "HEADS": 12, "DIM": dim, "BLOCK": BLOCK}
            found.append(Ahead(_weights, f"attention weights {state} {dim}", signature, {**constexprs}, 4, 2))
    return found
