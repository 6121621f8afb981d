"""LayerNorm(dropout(x) + residual) in Triton against fp64: dtypes, gradients, dropout, both copies of a state."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels import reference
from dnabert_fast.kernels.layer_norm import norm_step, residual_layer_norm
from interpreted import DEVICE, assert_as_good, draw, gradients, strict  # noqa: F401

pytestmark = pytest.mark.usefixtures("strict")

EPS = 1e-12
FP32, FP16, BF16, FP8 = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn
SIZES = [(1, 48), (65, 48), (130, 64), (21, 768)]


def exactly(x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return reference.layer_norm(x + residual, weight, bias, EPS)


def plainly(x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As torch would in the residual's dtype."""
    h = x.to(residual.dtype) + residual
    return F.layer_norm(h, h.shape[-1:], weight.to(h.dtype), bias.to(h.dtype), EPS)


def arguments(tokens: int, hidden: int, of_x: torch.dtype, of_residual: torch.dtype) -> tuple[Tensor, ...]:
    x, residual = draw(tokens, hidden, dtype=of_x), draw(tokens, hidden, seed=1, dtype=of_residual)
    return x, residual + 3, 1 + draw(hidden, seed=2, scale=0.2), draw(hidden, seed=3, scale=0.2)


@pytest.mark.parametrize(("tokens", "hidden"), SIZES)
@pytest.mark.parametrize(("of_x", "of_residual"), [(FP32, FP32), (BF16, BF16), (BF16, FP32), (FP16, FP16)], ids=str)
def test_value_and_gradients(tokens: int, hidden: int, of_x: torch.dtype, of_residual: torch.dtype) -> None:
    inputs = arguments(tokens, hidden, of_x, of_residual)
    upstream = draw(tokens, hidden, seed=4, dtype=of_residual)
    found = gradients(lambda *x: residual_layer_norm(*x, EPS, 0.0), inputs, upstream)
    assert [x.dtype for x in found] == [of_residual, of_x, of_residual, FP32, FP32]
    exact = gradients(exactly, tuple(x.double() for x in inputs), upstream.double())
    plain = gradients(plainly, inputs, upstream)
    for ours, theirs, right in zip(found, plain, exact, strict=True):
        assert_as_good(ours, theirs, right, floor=5e-7)
    again = gradients(lambda *x: residual_layer_norm(*x, EPS, 0.0), inputs, upstream)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def test_more_tiles_than_programs_that_sum_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnabert_fast.kernels.layer_norm.GROUPS", 3)
    inputs, upstream = arguments(203, 768, FP32, FP32), draw(203, 768, seed=4)
    found = gradients(lambda *x: residual_layer_norm(*x, EPS, 0.0), inputs, upstream)
    exact = gradients(exactly, tuple(x.double() for x in inputs), upstream.double())
    for ours, right in zip(found, exact, strict=True):
        assert_as_good(ours, right, right, floor=2e-6)


@pytest.mark.parametrize("hidden", [48, 768])
@pytest.mark.parametrize("of_residual", [FP32, BF16], ids=str)
def test_dropout_drops_the_same_in_both_directions(hidden: int, of_residual: torch.dtype) -> None:
    tokens, dropout = 40, 0.3
    plain_weights = torch.ones(hidden, device=DEVICE), torch.zeros(hidden, device=DEVICE)
    ones, zeros = draw(tokens, hidden).fill_(1), draw(tokens, hidden).fill_(0)

    def drop(*inputs: Tensor) -> Tensor:
        torch.manual_seed(5)
        return residual_layer_norm(*inputs, EPS, dropout)

    # What is kept of ones lies above its row's mean.
    keep = (drop(ones, zeros, *plain_weights) > 0).double() / (1 - dropout)
    assert abs(float(keep.mean()) - 1) < 4 * (dropout / (1 - dropout) / keep.numel()) ** 0.5
    # One number of the generator serves eight neighbours, and a row follows another: none may go by another.
    draws = keep.flatten() - keep.mean()
    for apart in (*range(1, 9), hidden):
        correlation = (draws[apart:] * draws[:-apart]).mean() / draws.square().mean()
        assert abs(float(correlation)) < 4 / len(draws) ** 0.5
    inputs = arguments(tokens, hidden, of_residual, of_residual)
    upstream = draw(tokens, hidden, seed=4, dtype=of_residual)
    found = gradients(drop, inputs, upstream)
    exact = gradients(lambda x, *y: exactly(x * keep, *y), tuple(x.double() for x in inputs), upstream.double())
    plain = gradients(lambda x, *y: plainly(x * keep.to(x.dtype), *y), inputs, upstream)
    for ours, theirs, right in zip(found, plain, exact, strict=True):
        # Probabilities are steps of 1 / 65536: the kept are scaled by 1 / (1 - 0.3) to about 1e-5.
        assert_as_good(ours, theirs, right, floor=2e-5)
    torch.manual_seed(6)
    assert not torch.equal(residual_layer_norm(*inputs, EPS, dropout), found[0])


