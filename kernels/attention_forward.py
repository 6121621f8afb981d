"""Attention of packed pieces in tiles, never holding the scores (FlashAttention-2), and what its backward shares."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .dropout import STEPS
from .launch import Ahead, arch_of, attention_entries, attention_launch

__all__ = ["LOG2E", "Spans", "ahead", "attend", "compilations", "kept_weights"]

# Softmax is computed in base 2, which is the exponential that the hardware has.
LOG2E = tl.constexpr(1.4426950408889634)


@dataclass(frozen=True)
class Spans:
    """Piece i's queries are rows query_bounds[i]:query_bounds[i + 1], its keys key_bounds[i]:key_bounds[i + 1].

    Bounds are int32 [pieces + 1] on the device; max_rows and max_len are the most queries and keys of one piece.
    Of the weights, `limit` in STEPS are dropped, which ones says `seed`.
    """

    query_bounds: Tensor
    key_bounds: Tensor
    max_rows: int
    max_len: int
    heads: int
    limit: int
    seed: int

    @property
    def pieces(self) -> int:
        return len(self.key_bounds) - 1

    @property
    def most(self) -> tuple[int, int, bool]:
        """What the launch depends on: queries and keys of a piece, and whether there is dropout."""
        return self.max_rows, self.max_len, self.limit > 0

    @property
    def keep(self) -> float:
        """What weights that stay are multiplied by."""
        return STEPS / (STEPS - self.limit)


def attend(parts: Sequence[Tensor], spans: Spans, save: bool) -> tuple[Tensor, Tensor | None]:
    """Of `parts`, queries [R, H] over keys and values [T, H] (rows may lie apart, keys and values alike), to [R, H].

    With `save` also fp32 [heads, R]: the base-2 logarithm of each softmax's denominator, as backward needs it.
    """
    query, key, value = parts
    rows, hidden = query.shape
    dim = hidden // spans.heads
    assert query.stride(1) == key.stride(1) == value.stride(1) == 1
    assert key.stride(0) == value.stride(0)
    out = torch.empty(rows, hidden, dtype=query.dtype, device=query.device)
    lse = torch.empty(spans.heads, rows, dtype=torch.float32, device=query.device) if save else None
    arch = arch_of(query.device)
    plan = attention_launch("forward", arch, query.dtype.itemsize, dim, *spans.most)
    blocks = triton.cdiv(spans.max_rows, plan.block_m)
    _forward[(spans.pieces * blocks, spans.heads)](
        *(query, key, value, out, lse, spans.query_bounds, spans.key_bounds, rows, blocks),
        *(spans.seed, spans.limit, spans.keep),
        QUERY_STRIDE=query.stride(0),
        KEY_STRIDE=key.stride(0),
        OUT_STRIDE=hidden,
        DIM=dim,
        BLOCK_M=plan.block_m,
        BLOCK_N=plan.block_n,
        DROPOUT=spans.limit > 0,
        num_warps=plan.warps,
        num_stages=plan.stages,
    )
    return out, lse


@triton.jit
def kept_weights(seed, limit, row, head, key, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Whether each weight stays: bool [BLOCK_M, BLOCK_N], of query rows int32 [BLOCK_M] and keys `key`, `key` + 1, ...

    A function of seed, row, head and key alone, whatever the tile. One draw serves eight neighbouring keys.
    """
    eighth = key // 8 + tl.arange(0, BLOCK_N // 8)
    # Seven rounds are the fewest that pass BigCrush (Salmon et al. 2011).
    a, b, c, d = tl.philox(seed, row[:, None], eighth[None, :], head, 0, n_rounds=7)
    words = tl.join(tl.join(a, c), tl.join(b, d))
    halves = tl.join(words & 0xFFFF, words >> 16)
    return tl.reshape(halves, (BLOCK_M, BLOCK_N)).to(tl.int32) >= limit


