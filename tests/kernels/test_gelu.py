"""GELU of a product and its bias in Triton against fp64: value, gradients, fp8."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels.gelu import bias_gelu, gelu_step
from interpreted import assert_as_good, draw, gradients, strict  # noqa: F401

pytestmark = pytest.mark.usefixtures("strict")

FP32, FP16, BF16, FP8 = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn
SIZES = [(1, 48), (65, 48), (130, 64), (9, 768), (3, 3072)]


def plainly(y: Tensor, bias: Tensor) -> Tensor:
    return F.gelu(y + bias.to(y.dtype))


def both(tokens: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return draw(tokens, width, dtype=dtype, scale=2.0), draw(width, seed=1)


@pytest.mark.parametrize(("tokens", "width"), SIZES)
@pytest.mark.parametrize("dtype", [FP32, FP16, BF16], ids=str)
def test_value_and_gradients(tokens: int, width: int, dtype: torch.dtype) -> None:
    y, bias = both(tokens, width, dtype)
    upstream = draw(tokens, width, seed=2, dtype=dtype)
    found = gradients(bias_gelu, (y, bias), upstream)
    assert [x.dtype for x in found] == [dtype, dtype, FP32]
    exact = gradients(plainly, (y.double(), bias.double()), upstream.double())
    plain = gradients(plainly, (y, bias), upstream)
    for ours, theirs, right in zip(found, plain, exact, strict=True):
        assert_as_good(ours, theirs, right, floor=5e-7)
    again = gradients(bias_gelu, (y, bias), upstream)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def test_more_tiles_than_programs_that_sum_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnabert_fast.kernels.gelu.GROUPS", 6)
    y, bias = both(26, 3072, FP32)
    upstream = draw(26, 3072, seed=2)
    found = gradients(bias_gelu, (y, bias), upstream)
    exact = gradients(plainly, (y.double(), bias.double()), upstream.double())
    for ours, right in zip(found, exact, strict=True):
        assert_as_good(ours, right, right, floor=1e-6)


def test_far_from_zero() -> None:
    y = torch.tensor([[-40.0, -9.0, -5.5, 0.0, 5.5, 9.0, 40.0, 1e4]]).to(draw(1))
    found = gradients(bias_gelu, (y, torch.zeros_like(y[0])), torch.ones_like(y))
    exact = gradients(plainly, (y.double(), torch.zeros_like(y[0]).double()), torch.ones_like(y).double())
    torch.testing.assert_close(found, [x.float() for x in exact], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("tokens", "width"), SIZES)
@pytest.mark.parametrize(("dtype", "operand"), [(FP32, FP32), (FP32, BF16), (BF16, BF16), (BF16, FP8)], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_step(tokens: int, width: int, dtype: torch.dtype, operand: torch.dtype, with_bias: bool) -> None:
    y, bias = both(tokens, width, dtype)
    exact = F.gelu(y.double() + bias.double() if with_bias else y.double())
    out, scale = gelu_step(y, bias if with_bias else None, operand)
    assert out.dtype is operand
    if operand is not FP8:
        assert scale is None
        assert_as_good(out, exact.to(operand), exact, floor=5e-7)
        return
    assert scale is not None
    torch.testing.assert_close(scale.double(), exact.abs().amax(1) / 448, rtol=1e-6, atol=0)
    # Three bits of mantissa: half a step is 1/16 of a magnitude, and 2^-10 below the smallest normal number.
    distance = (out.double() * scale.double()[:, None] - exact).abs()
    assert (distance <= exact.abs() * 0.0626 + scale.double()[:, None] * 2**-9).all()


def test_rows_that_do_not_lie_side_by_side() -> None:
    y, bias = both(20, 96, FP32)
    leaves = [y[:, 48:].requires_grad_(), bias[:48].requires_grad_()]
    upstream = torch.ones_like(bias[0]).expand(20, 48)
    out = bias_gelu(*leaves)
    expected = gradients(plainly, (y[:, 48:], bias[:48]), upstream)
    torch.testing.assert_close([out, *torch.autograd.grad(out, leaves, upstream)], expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(gelu_step(y[:, 48:], bias[:48], FP32)[0], out)


def test_no_tokens() -> None:
    found = gradients(bias_gelu, both(0, 48, FP32), draw(0, 48))
    assert found[0].shape == (0, 48)
    assert not found[2].any()
    assert gelu_step(draw(0, 48), None, BF16)[0].shape == (0, 48)
