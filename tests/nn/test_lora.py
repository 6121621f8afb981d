"""Low-rank adapters: nothing at first, what a merged weight computes, and gone without a trace."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.encoder import Layer
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.lora import LoraLayer, add_adapters, merge_adapters
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]
TWO = ("a", "b")


def disturb(network: Network) -> None:
    """Adapters that change something."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("upper"):
                parameter.normal_(0, 0.3, generator=generator)


def test_new_adapters_change_nothing(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO)
    expected = network(packed)
    add_adapters(network.encoder, 4, 8, seed=1)
    torch.testing.assert_close(network(packed), expected, atol=1e-6, rtol=0)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert all("adapters" in name or name.startswith("head.") for name in trained)
    assert sum("adapters" in name for name in trained) == 3 * 4 * 2


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_merged_adapter_computes_the_same(make: Make, packed: Packed, backend: str) -> None:
    network = make("sequence", TWO, backend=backend)
    plain = network(packed).detach()
    keys = split(network).keys()
    add_adapters(network.encoder, 4, 8, seed=1)
    disturb(network)
    trained = network(packed).detach()  # on the adapters: gradients are on
    assert (trained - plain).abs().max() > 0.01
    with torch.inference_mode():
        frozen = network(packed)  # on weights prepared with them
    torch.testing.assert_close(frozen, trained, atol=2e-5, rtol=0)
    adapters = merge_adapters(network.encoder)
    assert not any(isinstance(layer, LoraLayer) for layer in network.encoder.layers)
    assert all(isinstance(layer, Layer) for layer in network.encoder.layers)
    assert split(network).keys() == keys
    assert all(parameter.requires_grad for parameter in network.parameters())
    torch.testing.assert_close(network(packed).detach(), trained, atol=2e-5, rtol=0)
    assert len(adapters) == 3 * 6 * 2
    value = "bert.encoder.layer.2.attention.self.value"
    assert adapters[f"{value}.lora_A.weight"].shape == (4, 32)
    assert adapters[f"{value}.lora_B.weight"].shape == (32, 4)


def test_saved_adapters_are_what_was_added(make: Make) -> None:
    network = make("sequence", TWO)
    before = {name: value.clone() for name, value in split(network).items()}
    add_adapters(network.encoder, 2, 6, seed=1)
    disturb(network)
    adapters = merge_adapters(network.encoder)
    after = split(network)
    for stem in ("attention.self.key", "attention.output.dense", "intermediate.dense", "output.dense"):
        key = f"bert.encoder.layer.1.{stem}"
        delta = 3 * adapters[f"{key}.lora_B.weight"] @ adapters[f"{key}.lora_A.weight"]
        assert delta.abs().max() > 0
        torch.testing.assert_close(after[f"{key}.weight"], before[f"{key}.weight"] + delta, atol=1e-6, rtol=0)
    assert torch.equal(
        after["bert.embeddings.word_embeddings.weight"], before["bert.embeddings.word_embeddings.weight"]
    )


def test_an_encoder_that_nobody_trains_runs_frozen(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO)
    network.encoder.requires_grad_(False)
    network.train()
    states = network.encode(packed)
    assert torch.equal(states, network.encode(packed)), "no dropout in the encoder"
    network(packed).sum().backward()
    assert network.head.pooler.weight.grad is not None
    assert network.encoder.word.grad is None
    with torch.no_grad():
        network.encoder.word.add_(0.5)
    assert not torch.equal(network.encode(packed), states), "weights that others change are prepared again"
    assert network.backend.name == choose("cpu", "cpu").name
