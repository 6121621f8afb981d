"""What the tests of Triton kernels share: where they run, outputs full of NaN, and errors held against torch's own.

Without a GPU they run in Triton's interpreter, whose conversions to bf16 and fp8 do not round to nearest even; here
torch's conversions take their place, so that the kernels' numbers can be compared to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import triton.language as tl
from torch import Tensor

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROUNDED = {tl.bfloat16: torch.bfloat16, tl.float8e4nv: torch.float8_e4m3fn}
BITS = {tl.bfloat16: torch.uint16, tl.float8e4nv: torch.uint8}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions rounded to nearest even, and every new tensor full of NaN (or an id that no table has)."""
    for name in ("empty", "empty_like"):
        monkeypatch.setattr(torch, name, _poisoned(getattr(torch, name)))
    if DEVICE == "cpu":
        from triton.runtime import interpreter

        monkeypatch.setattr(interpreter, "_convert_float", _rounding(interpreter._convert_float))


def _poisoned(empty: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(*args: Any, **options: Any) -> Tensor:
        made = empty(*args, **options)
        if made.dtype is torch.float8_e4m3fn:
            made.view(torch.uint8).fill_(0x7F)
            return made
        return made.fill_(float("nan") if made.is_floating_point() else 123)

    return make


def _rounding(convert: Callable[..., Any]) -> Callable[..., Any]:
    def rounded(data: Any, source: Any, target: Any, mode: Any) -> Any:
        if source == tl.float32 and target in ROUNDED:
            return torch.from_numpy(data.copy()).to(ROUNDED[target]).view(BITS[target]).numpy()
        if source in ROUNDED and target == tl.float32:
            return torch.from_numpy(data.copy()).view(ROUNDED[source]).float().numpy().view("uint32")
        return convert(data, source, target, mode)

    return rounded


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
    """Normal numbers, the same on every device."""
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale).to(dtype).to(DEVICE)


def error(found: Tensor, exact: Tensor) -> float:
    """Largest distance, over the largest exact magnitude."""
    assert found.shape == exact.shape
    return float((found.double() - exact).abs().max() / exact.abs().max().clamp_min(1e-30))


def assert_as_good(found: Tensor, plain: Tensor, exact: Tensor, floor: float = 2e-7) -> None:
    """The error of `found` is at most twice that of torch's own in the same dtype (`plain`), or at most `floor`."""
    ours, theirs = error(found, exact), error(plain, exact)
    assert ours <= max(2 * theirs, floor), f"error {ours:.3g}, torch's own {theirs:.3g}"


def gradients(op: Callable[..., Tensor], inputs: tuple[Tensor, ...], upstream: Tensor) -> list[Tensor]:
    """The output of `op` and its gradients with respect to all inputs."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    out = op(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, upstream.to(out.dtype))]
