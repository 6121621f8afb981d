"""The loss of masked k-mers by chunks against fp64: vocabularies, dtypes, chunks, gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels.cross_entropy import mlm_cross_entropy
from interpreted import DEVICE, assert_as_good, draw, gradients, strict  # noqa: F401

pytestmark = pytest.mark.usefixtures("strict")

FP32, FP16, BF16 = torch.float32, torch.float16, torch.bfloat16
ONE = torch.tensor(3.0)  # an incoming gradient that is not 1


def exactly(hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(hidden @ word.t() + bias, labels)


def plainly(hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    """As torch under autocast: the logits in hidden's dtype, the loss in fp32."""
    return F.cross_entropy(F.linear(hidden, word.to(hidden.dtype), bias.to(hidden.dtype)).float(), labels)


def arguments(rows: int, width: int, vocabulary: int, dtype: torch.dtype) -> tuple[tuple[Tensor, ...], Tensor]:
    labels = torch.randint(vocabulary, (rows,), generator=torch.Generator().manual_seed(3)).to(DEVICE)
    word = draw(vocabulary, width, seed=1, scale=width**-0.5)
    return (draw(rows, width, dtype=dtype), word, draw(vocabulary, seed=2)), labels


@pytest.mark.parametrize(
    ("rows", "width", "vocabulary"), [(1, 48, 69), (64, 48, 69), (65, 64, 261), (37, 48, 1029), (9, 48, 4101)]
)
@pytest.mark.parametrize("dtype", [FP32, FP16, BF16], ids=str)
@pytest.mark.parametrize("chunk", [4096, 16])
def test_value_and_gradients(
    rows: int, width: int, vocabulary: int, dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnabert_fast.kernels.cross_entropy.CHUNK", chunk)
    inputs, labels = arguments(rows, width, vocabulary, dtype)
    found = gradients(lambda *x: mlm_cross_entropy(*x, labels), inputs, ONE.to(DEVICE))
    assert [x.dtype for x in found] == [FP32, dtype, FP32, FP32]
    wide = tuple(x.double() for x in inputs)
    exact = gradients(lambda *x: exactly(*x, labels), wide, ONE.to(DEVICE))
    plain = gradients(lambda *x: plainly(*x, labels), inputs, ONE.to(DEVICE))
    # Gradients hold differences of a probability and 1, so torch's luck with one rounding is not asked for.
    floor = 2e-6 if dtype is FP32 else 2 * torch.finfo(dtype).eps
    for ours, theirs, right in zip(found, plain, exact, strict=True):
        assert_as_good(ours, theirs, right, floor=floor)
    again = gradients(lambda *x: mlm_cross_entropy(*x, labels), inputs, ONE.to(DEVICE))
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    with torch.no_grad():
        assert torch.equal(mlm_cross_entropy(*inputs, labels), found[0])


def test_logits_far_apart() -> None:
    (hidden, word, bias), labels = arguments(20, 48, 69, FP32)
    inputs = hidden * 300, word, bias
    found = gradients(lambda *x: mlm_cross_entropy(*x, labels), inputs, ONE.to(DEVICE))
    exact = gradients(lambda *x: exactly(*x, labels), tuple(x.double() for x in inputs), ONE.to(DEVICE))
    for ours, right in zip(found, exact, strict=True):
        assert_as_good(ours, right, right, floor=5e-6)


def test_gradients_are_made_only_if_asked_for() -> None:
    inputs, labels = arguments(5, 48, 69, FP32)
    loss = mlm_cross_entropy(*inputs, labels)
    assert loss.grad_fn is None
    word = inputs[1].clone().requires_grad_()
    mlm_cross_entropy(inputs[0], word, inputs[2], labels).backward()
    assert word.grad is not None
    exact = gradients(lambda *x: exactly(*x, labels), tuple(x.double() for x in inputs), torch.ones((), device=DEVICE))
    assert_as_good(word.grad, exact[2], exact[2], floor=2e-6)
