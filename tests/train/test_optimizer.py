"""What decays, how rates go, and gradients in one buffer."""

from __future__ import annotations

import pytest
import torch

from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import build
from dnabert_fast.train.optimizer import FlatGradients, adamw, linear_rate, moments
from dnabert_fast.train.recipes import PRETRAINING, customised


def test_rates_of_the_paper() -> None:
    recipe = PRETRAINING["dnabert-6"]
    rates = [
        linear_rate(step, peak=recipe.learning_rate, warm_up=recipe.warm_up, total=recipe.total_steps)
        for step in (1, 5_000, 10_000, 10_001, 105_001, 200_000, 200_001)
    ]
    assert rates == pytest.approx([4e-8, 2e-4, 4e-4, 4e-4, 2e-4, 4e-4 / 190_000, 0.0])
    assert linear_rate(1, peak=1.0, warm_up=0, total=4) == 1.0


def test_vectors_do_not_decay() -> None:
    network = build(PRESETS["tiny"].with_head("mlm"), seed=1, pooler=False)
    network.encoder.word.requires_grad_(False)
    optimizer = adamw(network, learning_rate=1.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    name_of = {id(parameter): name for name, parameter in network.named_parameters()}
    decayed, spared = ([name_of[id(p)] for p in group["params"]] for group in optimizer.param_groups)
    assert "encoder.word" not in decayed
    assert len(decayed) + len(spared) == len(name_of) - 1
    assert all(name.endswith("bias") or "norm" in name for name in spared)
    assert not any(name.endswith("bias") or "norm." in name for name in decayed)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


def test_the_moments_are_the_optimizers_own() -> None:
    """Given zeros beforehand it steps as if it had made them, and what is copied into them is its state."""
    layers = [torch.nn.Linear(3, 3) for _ in range(3)]
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    plain, given, copied = (adamw(x, learning_rate=0.1, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01) for x in layers)
    held = moments(layers[1], given)

    def step(layer: torch.nn.Linear, optimizer: torch.optim.AdamW, scale: float) -> None:
        optimizer.zero_grad()
        (layer(torch.ones(2, 3)) * scale).square().sum().backward()
        optimizer.step()

    step(layers[0], plain, 1.0)
    step(layers[1], given, 1.0)
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert float(held["weight.step"]) == 1.0
    layers[2].load_state_dict(layers[1].state_dict())
    for name, tensor in moments(layers[2], copied).items():
        tensor.copy_(held[name])
    for layer, optimizer in zip(layers, (plain, given, copied), strict=True):
        step(layer, optimizer, 2.0)
    assert torch.equal(layers[0].weight, layers[2].weight)


@pytest.mark.parametrize("most", [0.5, 1e9])
def test_flat_gradients_are_clipped_as_torch_does(most: float) -> None:
    layers = [torch.nn.Linear(5, 7), torch.nn.Linear(5, 7)]
    layers[1].load_state_dict(layers[0].state_dict())
    gradients = FlatGradients(layers[0].parameters())
    for turn in range(2):  # what was there is gone, and the views are kept
        gradients.clear()
        layers[1].zero_grad()
        for layer in layers:
            layer(torch.ones(2, 5)).square().sum().backward()
            (3.0 * layer(torch.ones(1, 5))).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(layers[1].parameters(), most)
        torch.testing.assert_close(gradients.clip(most), norm)
        for mine, expected in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
            torch.testing.assert_close(mine.grad, expected.grad)
        assert turn == 0 or gradients.buffer.abs().sum() > 0


def test_small_networks_start_with_more_gain_no_dropout_and_ordered_positions() -> None:
    """The paper's start is left alone; a small network has it too where one is named beside another preset."""
    for name in ("tiny", "mini", "small"):
        recipe = PRETRAINING[name]
        encoder = recipe.network.encoder
        assert recipe.positions == "sinusoidal"
        assert encoder.hidden_dropout == encoder.attention_dropout == 0.0
        assert encoder.initializer_range * encoder.hidden_size**0.5 == pytest.approx(0.02 * 768**0.5, rel=0.02)
    named = customised("dnabert-6", network="mini", kmer=None, mask_rate=None)
    assert named.network == PRETRAINING["mini"].network
    paper = PRETRAINING["dnabert-6"]
    assert (paper.positions, paper.network.encoder.initializer_range) == ("random", 0.02)


def test_sinusoids_put_near_positions_nearer_than_far_ones() -> None:
    network = PRETRAINING["mini"].network
    table = build(network, seed=3, positions="sinusoidal", pooler=False).encoder.position.detach()
    other = build(network, seed=3, pooler=False).encoder.position.detach()
    assert float(table.square().mean().sqrt()) == pytest.approx(float(other.square().mean().sqrt()), rel=0.02)
    products = table @ table.T
    near, far = products.diagonal(1), products.diagonal(60)
    assert near.min() > far.max()
    assert near.std() < 1e-4 * near.mean()  # what lies between two positions depends on their distance alone
