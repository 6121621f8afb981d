"""Token embeddings: LayerNorm(word + position + type), from ids or straight from bases, of which k-mers are made here.

Places in pieces come from cu_seqlens: a program takes some tokens of one piece.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .launch import Ahead
from .layer_norm import outputs
from .rows import GROUPS, Tile, compiled, dense, moments, norm_gradient, store_state, tile

__all__ = ["ahead", "codes_of", "embed_bases", "embed_bases_step", "embed_ids", "embed_ids_step", "ids_of_bases"]

Tables = tuple[Tensor, Tensor, Tensor]
Norm = tuple[Tensor, Tensor]
State = tuple[Tensor, Tensor, Tensor | None]

# Elements of a tile: forward waits for ids before it can load rows, so it takes many at a time; backward holds the most
# values of each and spills registers on 100 with more than one row.
FORWARD, BACKWARD = 4096, 1024
CODES = 1024  # letters or tokens of a program that makes nothing but codes or ids of them


def embed_ids(
    ids: Tensor,
    cu_seqlens: Tensor,
    max_len: int,
    types: Tensor | None,
    tables: Tables,
    norm: Norm,
    eps: float,
    dtype: torch.dtype,
) -> Tensor:
    """LayerNorm of the word, position and type rows of ids [T] (uint16, int32 or int64), [T, H] in `dtype`.

    `tables` are fp32 [V, H], [P, H] and [2, H], `norm` fp32 weight and bias [H]; no types [T] means type 0.
    Differentiable in the tables and the norm. Raises ValueError for a piece that is longer than P.
    """
    _check(max_len, tables)
    out: Tensor = _EmbedIds.apply(ids, cu_seqlens, max_len, types, *tables, *norm, eps, dtype)
    return out


def embed_ids_step(
    ids: Tensor,
    cu_seqlens: Tensor,
    max_len: int,
    types: Tensor | None,
    tables: Tables,
    norm: Norm,
    eps: float,
    stream: torch.dtype,
    operand: torch.dtype,
) -> State:
    """As `embed_ids` for inference, in the two dtypes of `layer_norm.norm_step`."""
    return _embed(len(ids), {"ids": dense(ids)}, cu_seqlens, max_len, types, tables, norm, eps, stream, operand)


def embed_bases(
    codes: Tensor,
    starts: Tensor,
    reverse: Tensor | None,
    k: int,
    cu_seqlens: Tensor,
    max_len: int,
    tokens: int,
    tables: Tables,
    norm: Norm,
    eps: float,
    dtype: torch.dtype,
) -> Tensor:
    """As `embed_ids` of the ids that `ids_of_bases` gives, for inference, without their ever being written."""
    return embed_bases_step(codes, starts, reverse, k, cu_seqlens, max_len, tokens, tables, norm, eps, dtype, dtype)[0]


def embed_bases_step(
    codes: Tensor,
    starts: Tensor,
    reverse: Tensor | None,
    k: int,
    cu_seqlens: Tensor,
    max_len: int,
    tokens: int,
    tables: Tables,
    norm: Norm,
    eps: float,
    stream: torch.dtype,
    operand: torch.dtype,
) -> State:
    """As `embed_bases`, in the two dtypes of `layer_norm.norm_step`."""
    given = {"codes": codes, "starts": starts, "reverse": reverse, "K": k}
    return _embed(tokens, given, cu_seqlens, max_len, None, tables, norm, eps, stream, operand)


def ids_of_bases(
    codes: Tensor, starts: Tensor, reverse: Tensor | None, k: int, cu_seqlens: Tensor, max_len: int, tokens: int
) -> Tensor:
    """Token ids int64 [T] of pieces given as base codes u8 [B] (0 to 3 for A, T, C, G; any other is unknown).

    Piece i, of cu_seqlens[i + 1] - cu_seqlens[i] tokens, is [CLS], the k-mers from codes[starts[i]] on, [SEP]; where
    `reverse` u8 [m] is 1, those of the reverse complement of the same bases, in its own 5' -> 3' order. A k-mer over
    an unknown base is [UNK]. `tokens` is T, which only the device knows else.
    """
    ids = torch.empty(tokens, dtype=torch.int64, device=codes.device)
    if tokens:
        grid = (len(cu_seqlens) - 1, triton.cdiv(max_len, CODES))
        _write_ids[grid](codes, starts, reverse, cu_seqlens, ids, ROWS=CODES, K=k, num_warps=4)
    return ids


def codes_of(ascii: Tensor) -> Tensor:
    """Base codes u8 [B] of letters u8 [B]: A, T, C, G in either case are 0 to 3, U is T, all else is 4."""
    ascii = dense(ascii)
    codes = torch.empty_like(ascii)
    if len(ascii):
        _encode[(triton.cdiv(len(ascii), CODES),)](ascii, codes, len(ascii), BLOCK=CODES, num_warps=4)
    return codes


def _check(max_len: int, tables: Tables) -> None:
    # A row after the table's last would be read from whatever memory follows.
    if max_len > len(tables[1]):
        raise ValueError(f"a piece of {max_len} tokens is longer than the {len(tables[1])} positions of the model")


def _embed(
    tokens: int,
    given: dict[str, Any],
    cu_seqlens: Tensor,
    max_len: int,
    types: Tensor | None,
    tables: Tables,
    norm: Norm,
    eps: float,
    stream: torch.dtype,
    operand: torch.dtype,
) -> State:
    _check(max_len, tables)
    state = torch.empty(tokens, tables[0].shape[1], dtype=stream, device=tables[0].device)
    second, scale = outputs(state, operand)
    if tokens:
        _run(given, cu_seqlens, max_len, types, (*tables, *norm), (state, second, scale, None, None, None), eps)
    return state, state if second is None else second, scale


def _run(
    given: dict[str, Any],
    cu_seqlens: Tensor,
    max_len: int,
    types: Tensor | None,
    weights: tuple[Tensor, ...],
    written: tuple[Tensor | None, ...],
    eps: float,
) -> None:
    plan = tile(weights[0].shape[1], FORWARD)
    origin = {"ids": None, "codes": None, "starts": None, "reverse": None, "K": 0, **given}
    grid = (len(cu_seqlens) - 1, triton.cdiv(max_len, plan.rows))
    _forward[grid](
        cu_seqlens=cu_seqlens,
        types=types,
        **dict(zip(("word", "position", "kind", "weight", "bias"), map(dense, weights), strict=True)),
        **dict(zip(("stream", "operand", "scale", "mean", "rstd", "places"), written, strict=True)),
        eps=eps,
        **origin,
        **plan.sizes,
        num_warps=plan.warps,
    )


class _EmbedIds(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        ids: Tensor,
        cu_seqlens: Tensor,
        max_len: int,
        types: Tensor | None,
        word: Tensor,
        position: Tensor,
        kind: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        dtype: torch.dtype,
    ) -> Tensor:
        ids, tokens = dense(ids), len(ids)
        weights = (word, position, kind, weight, bias)
        out = torch.empty(tokens, word.shape[1], dtype=dtype, device=word.device)
        mean, rstd = torch.empty(2, tokens, dtype=torch.float32, device=word.device)
        places = torch.empty(tokens, dtype=torch.int32, device=word.device)
        if tokens:
            _run({"ids": ids}, cu_seqlens, max_len, types, weights, (out, None, None, mean, rstd, places), eps)
        ctx.save_for_backward(ids, places, types, *weights[:4], mean, rstd)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:
        ids, places, types, word, position, kind, weight, mean, rstd = ctx.saved_tensors
        tokens, hidden = dout.shape
        plan = tile(hidden, BACKWARD)
        groups = min(GROUPS, triton.cdiv(tokens, plan.rows))
        dh = torch.empty(tokens, hidden, dtype=torch.float32, device=dout.device)
        parts = torch.empty(2, groups, hidden, dtype=torch.float32, device=dout.device)
        tables = (dense(word), dense(position), dense(kind))
        if tokens:
            _backward[(groups,)](
                *(dense(dout), ids, places, types, *tables, dense(weight), mean, rstd, dh, parts, tokens),
                **plan.sizes,
                num_warps=plan.warps,
            )
        dweight, dbias = parts.sum(1)
        # torch sorts the indices and sums runs of equal ones: the same order each time, where atomics have none.
        dword, dposition = (
            torch.ops.aten.embedding_dense_backward(dh, rows.to(torch.int32), len(table), -1, False)
            for rows, table in ((ids, word), (places, position))
        )
        if types is None:
            dkind = torch.zeros_like(kind)
            dkind[0] = dh.sum(0)
        else:
            dkind = torch.ops.aten.embedding_dense_backward(dh, types.to(torch.int32), len(kind), -1, False)
        return None, None, None, None, dword, dposition, dkind, dweight, dbias, None, None


@triton.jit
def _ids_of_bases(codes, starts, reverse, piece, place, inside, length, K: tl.constexpr):
    """Token ids int32 of the tokens at `place` int32 of a piece of `length` tokens; see `ids_of_bases`."""
    start = tl.load(starts + piece)
    backward = 0
    if reverse is not None:
        backward = tl.load(reverse + piece).to(tl.int32)
    kmer = inside & (place > 0) & (place < length - 1)
    # Read backwards, k-mer t of n starts at n - 1 - t forwards, and its first letter is its last base's complement.
    first = start + tl.where(backward != 0, length - 2 - place, place - 1)
    number = tl.zeros_like(place)
    unknown = place < 0
    for i in tl.static_range(K):
        base = first + tl.where(backward != 0, K - 1 - i, i)
        code = tl.load(codes + base, mask=kmer, other=0).to(tl.int32)
        unknown = unknown | (code > 3)
        number = number * 4 + (code ^ backward)
    ids = tl.where(unknown, 1, 5 + number)
    return tl.where(place == 0, 2, tl.where(place == length - 1, 3, ids))


@triton.jit
def _row_sum(ids, places, kinds, word, position, kind, column, inside, H: tl.constexpr):
    """The word, position and type rows [ROWS, BLOCK] of tokens, added in fp32."""
    columns = column[None, :]
    h = tl.load(word + (ids.to(tl.int64) * H)[:, None] + columns, mask=inside, other=0.0)
    h += tl.load(kind + (kinds * H)[:, None] + columns, mask=inside, other=0.0)
    h += tl.load(position + (places * H)[:, None] + columns, mask=inside, other=0.0)
    return h


@triton.jit
def _forward(
    ids, codes, starts, reverse, cu_seqlens, types, word, position, kind, weight, bias,
    stream, operand, scale, mean, rstd, places, eps,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    piece = tl.program_id(0)
    begin = tl.load(cu_seqlens + piece)
    length = tl.load(cu_seqlens + piece + 1) - begin
    # Pieces differ in length, and the grid is that of the longest.
    if tl.program_id(1) * ROWS < length:
        place = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
        row_inside = place < length
        row = (begin + place).to(tl.int64)
        if codes is not None:
            token = _ids_of_bases(codes, starts, reverse, piece, place, row_inside, length, K)
        else:
            token = tl.load(ids + row, mask=row_inside, other=0).to(tl.int32)
        kinds = tl.zeros_like(place)
        if types is not None:
            kinds = tl.load(types + row, mask=row_inside, other=0).to(tl.int32)
        column = tl.arange(0, BLOCK)
        column_inside = column < H
        inside = row_inside[:, None] & column_inside[None, :]
        h = _row_sum(token, place, kinds, word, position, kind, column, inside, H)
        centre, spread = moments(h, column_inside[None, :], eps, H)
        w = tl.load(weight + column, mask=column_inside, other=0.0)
        b = tl.load(bias + column, mask=column_inside, other=0.0)
        y = (h - centre[:, None]) * spread[:, None] * w[None, :] + b[None, :]
        store_state(y, stream, operand, scale, row, row[:, None] * H + column[None, :], inside, row_inside)
        if mean is not None:
            tl.store(mean + row, centre, mask=row_inside)
            tl.store(rstd + row, spread, mask=row_inside)
            tl.store(places + row, place, mask=row_inside)


@triton.jit(do_not_specialize=["tokens"])
def _backward(
    dout, ids, places, types, word, position, kind, weight, mean, rstd, dh, parts, tokens,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
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
        token = tl.load(ids + row, mask=row_inside, other=0).to(tl.int32)
        place = tl.load(places + row, mask=row_inside, other=0)
        kinds = tl.zeros_like(place)
        if types is not None:
            kinds = tl.load(types + row, mask=row_inside, other=0).to(tl.int32)
        upstream = tl.load(dout + at, mask=inside, other=0.0).to(tl.float32)
        h = _row_sum(token, place, kinds, word, position, kind, column, inside, H)
        centre = tl.load(mean + row, mask=row_inside, other=0.0)
        spread = tl.load(rstd + row, mask=row_inside, other=0.0)
        normal = (h - centre[:, None]) * spread[:, None]
        dweight += tl.sum(upstream * normal, 0)
        dbias += tl.sum(upstream, 0)
        tl.store(dh + at, norm_gradient(normal, upstream, w, inside, spread, H), mask=inside)
    tl.store(parts + group * H + column, dweight, mask=column_inside)
    tl.store(parts + (groups + group) * H + column, dbias, mask=column_inside)


@triton.jit
def _write_ids(codes, starts, reverse, cu_seqlens, ids, ROWS: tl.constexpr, K: tl.constexpr):
    piece = tl.program_id(0)
    begin = tl.load(cu_seqlens + piece)
    length = tl.load(cu_seqlens + piece + 1) - begin
    place = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    inside = place < length
    token = _ids_of_bases(codes, starts, reverse, piece, place, inside, length, K)
    tl.store(ids + begin + place, token.to(tl.int64), mask=inside)


@triton.jit(do_not_specialize=["tokens"])
def _encode(ascii, codes, tokens, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    letter = tl.load(ascii + at, mask=at < tokens, other=0).to(tl.int32) & 0xDF  # without the bit of lower case
    code = tl.where(letter == 0x43, 2, tl.where(letter == 0x47, 3, 4))
    code = tl.where((letter == 0x54) | (letter == 0x55), 1, tl.where(letter == 0x41, 0, code))
    tl.store(codes + at, code.to(tl.uint8), mask=at < tokens)


def ahead(arch: int) -> list[Ahead]:
    """What a 768-wide encoder launches on a chip of this capability: from ids and from 6-mers, fp32, bf16 (and fp8)."""
    fp32, bf16, fp8 = torch.float32, torch.bfloat16, torch.float8_e4m3fn
    i32, i64, u8, u16 = torch.int32, torch.int64, torch.uint8, torch.uint16
    weights = dict.fromkeys(("word", "position", "kind", "weight", "bias"), fp32)
    base: dict[str, torch.dtype] = {**weights, "cu_seqlens": i32}
    pieces = {"codes": u8, "starts": i64, "reverse": u8}
    saved = {"mean": fp32, "rstd": fp32, "places": i32}
    states: list[dict[str, torch.dtype]] = [{"stream": fp32}, {"stream": bf16}, {"stream": fp32, "operand": bf16}]
    if arch >= 89:
        states += [{"stream": stream, "operand": fp8, "scale": fp32} for stream in (fp32, bf16)]
    found = []
    for state in states:
        found.append(compiled(_forward, tile(768, FORWARD), {**base, **pieces, **state}, K=6))
        found.append(compiled(_forward, tile(768, FORWARD), {**base, "ids": u16, **state}, K=0))
    for dtype in (fp32, bf16):
        types: dict[str, torch.dtype] = {**base, **saved, "ids": i64, "types": i64, "stream": dtype}
        found.append(compiled(_forward, tile(768, FORWARD), types, K=0))
        types.update(dout=dtype, dh=fp32, parts=fp32)
        found.append(compiled(_backward, tile(768, BACKWARD), types))
    line = Tile(1, CODES, CODES, 4)
    found.append(compiled(_write_ids, line, {**pieces, "cu_seqlens": i32, "ids": i64}, K=6))
    found.append(compiled(_encode, line, {"ascii": u8, "codes": u8}))
    return found
