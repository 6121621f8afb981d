"""Whole networks on Triton's kernels (in its interpreter without a GPU) against the reference and the cpu backend.

The interpreter has no bf16 products: what stands for 16 bits there is fp16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from dnabert_fast.kernels import reference
from dnabert_fast.kernels.gpu import TritonOps
from dnabert_fast.kernels.gpu_frozen import Fp8, Fp8Linear
from interpreted import strict  # noqa: F401

from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.nn.backends import Backend, choose, triton_backend
from dnabert_fast.nn.checkpoint import network_hash, read_network, write_network
from dnabert_fast.nn.config import EncoderConfig, NetworkConfig
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Bases, Packed

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")]
LENGTHS = (9, 41, 2, 17, 9)
K = 3


def triton(precision: str = "fp32", **options: Any) -> Backend:
    return triton_backend(DEVICE, precision, "asked for", **options)


def fp8(exceptions: tuple[str, ...] = ()) -> Backend:
    if DEVICE == "cuda":
        return triton("fp8", exceptions=exceptions)
    half = torch.float16
    return replace(triton("fp8"), ops=TritonOps(half), frozen=Fp8(half, exceptions=exceptions))


def config(head: str = "sequence", initializer_range: float = 0.2, **fields: Any) -> NetworkConfig:
    encoder = EncoderConfig(
        vocab_size=69,
        hidden_size=64,
        layers=2,
        heads=2,
        intermediate_size=128,
        max_positions=64,
        initializer_range=initializer_range,
        **fields,
    )
    labels = () if head in ("none", "mlm") else ("no", "yes")
    return NetworkConfig(encoder=encoder, k=K, head=head, labels=labels)


def make(backend: Backend, head: str = "sequence", **fields: Any) -> Network:
    """In eval mode; a seed gives the same weights on every backend."""
    network = build(config(head, **fields), backend, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.device), alpha=0.1)
    return network.eval()


def arrays() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(5)
    rows = [[2, *generator.integers(5, 69, length - 2), 3] for length in LENGTHS]
    return np.concatenate(rows).astype(np.uint16), np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int32)


def pack(device: str = DEVICE, rows: Any = "cls", **fields: Any) -> Packed:
    return Packed.from_arrays(*arrays(), device, rows, **fields)


def both(ours: Network, theirs: Network, ask: Callable[[Network, Packed], torch.Tensor], **fields: Any) -> None:
    """The same answers within 1e-5, frozen and on the parameters."""
    for no_gradients in (torch.inference_mode, torch.enable_grad):
        with no_gradients():
            found = ask(ours, pack(**fields)).detach()
            expected = ask(theirs, pack("cpu", **fields)).detach()
        assert found.device.type == DEVICE
        assert expected.std() > 0.1, "answers that hardly vary show nothing"
        torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", ["cls", "all", [0, 3, 12, 49, 50, 52, 77]], ids=["cls", "all", "scattered"])
def test_states_are_those_of_the_reference(rows: Any) -> None:
    both(make(triton(), "none"), make(choose("reference"), "none"), Network.encode, rows=rows)


def test_states_of_pairs_and_of_every_layer() -> None:
    ours, theirs = make(triton(), "none"), make(choose("reference"), "none")
    types = np.arange(sum(LENGTHS)) % 2
    both(ours, theirs, Network.encode, types=types)
    with torch.no_grad():
        for found, expected in zip(ours.hidden_states(pack()), theirs.hidden_states(pack("cpu")), strict=True):
            torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("head", "counts"), [("sequence", [1] * 5), ("xl-mean", [2, 1, 2]), ("xl-rnn", [2, 1, 2])])
def test_logits_are_those_of_the_reference(head: str, counts: list[int]) -> None:
    # The answers come close to each other through the tanh of the pooler: spread them.
    ours, theirs = make(triton(), head, initializer_range=0.3), make(choose("reference"), head, initializer_range=0.3)
    both(ours, theirs, lambda network, packed: network(packed, np.array(counts)))


@pytest.mark.parametrize("rows", ["all", [1, 9, 60]])
def test_masked_language_model(rows: Any) -> None:
    both(make(triton(), "mlm"), make(choose("reference"), "mlm"), Network.token_logits, rows=rows)


def test_bases_in_place_of_ids() -> None:
    generator = np.random.default_rng(6)
    codes = generator.integers(0, 4, 60).astype(np.uint8)
    codes[20] = 4
    starts, lengths = np.array([0, 15, 7]), np.array([12, 30, 9])
    reverse = np.array([0, 1, 0], np.uint8)
    rows = []
    for start, length, backwards in zip(starts, lengths, reverse, strict=True):
        piece = codes[start : start + length - 2 + K - 1]
        piece = piece[::-1] ^ 1 if backwards else piece
        kmers = np.lib.stride_tricks.sliding_window_view(piece, K)
        ids = np.where((kmers > 3).any(1), 1, 5 + kmers.astype(int) @ np.array([16, 4, 1]))
        rows.append(np.concatenate([[2], ids, [3]]))
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    by_ids = Packed.from_arrays(np.concatenate(rows).astype(np.uint16), cu_seqlens, "cpu")
    given = Bases(*(torch.from_numpy(x).to(DEVICE) for x in (codes, starts, reverse)), K)
    by_bases = replace(by_ids, ids=None, bases=given, cu_seqlens=by_ids.cu_seqlens.to(DEVICE))
    ours, theirs = make(triton()), make(choose("reference"))
    for no_gradients in (torch.inference_mode, torch.enable_grad):
        with no_gradients():
            for rows in (cu_seqlens[:-1] + 1, np.arange(cu_seqlens[-1])):
                found = ours.encode(by_bases.wanting(rows)).detach().cpu()
                torch.testing.assert_close(found, theirs.encode(by_ids.wanting(rows)).detach(), atol=1e-5, rtol=0)


def gradients(network: Network) -> dict[str, torch.Tensor]:
    """Of a training step without dropout."""
    network.train()
    for name, parameter in network.named_parameters():
        parameter.grad = None
        assert parameter.dtype is torch.float32, name
    packed = pack(network.backend.device, network.head.wants)
    found = network(packed)
    labels = torch.arange(len(found), device=found.device) % found.shape[1]
    torch.nn.functional.cross_entropy(found.float(), labels).backward()
    return {name: p.grad.cpu() for name, p in network.named_parameters() if p.grad is not None}


STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0}


@pytest.mark.parametrize("head", ["sequence", "mlm"])
def test_gradients_are_those_of_the_cpu_backend(head: str) -> None:
    found = gradients(make(triton(), head, **STILL))
    expected = gradients(make(choose("cpu", "cpu"), head, **STILL))
    assert found.keys() == expected.keys()
    assert len(found) > 30
    for name, gradient in expected.items():
        error = (found[name] - gradient).abs().max()
        assert error <= 1e-4 * gradient.abs().max(), name


@pytest.mark.parametrize("precision", ["fp16", pytest.param("bf16", marks=NEEDS_GPU)])
def test_gradients_in_16_bits(precision: str) -> None:
    """They are fp32, and close to those of fp32: 0.2 of their size for bf16, which keeps 8 bits, an eighth for fp16."""
    found = gradients(make(triton(precision), **STILL))
    expected = gradients(make(choose("cpu", "cpu"), **STILL))
    for name, gradient in expected.items():
        assert found[name].dtype is torch.float32
        error = (found[name] - gradient).norm() / gradient.norm()
        assert error < (0.025 if precision == "fp16" else 0.2), name


def test_dropout_follows_the_seed() -> None:
    network = make(triton(), hidden_dropout=0.2, attention_dropout=0.2).train()
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        answers.append(network.encode(pack()).detach())
    assert torch.equal(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2], atol=1e-2)
    assert not torch.allclose(answers[0], network.eval().encode(pack()).detach(), atol=1e-2)


def states(backend: Backend, **fields: Any) -> torch.Tensor:
    with torch.inference_mode():
        return make(backend, "none").encode(pack(rows="all", **fields)).float().cpu()


def error(found: torch.Tensor) -> float:
    """Root of the mean squared error of states over that of the states."""
    with torch.inference_mode():
        exact = make(choose("reference"), "none").encode(pack("cpu", "all"))
    assert found.shape == exact.shape
    return float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())


@pytest.mark.parametrize("precision", ["fp16", pytest.param("bf16", marks=NEEDS_GPU)])
def test_16_bits_are_close(precision: str) -> None:
    half = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    bound = {"fp16": 3e-3, "bf16": 2.4e-2}[precision]
    assert 0 < error(states(triton(precision))) < bound
    assert 0 < error(states(triton(precision, stream=half))) < bound


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Each row to the numbers that fp8 e4m3 has, its largest to 448."""
    scale = x.detach().abs().amax(1, keepdim=True) / 448
    return (x / scale).to(torch.float8_e4m3fn).float() * scale


