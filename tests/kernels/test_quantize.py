"""Rows in fp8 in Triton, to the bit as plain torch makes them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels.quantize import quantize_rows, quantize_weight
from interpreted import draw, strict  # noqa: F401

pytestmark = pytest.mark.usefixtures("strict")


def quantize_rows_reference(x: Tensor) -> tuple[Tensor, Tensor]:
    largest = x.float().abs().amax(1)
    scale = torch.where(largest > 0, largest / 448, 1.0)
    return (x.float() * (1 / scale)[:, None]).to(torch.float8_e4m3fn), scale


def rows(tokens: int, width: int, dtype: torch.dtype) -> Tensor:
    """Rows of magnitudes from 1e-6 to 1e3, one of zeros, and one whose numbers differ by more than fp8 can tell."""
    x = draw(tokens, width) * torch.logspace(-6, 3, tokens).to(draw(1))[:, None]
    x[tokens // 2] = 0
    x[-1] *= torch.logspace(-8, 0, width).to(x)
    return x.to(dtype)


@pytest.mark.parametrize(("tokens", "width"), [(2, 48), (130, 64), (9, 768), (5, 3072)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_rows_are_those_of_torch(tokens: int, width: int, dtype: torch.dtype) -> None:
    x = rows(tokens, width, dtype)
    found, expected = quantize_rows(x), quantize_rows_reference(x)
    assert torch.equal(found[1], expected[1])
    assert torch.equal(found[0].view(torch.uint8), expected[0].view(torch.uint8))
    assert found[1][tokens // 2] == 1
    # Half a step of three bits of mantissa, or of the numbers below the smallest normal one.
    distance = (found[0].float() * found[1][:, None] - x.float()).abs()
    assert (distance <= x.float().abs() * 2**-4 * 1.001 + found[1][:, None] * 2**-10 * 1.001).all()


def test_weights_have_a_scale_for_each_output() -> None:
    weight = rows(40, 64, torch.float32)
    found, expected = quantize_weight(weight), quantize_rows(weight)
    assert torch.equal(found[1], expected[1])
    assert torch.equal(found[0].view(torch.uint8), expected[0].view(torch.uint8))


def test_no_rows() -> None:
    small, scale = quantize_rows(draw(0, 48))
    assert small.shape == (0, 48)
    assert scale.shape == (0,)
