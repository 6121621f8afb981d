"""Which linear layers lose most in int8, so that a few of them can stay in a higher precision."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import Frozen, Linear, Norm, Operand, State, choose
from .packed import Packed
from .prepared import PreparedEncoder

if TYPE_CHECKING:
    from .network import Network

__all__ = ["layer_errors", "worst_layers"]


def worst_layers(network: Network, packs: Iterable[Packed]) -> list[str]:
    """The names of all linear layers (such as layers.3.down) by `layer_errors`, the worst first."""
    errors = layer_errors(network, packs)
    return sorted(errors, key=errors.__getitem__, reverse=True)


@torch.inference_mode()
def layer_errors(network: Network, packs: Iterable[Packed]) -> dict[str, float]:
    """How far each linear layer's outputs move where its operand and weights are int8: deviation over deviation.

    The operands are those of fp32, so that a layer answers for itself alone. The network is on a processor, whatever
    its precision; each layer's fp32 weights are held twice meanwhile.
    """
    backend = choose("cpu", "cpu", "fp32")
    assert backend.frozen is not None
    probe = _Probe(backend.frozen)
    encoder = PreparedEncoder(network.encoder, replace(backend, frozen=probe))
    for packed in packs:
        encoder.encode(packed)
    return {name: math.sqrt(lost / max(total, 1e-30)) for name, (lost, total) in probe.squares.items()}


@dataclass(frozen=True)
class _Probed:
    """A layer of the steps that are watched, and its weights as they are and as int8 has them."""

    name: str
    weight: Tensor
    rounded: Tensor
    layer: Linear


class _Probe:
    """See `kernels.frozen.Frozen`. The steps given, each product measured before it is made."""

    def __init__(self, steps: Frozen) -> None:
        self.steps = steps
        self.squares: dict[str, tuple[float, float]] = {}

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> Linear:
        exact = weight.detach().float().clone()
        scale = exact.abs().amax(1, keepdim=True).clamp_min(1e-30) / 127
        self.squares[name] = 0.0, 0.0
        return _Probed(name, exact, (exact / scale).round_() * scale, self.steps.linear(name, weight, bias))

    def embed(self, layout: Any, tables: tuple[Tensor, Tensor, Tensor], norm: Norm, feeds: Linear) -> State:
        return self.steps.embed(layout, tables, norm, feeds.layer)

    def project(self, layer: Linear, operand: Operand) -> Tensor:
        self._measure(layer, operand)
        projected: Tensor = self.steps.project(layer.layer, operand)
        return projected

    def attention(self, qkv: Tensor, layout: Any, heads: int, feeds: Linear) -> Operand:
        return self.steps.attention(qkv, layout, heads, feeds.layer)

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Any, heads: int, feeds: Linear) -> Operand:
        return self.steps.attention_rows(query, kv, layout, heads, feeds.layer)

    def gelu(self, layer: Linear, operand: Operand, feeds: Linear) -> Operand:
        self._measure(layer, operand)
        return self.steps.gelu(layer.layer, operand, feeds.layer)

    def add_norm(self, layer: Linear, operand: Operand, stream: Tensor, norm: Norm, feeds: Linear | None) -> State:
        self._measure(layer, operand)
        return self.steps.add_norm(layer.layer, operand, stream, norm, None if feeds is None else feeds.layer)

    def take(self, state: State, rows: Tensor) -> State:
        return self.steps.take(state, rows)

    def _measure(self, layer: _Probed, x: Tensor) -> None:
        low = x.amin(1, keepdim=True)
        step = ((x.amax(1, keepdim=True) - low) / 255).clamp_min(1e-30)
        y = F.linear(x, layer.weight)
        moved = F.linear(((x - low) / step).round_() * step + low, layer.rounded)
        lost, total = self.squares[layer.name]
        # About the columns' means: what all rows share tells no window from another.
        spread = y - y.mean(0)
        now = float((moved - y).square().sum()), float(spread.square().sum())
        self.squares[layer.name] = lost + now[0], total + now[1]
