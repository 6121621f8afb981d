"""The heads of long windows against plain torch: joined pieces, any counts, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network

Make = Callable[..., Network]
TWO = ("a", "b")
COUNTS = [2, 1, 3, 1, 2, 5, 1]


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(sum(COUNTS), 32, generator=torch.Generator().manual_seed(0))


def dense(network: Network, name: str, x: torch.Tensor) -> torch.Tensor:
    state = split(network)
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


@torch.inference_mode()
def test_mean(make: Make, vectors: torch.Tensor) -> None:
    network = make("xl-mean", TWO)
    means = torch.stack([part.mean(0) for part in vectors.split(COUNTS)])
    found = network.windows(vectors, COUNTS)
    torch.testing.assert_close(found, dense(network, "classifier", means), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@torch.inference_mode()
def test_recurrent(make: Make, vectors: torch.Tensor, kind: str, layers: int) -> None:
    network = make("xl-rnn", TWO, rnn=kind, rnn_layers=layers)
    plain = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](32, 32, layers, bidirectional=True)
    state = {name.removeprefix("rnn."): tensor for name, tensor in split(network).items() if name.startswith("rnn.")}
    plain.load_state_dict(state)
    finals = []
    for part in vectors.split(COUNTS):
        final = plain(part[:, None])[1]
        finals.append((final[0] if kind == "lstm" else final).sum(0)[0])
    expected = dense(network, "classifier", torch.stack(finals))
    torch.testing.assert_close(network.windows(vectors, COUNTS), expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_concat(make: Make, vectors: torch.Tensor) -> None:
    network = make("xl-concat", TWO, split=3)
    found = network.windows(vectors, [3] * 5)
    joined = torch.relu(dense(network, "classifier1", vectors.reshape(5, 96)))
    torch.testing.assert_close(found, dense(network, "classifier2", joined), atol=1e-5, rtol=0)


def test_concat_says_both_numbers(make: Make, vectors: torch.Tensor) -> None:
    message = "window of 2 pieces .* joins exactly 3; use windows of 1021 to 1530 k-mers"
    with pytest.raises(DnabertError, match=message):
        make("xl-concat", TWO, split=3).windows(vectors[:5], [3, 2])


def test_sequence_takes_one_piece_a_window(make: Make, vectors: torch.Tensor) -> None:
    with pytest.raises(DnabertError, match=r"window of 3 pieces \(over 1020 k-mers\), but this model scores 1 piece"):
        make("sequence", TWO).windows(vectors[:4], np.array([1, 3]))


@pytest.mark.parametrize("head", ["sequence", "xl-mean", "xl-rnn", "xl-concat"])
def test_counts_that_do_not_add_up(make: Make, vectors: torch.Tensor, head: str) -> None:
    with pytest.raises(ValueError, match="15 pieces, but the windows have 2"):
        make(head, TWO).windows(vectors, [1, 1])


@pytest.mark.parametrize("head", ["sequence", "xl-mean", "xl-rnn"])
@torch.inference_mode()
def test_a_window_alone_scores_as_among_others(make: Make, vectors: torch.Tensor, head: str) -> None:
    network = make(head, TWO)
    together = network.windows(vectors, [1] * 15)
    for i in range(15):
        torch.testing.assert_close(network.windows(vectors[i : i + 1], [1]), together[i : i + 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("head", ["sequence", "xl-mean", "xl-rnn", "xl-concat"])
def test_heads_train(make: Make, vectors: torch.Tensor, head: str) -> None:
    network = make(head, TWO).train()
    network.windows(vectors, COUNTS if head in ("xl-mean", "xl-rnn") else [1] * 15).square().sum().backward()
    used = [name for name, parameter in network.head.named_parameters() if not name.startswith("pooler")]
    assert used
    assert all(network.head.get_parameter(name).grad.abs().sum() > 0 for name in used)
