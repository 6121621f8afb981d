"""The processors' operations against the reference: lengths alone and mixed, gradients, bf16."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from dnabert_fast.kernels import cpu, prepacked, reference
from dnabert_fast.kernels.frozen import Norm
from torch import Tensor

HEADS, WIDTH = 3, 16
HIDDEN = HEADS * WIDTH
LENGTHS = [[1], [63, 63], [64], [65], [130], [512], [1, 1, 7, 63, 64, 64, 65, 130]]


@dataclass(frozen=True)
class Group:
    length: int
    pieces: int
    token: int
    row: int
    rows: int
    pick: Tensor | None
    keep: Tensor | None
    wanting: Tensor | None = None


@dataclass(frozen=True)
class Layout:
    bounds: list[int]
    groups: list[Group]
    rows: Tensor | None
    row_bounds: Tensor | None = None
    key_bias: Tensor | None = None


def layout(lengths: list[int], wanted: list[list[int]] | None = None) -> Layout:
    """Groups of pieces in ascending order; `wanted`: the places wanted in each piece (None: all)."""
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    groups, row = [], 0
    for length in sorted(set(lengths)):
        first, pieces = lengths.index(length), lengths.count(length)
        places = wanted[first : first + pieces] if wanted is not None else [list(range(length))] * pieces
        counts = [len(each) for each in places]
        pick = keep = None
        if len(set(counts)) > 1:
            starts = [row + sum(counts[:i]) for i in range(pieces)]
            last = row + sum(counts) - 1
            pick = torch.tensor(
                [
                    [min(start + min(j, max(count - 1, 0)), last) for j in range(max(counts))]
                    for start, count in zip(starts, counts, strict=True)
                ]
            )
            keep = torch.tensor([i * max(counts) + j for i, c in enumerate(counts) for j in range(c)])
        wanting = None if pick is None else torch.tensor(counts) > 0
        groups.append(Group(length, pieces, bounds[first], row, sum(counts), pick, keep, wanting))
        row += sum(counts)
    rows = row_bounds = None
    if wanted is not None:
        rows = torch.tensor([bounds[i] + place for i, places in enumerate(wanted) for place in places])
        row_bounds = torch.tensor([0, *(len(places) for places in wanted)]).cumsum(0)
    return Layout(bounds, groups, rows, row_bounds)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_attention_and_its_gradient(lengths: list[int]) -> None:
    where = layout(lengths)
    qkv = draw(sum(lengths), 3 * HIDDEN)
    upstream = draw(sum(lengths), HIDDEN, seed=1)
    found, expected = (
        torch.autograd.functional.vjp(lambda x, op=op: op(x, where, HEADS, 0.0), qkv, upstream)
        for op in (cpu.attention, reference.attention)
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("which", ["cls", "uneven", "some pieces"])
def test_attention_of_wanted_rows_and_its_gradient(lengths: list[int], which: str) -> None:
    wanted = {
        "cls": [[0] for _ in lengths],
        "uneven": [list(range(0, length, i + 2)) for i, length in enumerate(lengths)],
        "some pieces": [[0, length // 2][: min(length, 2)] if i % 2 == 0 else [] for i, length in enumerate(lengths)],
    }[which]
    where = layout(lengths, wanted)
    assert where.rows is not None
    inputs = draw(len(where.rows), HIDDEN), draw(sum(lengths), 2 * HIDDEN, seed=1)
    upstream = draw(len(where.rows), HIDDEN, seed=2)
    found, expected = (
        torch.autograd.functional.vjp(lambda q, kv, op=op: op(q, kv, where, HEADS, 0.0), inputs, upstream)
        for op in (cpu.attention_rows, reference.attention_rows)
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("wanted", [[[0], [2], [1, 3]], [[0, 1], [], [2]], [[], [], [1]]], ids=str)
def test_attention_weights(wanted: list[list[int]]) -> None:
    where = layout([3, 5, 5], wanted)
    assert where.rows is not None
    query, kv = draw(len(where.rows), HIDDEN), draw(13, 2 * HIDDEN, seed=1)
    found = cpu.attention_weights(query, kv, where, HEADS)
    torch.testing.assert_close(found, reference.attention_weights(query, kv, where, HEADS))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_bf16_attention(lengths: list[int]) -> None:
    where = layout(lengths)
    qkv = draw(sum(lengths), 3 * HIDDEN).bfloat16()
    exact = reference.attention(qkv.double(), where, HEADS, 0.0)
    with torch.inference_mode():
        found = cpu.attention(qkv, where, HEADS, 0.0)
    assert found.dtype is torch.bfloat16
    # Weights and the result are rounded to 8 bits each; no value is over 5.
    torch.testing.assert_close(found.double(), exact, atol=2 * 5 * 2**-8, rtol=0)
    # An average of roundings is small: scores rounded to bf16 would give four times this.
    assert (found - exact).square().mean().sqrt() < 2**-8


def test_attention_dropout_drops_and_keeps_the_mean() -> None:
    where = layout([40] * 50)
    qkv = draw(2000, 3 * HIDDEN)
    qkv[:, 2 * HIDDEN :] = 1.0
    for op in (cpu.attention, reference.attention):
        torch.manual_seed(0)
        dropped = op(qkv, where, HEADS, 0.1)
        assert dropped.std() > 0.01
        # 2,000 x 3 independent sums of about 40 weights: the mean's deviation is under 0.002.
        assert abs(float(dropped.mean()) - 1.0) < 0.01


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100])
def test_linear_of_any_rows(rows: int) -> None:
    x, weight, bias = draw(rows, HIDDEN), draw(24, HIDDEN, seed=1), draw(24, seed=2)
    expected = reference.linear(x, weight, bias)
    packed = prepacked.PrepackedLinear(weight, bias, torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(cpu.linear(x, weight, bias), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(packed(x), expected, atol=1e-5, rtol=1e-5)
        gelu = reference.linear_gelu(x, weight, bias)
        torch.testing.assert_close(cpu.linear_gelu(x, weight, bias), gelu, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(packed(x, gelu=True), gelu, atol=1e-5, rtol=1e-5)


def test_prepacked_weights_are_a_copy() -> None:
    x, weight, bias = draw(20, HIDDEN), draw(24, HIDDEN, seed=1), draw(24, seed=2)
    for onednn in (True, False):
        packed = prepacked.PrepackedLinear(weight, bias, torch.float32)
        if not onednn:
            packed.onednn, packed.weight = False, weight.clone()
        with torch.inference_mode():
            before = packed(x)
            weight.mul_(2)
            bias.mul_(2)
            assert torch.equal(packed(x), before)


def test_bf16_linear_rounds_once_and_adds_in_fp32() -> None:
    x, weight, bias = draw(40, 256), draw(64, 256, seed=1) / 16, draw(64, seed=2)
    residual = draw(40, 64, seed=3) * 100
    steps = prepacked.Prepacked(torch.bfloat16)
    layer, feeds = steps.linear("a", weight, bias), steps.linear("b", draw(8, 64, seed=4), draw(8, seed=5))
    exact = reference.linear(x.bfloat16().double(), weight.bfloat16().double(), bias.bfloat16().double())
    ones, zeros = torch.ones(64), torch.zeros(64)
    normed = reference.layer_norm(exact + residual, ones.double(), zeros.double(), 1e-12)
    with torch.inference_mode():
        y = steps.project(layer, x.bfloat16())
        stream, operand = steps.add_norm(layer, x.bfloat16(), residual.clone(), Norm(ones, zeros, 1e-12), feeds)
    assert y.dtype is torch.bfloat16
    assert stream.dtype is torch.float32
    assert ((y - exact).abs() <= exact.abs() * 2**-8 + 1e-5).all()
    # Values of about 1 whose sum had a deviation of about 100: a bf16 sum would err by up to 2^-9 of their size, and
    # only a hundredth of the product's own rounding is left.
    torch.testing.assert_close(stream.double(), normed, atol=2**-8 * 5 / 50, rtol=1e-5)
    torch.testing.assert_close(operand, stream.bfloat16(), atol=0, rtol=0)