def in_fp8() -> Backend:
    """The reference with both sides of every product rounded: what fp8 means, in plain torch."""

    def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return reference.linear(rounded(x), rounded(weight), bias)

    def linear_gelu(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(linear(x, weight, bias))

    plain = choose("reference")
    changed: Any = SimpleNamespace(**{**vars(reference), "linear": linear, "linear_gelu": linear_gelu})
    return replace(plain, ops=changed)


@pytest.mark.usefixtures("strict")
def test_fp8_rounds_as_said_and_leaves_exceptions_alone() -> None:
    """It errs as the reference does whose products are rounded, and is nearer to that than to fp32.

    Not equal: what lies on a border between two numbers of e4m3 falls to either side. Errors without common cause
    would lie 1.4 errors apart.
    """
    names = [f"layers.{i}.{layer}" for i in range(2) for layer in ("qkv", "out", "up", "down")]
    found = states(fp8())
    with torch.inference_mode():
        meant = make(in_fp8(), "none").encode(pack("cpu", "all"))
    all_of_it, none_of_it = error(found), error(states(fp8(tuple(names))))
    assert all_of_it == pytest.approx(error(meant), rel=0.15)
    assert (found - meant).norm() / meant.norm() < 0.8 * all_of_it
    assert none_of_it == error(states(triton("bf16" if DEVICE == "cuda" else "fp16")))
    assert none_of_it < error(states(fp8(tuple(names[:6])))) < all_of_it
    prepared = make(fp8(("layers.0.down", "layers.1.qkv"))).prepare()
    first, last = prepared._layers[0], prepared._last
    kinds = {"qkv": first.qkv, "out": first.out, "up": first.up, "down": first.down}
    assert [name for name, layer in kinds.items() if not isinstance(layer, Fp8Linear)] == ["down"]
    assert [isinstance(layer, Fp8Linear) for layer in (last.query, last.kv, last.out)] == [False, False, True]


def test_a_piece_is_the_same_alone() -> None:
    """On processors to the last bit; on GPUs cuBLAS may take another way through a product of another size."""
    network = make(triton(), "none")
    ids, bounds = arrays()
    with torch.inference_mode():
        together = network.encode(pack(rows="all"))
        for a, b in pairwise(bounds):
            alone = network.encode(Packed.from_arrays(ids[a:b], np.array([0, b - a]), DEVICE, "all"))
            torch.testing.assert_close(alone, together[a:b], atol=1e-5, rtol=0)


def test_frozen_weights_follow_the_parameters() -> None:
    network = make(triton())
    with torch.inference_mode():
        before = network(pack())
        assert network.prepare() is network.prepare()
    with torch.no_grad():
        network.encoder.layers[0].up.weight.mul_(0.5)
    with torch.inference_mode():
        assert not torch.allclose(network(pack()), before, atol=1e-3)


def test_models_are_written_and_hashed_alike(tmp_path: Path) -> None:
    """Wherever the parameters lie; a new head on the same encoder lies there too."""
    ours, theirs = make(triton()), make(choose("cpu", "cpu"))
    write_network(ours, tmp_path / "model")
    assert network_hash(ours) == network_hash(theirs) == network_hash(tmp_path / "model")
    assert read_network(tmp_path / "model", device="cpu").backend.name == "cpu"
    other = ours.with_head(config("xl-mean"), seed=1)
    assert {parameter.device.type for parameter in other.parameters()} == {DEVICE}


def test_heads_of_other_dimensions_are_refused() -> None:
    wide = config()
    wide = replace(wide, encoder=replace(wide.encoder, heads=8))
    with pytest.raises(BackendUnavailable, match=r"heads have 8 dimensions, but its kernels take 16, 32, 64, 128; use"):
        build(wide, triton(), seed=1)


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
def test_a_gpu_reads_and_scores(tmp_path: Path) -> None:
    """As users do: read from a folder onto the GPU, in every precision that it has."""
    write_network(make(choose("cpu", "cpu")), tmp_path / "model")
    with torch.inference_mode():
        expected = read_network(tmp_path / "model", backend="reference")(pack("cpu"))
        for precision, bound in (("fp32", 1e-5), ("fp16", 0.02), ("bf16", 0.1)):
            network = read_network(tmp_path / "model", device="cuda", precision=precision)
            assert network.backend.name == "triton"
            torch.testing.assert_close(network(pack("cuda")).cpu(), expected, atol=bound, rtol=0)
