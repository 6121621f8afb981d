"""The encoder in int8 against fp32; exceptions; which layers lose most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import bert
from torch import Tensor

from dnabert_fast.engine.predict import logits, prepare
from dnabert_fast.engine.runner import Runner
from dnabert_fast.nn.backends import available, choose
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed
from dnabert_fast.nn.prepared import PreparedEncoder
from dnabert_fast.nn.sensitivity import layer_errors, worst_layers
from dnabert_fast.seq.batch import TokenBatch

LACKING = available("cpu")["int8"]
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))

LAYERS = [f"layers.{i}.{part}" for i in range(3) for part in ("qkv", "out", "up", "down")]


@pytest.fixture(scope="module")
def tiny(make: Callable[..., Network]) -> Network:
    return make("sequence", ("0", "1"), precision="int8")


def with_exceptions(network: Network, exceptions: tuple[str, ...]) -> PreparedEncoder:
    return PreparedEncoder(network.encoder, choose("cpu", "cpu", "int8", exceptions))


def error(network: Network, encoder: PreparedEncoder, packed: Packed) -> float:
    """Deviation of the states from fp32's, over that of the states."""
    with torch.inference_mode():
        exact = PreparedEncoder(network.encoder, choose("cpu", "cpu", "fp32")).encode(packed)
        found = encoder.encode(packed)
    assert found.dtype is torch.float32
    return float((found - exact).square().mean().sqrt() / (exact - exact.mean(0)).square().mean().sqrt())


def test_a_tiny_network_is_close_to_fp32(tiny: Network, packed: Packed) -> None:
    for rows in ("cls", "all"):
        found = error(tiny, with_exceptions(tiny, ()), packed.wanting(rows))
        assert 1e-4 < found < 0.1


def test_a_small_network_is_close_to_fp32() -> None:
    network = build(PRESETS["small"].with_head("sequence", ("0", "1")), choose("cpu", "cpu", "int8"), seed=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    k = network.config.k
    packed = Packed.from_arrays(*bert.packed_arrays(bert.rows(bert.real_sequences()[:12], k)))
    # States of [CLS] hardly differ between windows of a random network: those of all tokens do.
    assert 1e-4 < error(network, with_exceptions(network, ()), packed.wanting("all")) < 0.04


def test_exceptions_are_less_and_less_int8(tiny: Network, packed: Packed) -> None:
    packed = packed.wanting("all")
    bf16 = error(tiny, PreparedEncoder(tiny.encoder, choose("cpu", "cpu", "bf16")), packed)
    none, half, every = (
        error(tiny, with_exceptions(tiny, tuple(names)), packed) for names in ((), LAYERS[::2], LAYERS)
    )
    assert none > half > every
    assert every == pytest.approx(bf16)


def test_without_bf16_exceptions_are_fp32(tiny: Network, packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert error(tiny, with_exceptions(tiny, tuple(LAYERS)), packed) < 1e-5


def test_int8_is_first_where_there_is_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(iter(available("cpu"))) == "int8"
    backend = choose("cpu", "cpu", "int8", ("layers.0.down",))
    assert backend.exceptions == ("layers.0.down",)
    monkeypatch.setattr("dnabert_fast.kernels.rowwise.has_vnni", lambda: False)
    assert available("cpu")["int8"] == "this processor has no fast int8 (AVX512-VNNI or AVX-VNNI)"


def test_a_window_does_not_depend_on_its_mates(tiny: Network, rows: list[list[int]]) -> None:
    tiny.prepare()
    alone: list[Tensor] = []
    with torch.inference_mode():
        together = tiny(Packed.from_arrays(*bert.packed_arrays(rows)))
        alone = [tiny(Packed.from_arrays(*bert.packed_arrays([row]))) for row in rows]
    assert torch.equal(together, torch.cat(alone))


def test_workers_change_nothing(tiny: Network, rows: list[list[int]]) -> None:
    ids, bounds = bert.packed_arrays(rows)
    batch = TokenBatch(ids, bounds, np.arange(len(rows), dtype=np.int32))
    one, two = (logits(tiny, prepare(batch, len(rows)), 300, runner=Runner(threads=threads)) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_the_worst_layer_comes_first(tiny: Network, make: Callable[..., Network], packed: Packed) -> None:
    network = make("sequence", ("0", "1"))
    names = worst_layers(network, [packed])
    assert sorted(names) == sorted(LAYERS)
    with torch.no_grad():
        # One weight that dwarfs the others of each output leaves them few of int8's steps; its column is silent.
        layer = network.encoder.layers[1]
        layer.attention_norm.weight[3] = 0
        layer.attention_norm.bias[3] = 0
        layer.up.weight[:, 3] = 100 * layer.up.weight.abs().max()
    errors = layer_errors(network, [packed, packed.wanting("all")])
    assert max(errors, key=errors.__getitem__) == "layers.1.up"
    worst = tuple(worst_layers(network, [packed])[:1])
    found, spared = (error(network, with_exceptions(network, each), packed) for each in ((), worst))
    assert spared < found / 2


def test_all_layers_have_names_that_networks_are_read_with(tiny: Network, packed: Packed, tmp_path: Path) -> None:
    names = tuple(worst_layers(tiny, [packed]))
    write_network(tiny, tmp_path / "model")
    read, bf16 = (
        read_network(tmp_path / "model", device="cpu", precision=precision, exceptions=names)
        for precision in ("int8", "bf16")
    )
    with torch.inference_mode():
        assert torch.equal(read(packed), bf16(packed))
        assert not torch.equal(read(packed), tiny(packed))


def test_nan_does_not_vanish(tiny: Network, packed: Packed, make: Callable[..., Network]) -> None:
    network = make("sequence", ("0", "1"), precision="int8")
    with torch.no_grad():
        network.encoder.word[:, 0] = float("nan")
    with torch.inference_mode():
        assert network(replace(packed)).isnan().all()