@triton.jit
def _take(
    q, k, v, acc, total, top, key, keys, row, head, seed, limit,
    KEY_STRIDE: tl.constexpr, DIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    DROPOUT: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Takes one block of keys into the sums; k and v point at its first. Only the last block may reach past the end."""
    n = tl.arange(0, BLOCK_N)
    at = n[:, None] * KEY_STRIDE + tl.arange(0, DIM)[None, :]
    if LAST:
        inside = key + n < keys
        k_tile = tl.load(k + at, mask=inside[:, None], other=0.0)
        v_tile = tl.load(v + at, mask=inside[:, None], other=0.0)
    else:
        k_tile = tl.load(k + at)
        v_tile = tl.load(v + at)
    scale: tl.constexpr = LOG2E * DIM**-0.5
    score = tl.dot(q, tl.trans(k_tile), input_precision="ieee")
    if LAST:
        score = tl.where(inside[None, :], score, float("-inf"))
    highest = tl.maximum(top, tl.max(score, 1) * scale)
    p = tl.exp2(score * scale - highest[:, None])
    shrink = tl.exp2(top - highest)
    total = total * shrink + tl.sum(p, 1)
    if DROPOUT:
        p = tl.where(kept_weights(seed, limit, row, head, key, BLOCK_M, BLOCK_N), p, 0.0)
    acc = tl.dot(p.to(v_tile.dtype), v_tile, acc * shrink[:, None], input_precision="ieee")
    return acc, total, highest


@triton.jit(do_not_specialize=["rows", "blocks", "seed", "limit"])
def _forward(
    query, key, value, out, lse, query_bounds, key_bounds, rows, blocks, seed, limit, keep,
    QUERY_STRIDE: tl.constexpr, KEY_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, DIM: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, DROPOUT: tl.constexpr,
):  # fmt: skip
    # Blocks of one piece and head are neighbours, so that its keys stay in the cache.
    piece, head = tl.program_id(0) // blocks, tl.program_id(1)
    start = tl.program_id(0) % blocks * BLOCK_M
    first = tl.load(query_bounds + piece)
    queries = tl.load(query_bounds + piece + 1) - first
    if start >= queries:
        return
    first_key = tl.load(key_bounds + piece)
    keys = tl.load(key_bounds + piece + 1) - first_key
    m, d = start + tl.arange(0, BLOCK_M), tl.arange(0, DIM)
    asked = m < queries
    query += first.to(tl.int64) * QUERY_STRIDE + head * DIM
    q = tl.load(query + m[:, None] * QUERY_STRIDE + d[None, :], mask=asked[:, None], other=0.0)
    k = key + first_key.to(tl.int64) * KEY_STRIDE + head * DIM
    v = value + first_key.to(tl.int64) * KEY_STRIDE + head * DIM
    acc = tl.zeros([BLOCK_M, DIM], tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    whole = keys // BLOCK_N * BLOCK_N
    for at in range(0, whole, BLOCK_N):
        acc, total, top = _take(
            q, k + at * KEY_STRIDE, v + at * KEY_STRIDE, acc, total, top, at, keys, first + m, head, seed, limit,
            KEY_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, False,
        )  # fmt: skip
    if whole < keys:
        acc, total, top = _take(
            q, k + whole * KEY_STRIDE, v + whole * KEY_STRIDE, acc, total, top, whole, keys, first + m, head, seed,
            limit, KEY_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, True,
        )  # fmt: skip
    acc *= (keep / total)[:, None]
    out += first.to(tl.int64) * OUT_STRIDE + head * DIM
    tl.store(out + m[:, None] * OUT_STRIDE + d[None, :], acc.to(out.dtype.element_ty), mask=asked[:, None])
    if lse is not None:
        tl.store(lse + head.to(tl.int64) * rows + first + m, top + tl.log2(total), mask=asked)


def ahead(arch: int) -> list[Ahead]:
    """Every compilation of the forward kernel that the launch table may ask for on `arch`."""
    return compilations("forward", _forward, arch)


def compilations(name: str, kernel: Any, arch: int) -> list[Ahead]:
    """Every compilation of one of attention's kernels: the tiles of the launch table, with and without dropout.

    Of a model of 12 heads. Without dropout the forward kernel is that of inference, which saves no logarithms.
    """
    found = []
    for state, dim, dropout, plan in attention_entries(name, arch):
        given: dict[str, object] = {
            **dict.fromkeys(("QUERY_STRIDE", "KEY_STRIDE", "DQUERY_STRIDE", "DKEY_STRIDE"), 36 * dim),
            "OUT_STRIDE": 12 * dim,
            "DIM": dim,
            "BLOCK_M": plan.block_m,
            "BLOCK_N": plan.block_n,
            "DROPOUT": dropout,
        }
        if not dropout and name == "forward":
            given["lse"] = None
        constexprs = {argument: given[argument] for argument in kernel.arg_names if argument in given}
        signature = {
            argument: _TYPES.get(argument, f"*{state}") for argument in kernel.arg_names if argument not in given
        }
        tile = f"{plan.block_m} x {plan.block_n}, {plan.warps} warps, {plan.stages} stages"
        label = f"attention {name} {state} {dim} {tile}{', dropout' if dropout else ''}"
        found.append(Ahead(kernel, label, signature, constexprs, plan.warps, plan.stages))
    return found


# Arguments that are not in the dtype of the state.
_TYPES = {
    **dict.fromkeys(("lse", "delta"), "*fp32"),
    **dict.fromkeys(("query_bounds", "key_bounds"), "*i32"),
    **dict.fromkeys(("rows", "blocks", "seed", "limit"), "i32"),
    "keep": "fp32",
}
