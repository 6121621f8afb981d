"""The operations that Triton's kernels and cuBLAS make up, trained and frozen, against the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels import gpu_frozen, reference
from dnabert_fast.kernels.dropout import draw_seed
from dnabert_fast.kernels.frozen import Norm
from dnabert_fast.kernels.gpu import TritonOps
from dnabert_fast.kernels.gpu_frozen import FP8, Fp8, Fp8Linear, Fused, FusedLinear, refusal, scaled_product
from interpreted import DEVICE, draw

HIDDEN, HEADS = 64, 2
LENGTHS = (5, 33, 1, 18)
OPS = TritonOps(torch.float32)

# 16 bits of this machine: the interpreter has no bf16 products.
HALF = torch.bfloat16 if DEVICE == "cuda" else torch.float16


@dataclass(frozen=True)
class Layout:
    bounds: tuple[int, ...]
    cu_seqlens: Tensor
    max_len: int
    ids: Tensor | None
    bases: Any
    positions: Tensor
    rows: Tensor | None
    row_bounds: Tensor | None
    max_rows: int
    types: Tensor | None = None
    key_bias: None = None


def layout(lengths: Sequence[int] = LENGTHS, wanted: Sequence[Sequence[int]] | None = None, **fields: Any) -> Layout:
    bounds = tuple(accumulate(lengths, initial=0))
    counts = None if wanted is None else list(map(len, wanted))
    rows = None
    if wanted is not None:
        places = [start + place for start, each in zip(bounds, wanted, strict=False) for place in each]
        rows = torch.tensor(places, device=DEVICE)
    made = Layout(
        bounds=bounds,
        cu_seqlens=torch.tensor(bounds, dtype=torch.int32, device=DEVICE),
        max_len=max(lengths),
        ids=torch.randint(0, 69, (bounds[-1],), generator=torch.Generator().manual_seed(1)).to(DEVICE),
        bases=None,
        positions=torch.cat([torch.arange(length) for length in lengths]).to(DEVICE),
        rows=rows,
        row_bounds=None
        if counts is None
        else torch.tensor(list(accumulate(counts, initial=0)), dtype=torch.int32, device=DEVICE),
        max_rows=max(lengths if counts is None else counts),
    )
    return Layout(**{**vars(made), **fields})


def tables(**options: Any) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    drawn = [draw(n, HIDDEN, seed=i) for i, n in enumerate((69, 40, 2))]
    return (drawn[0], drawn[1], drawn[2]), (draw(HIDDEN, seed=3), draw(HIDDEN, seed=4))


def bases(lengths: Sequence[int], k: int = 3) -> Any:
    """Pieces over one stretch of codes with an unknown base, the second read backwards."""
    total = max(lengths) + k
    codes = torch.randint(0, 4, (total,), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    codes[4] = 4
    starts = torch.zeros(len(lengths), dtype=torch.int64)
    reverse = torch.arange(len(lengths)) == 1
    return SimpleNamespace(
        codes=codes.to(DEVICE), starts=starts.to(DEVICE), reverse=reverse.to(torch.uint8).to(DEVICE), k=k
    )


def compare(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Equal outputs and gradients."""
    results = []
    for op in (ours, theirs):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = op(*leaves)
        results.append([out, *torch.autograd.grad(out, leaves, draw(*out.shape or (1,), seed=9).view(out.shape))])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("given", ["ids", "types", "bases"])
def test_embed(given: str) -> None:
    lengths = (5, 33, 2, 18)
    where = layout(lengths)
    if given == "types":
        where = layout(lengths, types=where.ids % 2)
    if given == "bases":
        where = layout(lengths, ids=None, bases=bases(lengths))
    (word, position, kind), (weight, bias) = tables()

    def by(ops: Any) -> Callable[..., Tensor]:
        return lambda word, position, kind, w, b: ops.embed(where, (word, position, kind), (w, b), 1e-12)

    compare(by(OPS), by(reference), word, position, kind, weight, bias)


def test_linear_layers() -> None:
    x, weight, bias = draw(21, HIDDEN), draw(96, HIDDEN, seed=1), draw(96, seed=2)
    compare(OPS.linear, reference.linear, x, weight, bias)
    compare(lambda x, w: OPS.linear(x, w, None), lambda x, w: reference.linear(x, w, None), x, weight)
    compare(OPS.linear_gelu, reference.linear_gelu, x, weight, bias)


def test_residual_layer_norm() -> None:
    x, residual, weight, bias = draw(21, HIDDEN), draw(21, HIDDEN, seed=1), draw(HIDDEN, seed=2), draw(HIDDEN, seed=3)

    def by(ops: Any) -> Callable[..., Tensor]:
        return lambda *inputs: ops.residual_layer_norm(*inputs, 1e-12, 0.0)

    compare(by(OPS), by(reference), x, residual, weight, bias)


def test_attention() -> None:
    qkv, where = draw(sum(LENGTHS), 3 * HIDDEN), layout()
    compare(lambda x: OPS.attention(x, where, HEADS, 0.0), lambda x: reference.attention(x, where, HEADS, 0.0), qkv)


