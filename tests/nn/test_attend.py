"""The attention of [CLS] beside its states, on every backend, and whole maps, against the reference and a slow twin."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from oracle import bert
from torch import Tensor

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.backends import Backend, available, choose
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]


def slow_weights(network: Network, rows: list[list[int]]) -> list[Tensor]:
    """Maps fp64 [heads, L, L] of the last layer, of each row alone, on the parameters."""
    found = []
    for row in rows:
        packed = Packed.from_arrays(*bert.packed_arrays([row]), rows="all")
        with torch.no_grad():
            before = network.hidden_states(packed)[-2].double()
        qkv = network.encoder.layers[-1].qkv
        weight, bias = qkv.weight.detach().double(), qkv.bias.detach().double()
        query, key, _ = (before @ weight.T + bias).chunk(3, dim=1)
        heads = network.config.encoder.heads
        q, k = (part.reshape(len(row), heads, -1).transpose(0, 1) for part in (query, key))
        found.append(torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1))
    return found


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_weights_and_states_in_the_order_given(
    make: Make, rows: list[list[int]], packed: Packed, backend: str, gradients: bool
) -> None:
    """Lengths come in no order, so that the cpu backend has to move pieces; frozen, and on the parameters."""
    assert not (np.diff(packed.lengths) >= 0).all()
    network = make(backend=backend)
    with torch.set_grad_enabled(gradients):
        states, weights = network.attend(packed)
        expected = network.encode(packed.wanting("cls"))
    assert torch.equal(states, expected)
    assert weights.dtype == torch.float32
    maps = slow_weights(network, rows)
    for (a, b), alone in zip(pairwise(packed.bounds.tolist()), maps, strict=True):
        assert weights[a:b].T.detach().numpy() == pytest.approx(alone[:, 0].numpy(), abs=2e-6)


@pytest.mark.parametrize("precision", [name for name in ("bf16", "int8") if available("cpu")[name] is None])
def test_lower_precisions(make: Make, packed: Packed, precision: str) -> None:
    network = make(precision=precision)
    with torch.inference_mode():
        states, weights = network.attend(packed)
        assert torch.equal(states, network.encode(packed.wanting("cls")))
        _, exact = make().attend(packed)
    assert not torch.equal(weights, exact)
    sums = torch.stack([weights[a:b].sum(0) for a, b in pairwise(packed.bounds.tolist())])
    assert sums.numpy() == pytest.approx(np.ones(sums.shape), abs=1e-5)
    assert float((weights - exact).abs().mean()) < 0.03


def test_whatever_rows_were_wanted(make: Make, packed: Packed) -> None:
    network = make()
    with torch.inference_mode():
        expected = network.attend(packed)[1]
        for rows in ("cls", "all", np.array([1, 5])):
            assert torch.equal(network.attend(packed.wanting(rows))[1], expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_whole_maps(make: Make, rows: list[list[int]], layer: int) -> None:
    network, row = make(), rows[3]
    one = Packed.from_arrays(*bert.packed_arrays([row]), rows="all")
    with torch.inference_mode():
        found = network.attention_map(one, layer)
    heads = network.config.encoder.heads
    assert found.shape == (heads, len(row), len(row))
    assert found.sum(-1).numpy() == pytest.approx(np.ones((heads, len(row))), abs=1e-5)
    if layer in (2, -1):
        assert found.numpy() == pytest.approx(slow_weights(network, [row])[0].numpy(), abs=2e-6)


def test_legacy_padding_is_refused(make: Make, packed: Packed) -> None:
    """There [CLS] attends to padding too."""
    network = make(backend="reference", options={"legacy_padding": 140})
    with pytest.raises(DnabertError, match="read the model without legacy_padding"):
        network.attend(packed)
    one = Packed.from_arrays(np.array([2, 9, 3], np.uint16), np.array([0, 3]), rows="all")
    with pytest.raises(DnabertError, match="read the model without legacy_padding"):
        network.attention_map(one)


def kernels(precision: str) -> Backend:
    pytest.importorskip("triton")
    from dnabert_fast.kernels.gpu import TritonOps
    from dnabert_fast.kernels.gpu_frozen import Fp8

    from dnabert_fast.nn.backends import triton_backend

    if torch.cuda.is_available():
        return triton_backend("cuda", precision, "asked for")
    if precision == "fp8":  # the interpreter has no bf16 products
        return replace(
            triton_backend("cpu", "fp8", "asked for"), ops=TritonOps(torch.float16), frozen=Fp8(torch.float16)
        )
    return triton_backend("cpu", precision, "asked for")


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-6), ("fp16", 2e-3), ("fp8", 0.03)])
def test_on_kernels(precision: str, near: float) -> None:
    """Heads of 16 dimensions, pieces as they come; a second run gives the same bits."""
    from dnabert_fast.nn.config import EncoderConfig, NetworkConfig
    from dnabert_fast.nn.network import build

    shape = {"hidden_size": 64, "layers": 2, "heads": 4, "intermediate_size": 128, "max_positions": 64}
    config = NetworkConfig(encoder=EncoderConfig(vocab_size=69, initializer_range=0.2, **shape), k=3, head="none")
    network, exact = (
        build(config, backend, seed=3).eval() for backend in (kernels(precision), choose("reference", "cpu"))
    )
    random = np.random.default_rng(2)
    ids = np.concatenate([[2, *random.integers(5, 69, length - 2), 3] for length in (9, 41, 2, 17, 9)]).astype(
        np.uint16
    )
    bounds = np.cumsum([0, 9, 41, 2, 17, 9])
    with torch.inference_mode():
        states, weights = network.attend(Packed.from_arrays(ids, bounds, network.backend.device))
        again = network.attend(Packed.from_arrays(ids, bounds, network.backend.device))
        expected_states, expected = exact.attend(Packed.from_arrays(ids, bounds))
    assert torch.equal(states, again[0])
    assert torch.equal(weights, again[1])
    assert float((weights.cpu() - expected).abs().mean()) < near
    assert float((states.float().cpu() - expected_states).abs().mean()) < 20 * near