def test_rows_that_do_not_lie_side_by_side() -> None:
    x, residual, weight, bias = arguments(20, 48, FP32, FP32)
    wide = torch.cat([x, residual, x], 1)
    inputs = wide[:, :48], wide[:, 48:96], weight, bias
    upstream = torch.ones((), device=DEVICE).expand(20, 48)
    found = [residual_layer_norm(*inputs, EPS, 0.0), *gradients(plainly, inputs, upstream)[1:]]
    leaves = [x.detach().requires_grad_() for x in inputs]
    out = residual_layer_norm(*leaves, EPS, 0.0)
    torch.testing.assert_close([out, *torch.autograd.grad(out, leaves, upstream)], found, atol=1e-5, rtol=1e-5)
    state = norm_step(inputs[0], None, inputs[1], weight, bias, EPS, FP32, FP32)[0]
    assert torch.equal(state, out)


def test_no_tokens() -> None:
    inputs = arguments(0, 48, FP32, FP32)
    found = gradients(lambda *x: residual_layer_norm(*x, EPS, 0.1), inputs, draw(0, 48))
    assert found[0].shape == (0, 48)
    assert not found[3].any()
    assert norm_step(inputs[0], None, None, *inputs[2:], EPS, FP32, FP32)[0].shape == (0, 48)


@pytest.mark.parametrize(("tokens", "hidden"), SIZES)
@pytest.mark.parametrize(
    ("of_x", "stream", "operand"),
    [(FP32, FP32, FP32), (BF16, FP32, BF16), (BF16, BF16, BF16), (BF16, FP32, FP8)],
    ids=str,
)
@pytest.mark.parametrize("given", ["both", "bias", "neither"])
def test_step(
    tokens: int, hidden: int, of_x: torch.dtype, stream: torch.dtype, operand: torch.dtype, given: str
) -> None:
    x, residual, weight, shift = arguments(tokens, hidden, of_x, stream)
    bias = draw(hidden, seed=7) if given != "neither" else None
    rest = residual if given == "both" else None
    state, second, scale = norm_step(x, bias, rest, weight, shift, EPS, stream, operand)
    h = x.double() + (0 if bias is None else bias.double()) + (0 if rest is None else rest.double())
    exact = reference.layer_norm(h, weight.double(), shift.double(), EPS)
    assert (state.dtype, second.dtype) == (stream, operand)
    assert_as_good(state, exact.to(stream), exact, floor=1e-6)
    if operand is FP8:
        assert scale is not None
        largest = exact.abs().amax(1)
        torch.testing.assert_close(scale.double(), largest / 448, rtol=1e-6, atol=0)
        # Three bits of mantissa: half a step is 1/16 of a magnitude, and 2^-10 below the smallest normal number.
        distance = (second.double() * scale.double()[:, None] - exact).abs()
        assert (distance <= exact.abs() * 0.0626 + scale.double()[:, None] * 2**-9).all()
    else:
        assert scale is None
        assert (second is state) == (stream is operand)
        assert_as_good(second, exact.to(operand), exact, floor=1e-6)
    again = norm_step(x, bias, rest, weight, shift, EPS, stream, operand)
    assert torch.equal(again[1].view(torch.uint8), second.view(torch.uint8))