WANTED = [[0, 3], [7, 8, 9, 32], [], [0]]


def test_attention_of_rows() -> None:
    where = layout(wanted=WANTED)
    query, kv = draw(sum(map(len, WANTED)), HIDDEN), draw(sum(LENGTHS), 2 * HIDDEN, seed=1)

    def by(ops: Any) -> Callable[..., Tensor]:
        return lambda query, kv: ops.attention_rows(query, kv, where, HEADS, 0.0)

    compare(by(OPS), by(reference), query, kv)
    with torch.no_grad():
        found = OPS.attention_weights(query, kv, where, HEADS)
        torch.testing.assert_close(found, reference.attention_weights(query, kv, where, HEADS), atol=2e-6, rtol=1e-5)


def test_masked_language_model() -> None:
    hidden, word, bias = draw(9, HIDDEN), draw(69, HIDDEN, seed=1), draw(69, seed=2)
    labels = torch.arange(9, device=DEVICE) * 7

    def by(ops: Any) -> Callable[..., Tensor]:
        return lambda *inputs: ops.mlm_cross_entropy(*inputs, labels)

    compare(by(OPS), by(reference), hidden, word, bias)


def test_gradients_have_no_gradients() -> None:
    """Kernels write them past torch, which would leave their part out of a second derivative."""
    x, where = draw(sum(LENGTHS), HIDDEN), layout()
    weight, bias, labels = draw(69, HIDDEN, seed=1), draw(69, seed=2), torch.zeros(sum(LENGTHS), dtype=torch.int64)
    parts, norm = tables()
    ops: dict[str, Callable[[Tensor], Tensor]] = {
        "embed": lambda x: OPS.embed(where, (x, *parts[1:]), norm, 1e-12),
        "gelu": lambda x: OPS.linear_gelu(x, weight, bias),
        "norm": lambda x: OPS.residual_layer_norm(x, x, *norm, 1e-12, 0.0),
        "attention": lambda x: OPS.attention(torch.cat([x, x, x], 1), where, HEADS, 0.0),
        "rows": lambda x: OPS.attention_rows(x[:7], torch.cat([x, x], 1), layout(wanted=WANTED), HEADS, 0.0),
        "loss": lambda x: OPS.mlm_cross_entropy(x, weight, bias, labels.to(DEVICE)),
    }
    for name, op in ops.items():
        leaf = (parts[0] if name == "embed" else x).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(op(leaf).square().sum(), leaf, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.square().sum().backward()


def test_seeds_come_from_the_host_whatever_the_default_device() -> None:
    seeds = []
    for place in ("cpu", "meta"):  # a GPU would draw from a generator of its own, and be waited for
        torch.manual_seed(1)
        with torch.device(place):
            seeds.append(draw_seed())
    assert seeds[0] == seeds[1]


def test_products_are_in_the_dtype_of_what_comes_in() -> None:
    """So that a head that is given fp32 states stays in fp32; gradients reach the parameters in theirs."""
    weight, bias = draw(32, HIDDEN).requires_grad_(), draw(32, seed=1).requires_grad_()
    ops = TritonOps(torch.float16)
    for x in (draw(5, HIDDEN), draw(5, HIDDEN, dtype=torch.float16)):
        for op in (ops.linear, ops.linear_gelu):
            out = op(x, weight, bias)
            assert out.dtype is x.dtype
            for gradient in torch.autograd.grad(out.float().sum(), (weight, bias)):
                assert gradient.dtype is torch.float32
    assert ops.embed(layout(), *tables(), 1e-12).dtype is torch.float16


def relative(found: Tensor, expected: Tensor) -> float:
    """Root of the mean squared error, over that of the values."""
    return float((found.float() - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@pytest.mark.parametrize("bias", [None, 5])
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_scaled_product(rows: int, bias: int | None) -> None:
    """Against the same rounded numbers multiplied in fp64; 2^-9 is the rounding of bf16."""
    x, weight = draw(rows, HIDDEN, seed=1).to(FP8), draw(96, HIDDEN, seed=2).to(FP8)
    scale, weight_scale = draw(rows, seed=3).abs(), draw(96, seed=4).abs()
    added = None if bias is None else draw(96, seed=bias, dtype=torch.bfloat16)
    exact = (x.double() * scale.double()[:, None]) @ (weight.double() * weight_scale.double()[:, None]).t()
    exact = exact if added is None else exact + added.double()
    found = scaled_product(x, scale, weight, weight_scale, torch.bfloat16, added)
    assert found.dtype is torch.bfloat16
    assert relative(found, exact.float()) < 2**-8


def test_a_refusal_of_fp8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any) -> Tensor:
        raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED\nmore lines")

    monkeypatch.setattr(gpu_frozen, "scaled_product", refusing)
    assert refusal(DEVICE) == "CUBLAS_STATUS_NOT_SUPPORTED"
    monkeypatch.setattr(gpu_frozen, "scaled_product", lambda *_: torch.zeros(32, 32))
    assert refusal(DEVICE) == "its products are wrong"
    monkeypatch.undo()
    if DEVICE == "cpu":
        assert refusal(DEVICE) is None


def norm_of(seed: int) -> Norm:
    return Norm(draw(HIDDEN, seed=seed), draw(HIDDEN, seed=seed + 1), 1e-12)


def rows_of(operand: Any) -> Tensor:
    """The values of an operand in fp32."""
    return operand[0].float() * operand[1][:, None] if isinstance(operand, tuple) else operand.float()


# The errors allowed of one step, relative: about three times the rounding of each (e4m3 keeps four bits).
STEPS = {
    "fp32": (Fused(torch.float32), 2e-6),
    "half": (Fused(HALF), 2e-2 if HALF is torch.bfloat16 else 3e-3),
    "half stream": (Fused(HALF, HALF), 2e-2 if HALF is torch.bfloat16 else 3e-3),
    "fp8": (Fp8(HALF), 0.07),
    "fp8, half stream": (Fp8(HALF, HALF), 0.07),
}


@pytest.mark.parametrize("kind", STEPS)
def test_frozen_steps(kind: str) -> None:
    """Each step against the reference's on the same input; the operand is what the next layer takes."""
    steps, error = STEPS[kind]
    where = layout(wanted=WANTED)
    up = steps.linear("layers.0.up", draw(128, HIDDEN, seed=5) / 8, draw(128, seed=6))
    down = steps.linear("layers.0.down", draw(HIDDEN, 128, seed=7) / 11, draw(HIDDEN, seed=8))
    weights, norm, other = tables(), norm_of(3), norm_of(11)
    with torch.inference_mode():
        stream, operand = steps.embed(where, weights[0], norm, up)
        expected = reference.embed(where, *weights, 1e-12)
        assert stream.dtype is steps.stream
        assert relative(stream, expected) < error
        assert relative(rows_of(operand), expected) < error
        assert isinstance(operand, tuple) == kind.startswith("fp8")

        given = rows_of(operand)
        up_weight, down_weight = draw(128, HIDDEN, seed=5) / 8, draw(HIDDEN, 128, seed=7) / 11
        expected = reference.linear(given, up_weight, draw(128, seed=6))
        assert relative(steps.project(up, operand), expected) < error
        wide = steps.gelu(up, operand, down)
        assert relative(rows_of(wide), reference.linear_gelu(given, up_weight, draw(128, seed=6))) < 1.5 * error

        expected = reference.residual_layer_norm(
            reference.linear(rows_of(wide), down_weight, draw(HIDDEN, seed=8)),
            stream.float(),
            other.weight,
            other.bias,
            1e-12,
            0.0,
        )
        for feeds in (up, None):
            state = steps.add_norm(down, wide, stream, other, feeds)
            assert state[0].dtype is steps.stream
            assert relative(state[0], expected) < error
            assert relative(rows_of(state[1]), expected) < error

        assert where.rows is not None
        taken, picked = steps.take((stream, operand), where.rows)
        assert torch.equal(taken, stream[where.rows])
        assert torch.equal(rows_of(picked), given[where.rows])

        dtype = torch.float32 if kind == "fp32" else HALF
        qkv = draw(sum(LENGTHS), 3 * HIDDEN, seed=12, dtype=dtype)
        context = steps.attention(qkv, where, HEADS, up)
        assert relative(rows_of(context), reference.attention(qkv.float(), where, HEADS, 0.0)) < error
        query = qkv[where.rows, :HIDDEN]
        context = steps.attention_rows(query, qkv[:, HIDDEN:], where, HEADS, up)
        expected = reference.attention_rows(query.float(), qkv[:, HIDDEN:].float(), where, HEADS, 0.0)
        assert relative(rows_of(context), expected) < error


def test_frozen_embedding_of_bases() -> None:
    lengths = (5, 33, 2, 18)
    where = layout(lengths, ids=None, bases=bases(lengths))
    steps = Fused(torch.float32)
    feeds = steps.linear("", draw(16, HIDDEN), draw(16))
    with torch.inference_mode():
        stream, operand = steps.embed(where, tables()[0], norm_of(3), feeds)
    assert operand is stream
    torch.testing.assert_close(stream, reference.embed(where, *tables(), 1e-12), atol=1e-5, rtol=0)


def test_which_layers_are_in_fp8() -> None:
    steps = Fp8(exceptions=("layers.0.down",))
    weight, bias = draw(32, HIDDEN), draw(32)
    assert isinstance(steps.linear("layers.0.up", weight, bias), Fp8Linear)
    kept = steps.linear("layers.0.down", weight, bias)
    assert isinstance(kept, FusedLinear)
    assert kept.weight.dtype is torch.bfloat16
    assert isinstance(steps.linear("layers.0.up", weight[:, :40], bias), FusedLinear), "40 is no multiple of 16"


def test_frozen_layers_are_copies() -> None:
    for steps in (Fused(torch.float32), Fp8()):
        weight, bias = draw(32, HIDDEN), draw(32)
        layer = steps.linear("", weight, bias)
        before = layer.weight.float().clone()
        weight.zero_()
        bias.fill_(math.inf)
        assert torch.equal(layer.weight.float(), before)
        assert torch.isfinite(layer.bias).all()
