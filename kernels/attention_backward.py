"""Backward of attention in two kernels, without atomics: each gradient is summed by one program, in one order.

Both compute the weights again from the scores and the saved logarithms; dropped weights are drawn again.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .attention_forward import LOG2E, Spans, compilations, kept_weights
from .launch import Ahead, arch_of, attention_launch
from .rows import dense

__all__ = ["ahead", "attend_backward"]


def attend_backward(
    parts: Sequence[Tensor], out: Tensor, lse: Tensor, dout: Tensor, gradients: Sequence[Tensor], spans: Spans
) -> None:
    """Writes the gradients of `parts` (rows may lie apart) from what `attend` made of them; out and dout are [R, H]."""
    query, key, value = parts
    dquery, dkey, dvalue = gradients
    rows, hidden = query.shape
    dim = hidden // spans.heads
    assert dquery.stride(1) == dkey.stride(1) == dvalue.stride(1) == 1
    assert dkey.stride(0) == dvalue.stride(0)
    dout = dense(dout)
    delta = torch.empty_like(lse)
    arch = arch_of(query.device)
    sizes = {
        "QUERY_STRIDE": query.stride(0),
        "KEY_STRIDE": key.stride(0),
        "OUT_STRIDE": hidden,
        "DQUERY_STRIDE": dquery.stride(0),
        "DKEY_STRIDE": dkey.stride(0),
        "DIM": dim,
        "DROPOUT": spans.limit > 0,
    }
    bounds = (spans.query_bounds, spans.key_bounds, rows)
    draw = (spans.seed, spans.limit, spans.keep)

    plan = attention_launch("dquery", arch, query.dtype.itemsize, dim, *spans.most)
    blocks = triton.cdiv(spans.max_rows, plan.block_m)
    _dquery[(spans.pieces * blocks, spans.heads)](
        *(query, key, value, out, dout, lse, delta, dquery, *bounds, blocks, *draw),
        **{name: size for name, size in sizes.items() if name != "DKEY_STRIDE"},
        BLOCK_M=plan.block_m,
        BLOCK_N=plan.block_n,
        num_warps=plan.warps,
        num_stages=plan.stages,
    )
    plan = attention_launch("dkey", arch, query.dtype.itemsize, dim, *spans.most)
    blocks = triton.cdiv(spans.max_len, plan.block_n)
    _dkey[(spans.pieces * blocks, spans.heads)](
        *(query, key, value, dout, lse, delta, dkey, dvalue, *bounds, blocks, *draw),
        **{name: size for name, size in sizes.items() if name != "DQUERY_STRIDE"},
        BLOCK_M=plan.block_m,
        BLOCK_N=plan.block_n,
        num_warps=plan.warps,
        num_stages=plan.stages,
    )


@triton.jit
def _add_dquery(
    q, do, k, v, logs, delta, dq, key, keys, row, head, seed, limit, keep,
    KEY_STRIDE: tl.constexpr, DIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    DROPOUT: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Adds one block of keys to dq; k and v point at its first. Only the last block may reach past the end."""
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
    score = tl.dot(q, tl.trans(k_tile), input_precision="ieee") * scale
    if LAST:
        score = tl.where(inside[None, :], score, float("-inf"))
    p = tl.exp2(score - logs[:, None])
    dp = tl.dot(do, tl.trans(v_tile), input_precision="ieee")
    if DROPOUT:
        dp = tl.where(kept_weights(seed, limit, row, head, key, BLOCK_M, BLOCK_N), dp * keep, 0.0)
    ds = p * (dp - delta[:, None])
    return tl.dot(ds.to(k_tile.dtype), k_tile, dq, input_precision="ieee")


@triton.jit(do_not_specialize=["rows", "blocks", "seed", "limit"])
def _dquery(
    query, key, value, out, dout, lse, delta, dquery, query_bounds, key_bounds, rows, blocks, seed, limit, keep,
    QUERY_STRIDE: tl.constexpr, KEY_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, DQUERY_STRIDE: tl.constexpr,
    DIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, DROPOUT: tl.constexpr,
):  # fmt: skip
    """Also writes `delta` fp32 [heads, R], the sum of out times dout, which `_dkey` reads."""
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
    row = first.to(tl.int64)
    in_out = row * OUT_STRIDE + head * DIM + m[:, None] * OUT_STRIDE + d[None, :]
    do = tl.load(dout + in_out, mask=asked[:, None], other=0.0)
    o = tl.load(out + in_out, mask=asked[:, None], other=0.0)
    sums = tl.sum(o.to(tl.float32) * do.to(tl.float32), 1)
    in_lse = head.to(tl.int64) * rows + first + m
    tl.store(delta + in_lse, sums, mask=asked)
    # Rows past the end have weights 0.
    logs = tl.load(lse + in_lse, mask=asked, other=float("inf"))
    query += row * QUERY_STRIDE + head * DIM
    q = tl.load(query + m[:, None] * QUERY_STRIDE + d[None, :], mask=asked[:, None], other=0.0)
    k = key + first_key.to(tl.int64) * KEY_STRIDE + head * DIM
    v = value + first_key.to(tl.int64) * KEY_STRIDE + head * DIM
    dq = tl.zeros([BLOCK_M, DIM], tl.float32)
    whole = keys // BLOCK_N * BLOCK_N
    for at in range(0, whole, BLOCK_N):
        dq = _add_dquery(
            q, do, k + at * KEY_STRIDE, v + at * KEY_STRIDE, logs, sums, dq, at, keys, first + m, head, seed,
            limit, keep, KEY_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, False,
        )  # fmt: skip
    if whole < keys:
        dq = _add_dquery(
            q, do, k + whole * KEY_STRIDE, v + whole * KEY_STRIDE, logs, sums, dq, whole, keys, first + m, head, seed,
            limit, keep, KEY_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, True,
        )  # fmt: skip
    dq *= DIM**-0.5
    dquery += row * DQUERY_STRIDE + head * DIM
    tl.store(dquery + m[:, None] * DQUERY_STRIDE + d[None, :], dq.to(dquery.dtype.element_ty), mask=asked[:, None])


