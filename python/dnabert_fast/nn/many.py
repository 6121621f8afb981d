"""The heads of several models on one encoder: its states are made once, and each head keeps its pooler and layers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence as Several
from dataclasses import asdict

import torch
from torch import Tensor, nn

from .config import NetworkConfig
from .encoder import Encoder
from .heads import Counts, Head, Mean, Sequence
from .network import Network

__all__ = ["ManyHeads", "encoder_hash", "many_headed", "on_encoder"]


class ManyHeads(Head):
    """The heads of several networks side by side; `columns` says which logits are those of each.

    The vector of a piece is the state of its [CLS], as poolers are the heads' own. Heads of one pooler and one linear
    layer are one wider head: a frozen encoder and pooler under hundreds of classifiers cost one matrix product.
    """

    def __init__(self, networks: Several[Network]) -> None:
        first = networks[0]
        super().__init__(first.config, first.backend, pooler=False)
        alike: dict[str, list[int]] = {}
        for at, network in enumerate(networks):
            alike.setdefault(_kind(network.head, at), []).append(at)
        self.heads = nn.ModuleList([_widened([networks[at] for at in places]) for places in alike.values()])
        columns = [slice(0)] * len(networks)
        start = 0
        for at in (at for places in alike.values() for at in places):
            width = len(networks[at].config.labels)
            columns[at] = slice(start, start + width)
            start += width
        self.columns = tuple(columns)

    def pieces(self, hidden: Tensor) -> Tensor:
        """The states of [CLS] as they are [m, H]."""
        return hidden.float()

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Logits of all heads [n, sum of C]; see `columns`. Raises DnabertError as each of the heads does."""
        heads = [head for head in self.heads if isinstance(head, Head)]
        return torch.cat([head.windows(head.pieces(vectors), counts) for head in heads], dim=1)


def many_headed(networks: Several[Network]) -> tuple[Network, tuple[slice, ...]]:
    """The encoder of the first network under the heads of all, whose encoders are equal; and the logits of each."""
    head = ManyHeads(networks)
    return _assembled(networks[0], networks[0].encoder, head), head.columns


def on_encoder(network: Network, encoder: Encoder) -> Network:
    """The network on an encoder equal to its own, without weights prepared of its own."""
    return _assembled(network, encoder, network.head)


def encoder_hash(network: Network) -> str:
    """SHA-256 (hex) of an encoder's sizes and weights: networks of one hash may share it."""
    sizes = asdict(network.config.encoder) | {"k": network.config.k}
    digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode())
    for name, parameter in sorted(network.encoder.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().numpy().data)
    return digest.hexdigest()


def _assembled(network: Network, encoder: Encoder, head: Head) -> Network:
    with torch.device("meta"):  # whose weights give way at once
        made = Network(network.config, network.backend)
    made.encoder, made.head = encoder, head
    return made.eval()


def _kind(head: Head, at: int) -> str:
    """The same word for heads that can be one wider head."""
    if not isinstance(head, (Sequence, Mean)):
        return str(at)
    assert head.pooler is not None
    digest = hashlib.sha256(type(head).__name__.encode())
    for parameter in (head.pooler.weight, head.pooler.bias):
        digest.update(parameter.detach().cpu().numpy().data)
    return digest.hexdigest()


def _widened(networks: Several[Network]) -> Head:
    """One head with the outputs of all, whose poolers are equal."""
    first = networks[0].head
    if len(networks) == 1:
        return first
    assert isinstance(first, (Sequence, Mean))
    layers = [network.head.classifier for network in networks if isinstance(network.head, (Sequence, Mean))]
    with torch.device("meta"):
        wide = type(first)(_unlabelled(networks[0].config, sum(len(layer.bias) for layer in layers)), first.backend)
    wide.pooler = first.pooler
    with torch.no_grad():
        wide.classifier.weight = nn.Parameter(torch.cat([layer.weight for layer in layers]))
        wide.classifier.bias = nn.Parameter(torch.cat([layer.bias for layer in layers]))
    return wide.eval()


def _unlabelled(config: NetworkConfig, outputs: int) -> NetworkConfig:
    return config.with_head(config.head, tuple(map(str, range(outputs))), regression=False)
