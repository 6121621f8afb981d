"""What an encoder frozen for inference is made of: linear layers laid out once, and fused steps between them.

A step takes and gives a *stream* (the residual, [T, H]) and an *operand* (the same values as the next product wants
them: the stream itself, a rounded copy, or quantised values with their scales). What an operand is, is the business of
the implementation alone. Each step is told the layer it feeds, so that layers may differ in precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from .layout import Layout

__all__ = ["Frozen", "Linear", "Norm", "Operand", "State"]

Linear: TypeAlias = Any
"""A frozen linear layer; made by `Frozen.linear`, understood by the same object alone."""

Operand: TypeAlias = Any
"""What a product takes; made by a step of `Frozen`, understood by the same object alone."""

State: TypeAlias = tuple[Tensor, Operand]
"""The stream [T, H] and the operand made of it (None where it feeds nothing)."""


@dataclass(frozen=True)
class Norm:
    """A frozen LayerNorm: weight and bias fp32 [H], eps."""

    weight: Tensor
    bias: Tensor
    eps: float


class Frozen(Protocol):
    """The inference steps of one precision on one device; `kernels.reference` says what each computes."""

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> Linear:
        """Freeze a layer, weight [O, I] and bias [O]; `name` (such as layers.3.down) may call for another precision."""

    def embed(self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: Norm, feeds: Linear) -> State:
        """LayerNorm of word + position + type; the tables are copies that nobody else changes."""

    def project(self, layer: Linear, operand: Operand) -> Tensor:
        """The layer's output [T, O] as attention takes it."""

    def attention(self, qkv: Tensor, layout: Layout, heads: int, feeds: Linear) -> Operand:
        """As `reference.attention`."""

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, feeds: Linear) -> Operand:
        """As `reference.attention_rows`."""

    def gelu(self, layer: Linear, operand: Operand, feeds: Linear) -> Operand:
        """The exact GELU of the layer's output."""

    def add_norm(self, layer: Linear, operand: Operand, stream: Tensor, norm: Norm, feeds: Linear | None) -> State:
        """LayerNorm of the layer's output plus the stream (which may be overwritten)."""

    def take(self, state: State, rows: Tensor) -> State:
        """The state of these rows, int64 [R]."""