@triton.jit
def _add_dkey(
    query, dout, logs, delta, k, v, dk, dv, row, queries, first, head, key, seed, limit, keep,
    QUERY_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, DIM: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, DROPOUT: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Adds one block of queries to dk and dv; pointers stand at the piece's first row, `row` is the block's.

    Scores are [BLOCK_N, BLOCK_M]: keys down, so that no product needs a transpose of what was computed.
    """
    m, d = row + tl.arange(0, BLOCK_M), tl.arange(0, DIM)
    if LAST:
        asked = m < queries
        q = tl.load(query + m[:, None] * QUERY_STRIDE + d[None, :], mask=asked[:, None], other=0.0)
        do = tl.load(dout + m[:, None] * OUT_STRIDE + d[None, :], mask=asked[:, None], other=0.0)
        # Rows past the end have weights 0.
        lse = tl.load(logs + m, mask=asked, other=float("inf"))
        sums = tl.load(delta + m, mask=asked, other=0.0)
    else:
        q = tl.load(query + m[:, None] * QUERY_STRIDE + d[None, :])
        do = tl.load(dout + m[:, None] * OUT_STRIDE + d[None, :])
        lse = tl.load(logs + m)
        sums = tl.load(delta + m)
    scale: tl.constexpr = LOG2E * DIM**-0.5
    score = tl.dot(k, tl.trans(q), input_precision="ieee")
    p = tl.exp2(score * scale - lse[None, :])
    dp = tl.dot(v, tl.trans(do), input_precision="ieee")
    stays = p
    if DROPOUT:
        kept = tl.trans(kept_weights(seed, limit, first + m, head, key, BLOCK_M, BLOCK_N))
        stays = tl.where(kept, p * keep, 0.0)
        dp = tl.where(kept, dp * keep, 0.0)
    dv = tl.dot(stays.to(do.dtype), do, dv, input_precision="ieee")
    ds = p * (dp - sums[None, :])
    dk = tl.dot(ds.to(q.dtype), q, dk, input_precision="ieee")
    return dk, dv


@triton.jit(do_not_specialize=["rows", "blocks", "seed", "limit"])
def _dkey(
    query, key, value, dout, lse, delta, dkey, dvalue, query_bounds, key_bounds, rows, blocks, seed, limit, keep,
    QUERY_STRIDE: tl.constexpr, KEY_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, DKEY_STRIDE: tl.constexpr,
    DIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, DROPOUT: tl.constexpr,
):  # fmt: skip
    piece, head = tl.program_id(0) // blocks, tl.program_id(1)
    start = tl.program_id(0) % blocks * BLOCK_N
    first_key = tl.load(key_bounds + piece)
    keys = tl.load(key_bounds + piece + 1) - first_key
    if start >= keys:
        return
    first = tl.load(query_bounds + piece)
    queries = tl.load(query_bounds + piece + 1) - first
    n, d = start + tl.arange(0, BLOCK_N), tl.arange(0, DIM)
    # Keys past the end are 0 and add nothing to the others: nothing is summed over keys here.
    inside = (n < keys)[:, None]
    in_key = first_key.to(tl.int64) * KEY_STRIDE + head * DIM + n[:, None] * KEY_STRIDE + d[None, :]
    k = tl.load(key + in_key, mask=inside, other=0.0)
    v = tl.load(value + in_key, mask=inside, other=0.0)
    query += first.to(tl.int64) * QUERY_STRIDE + head * DIM
    dout += first.to(tl.int64) * OUT_STRIDE + head * DIM
    lse += head.to(tl.int64) * rows + first
    delta += head.to(tl.int64) * rows + first
    dk = tl.zeros([BLOCK_N, DIM], tl.float32)
    dv = tl.zeros([BLOCK_N, DIM], tl.float32)
    whole = queries // BLOCK_M * BLOCK_M
    for row in range(0, whole, BLOCK_M):
        dk, dv = _add_dkey(
            query, dout, lse, delta, k, v, dk, dv, row, queries, first, head, start, seed, limit, keep,
            QUERY_STRIDE, OUT_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, False,
        )  # fmt: skip
    if whole < queries:
        dk, dv = _add_dkey(
            query, dout, lse, delta, k, v, dk, dv, whole, queries, first, head, start, seed, limit, keep,
            QUERY_STRIDE, OUT_STRIDE, DIM, BLOCK_M, BLOCK_N, DROPOUT, True,
        )  # fmt: skip
    dk *= DIM**-0.5
    in_dkey = first_key.to(tl.int64) * DKEY_STRIDE + head * DIM + n[:, None] * DKEY_STRIDE + d[None, :]
    tl.store(dkey + in_dkey, dk.to(dkey.dtype.element_ty), mask=inside)
    tl.store(dvalue + in_dkey, dv.to(dvalue.dtype.element_ty), mask=inside)


def ahead(arch: int) -> list[Ahead]:
    """Every compilation of both backward kernels that the launch table may ask for on `arch`."""
    return [*compilations("dquery", _dquery, arch), *compilations("dkey", _dkey, arch)]
