"""The frozen encoder on processors: weights laid out for oneDNN, an fp32 stream, one pass over rows between products.

Rows are multiplied a chunk at a time, so that the pass that follows finds the product in cache. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from . import rowwise
from .cpu import MIN_ROWS
from .frozen import Norm, State
from .layout import Layout
from .rowwise import Codes, Sink, Source

__all__ = ["CHUNK", "Layer", "Prepacked", "PrepackedLinear"]

CHUNK = 256
"""Rows multiplied at a time by each thread: enough for a product's full speed, few enough that its result is still near
when the next pass reads it, and that its memory is used again."""

Operand: TypeAlias = Tensor | Codes


class Layer(Protocol):
    """A linear layer as the steps see it: what it takes (`dtype` uint8 means codes) and what it makes of that."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the operand."""

    @property
    def outputs(self) -> int:
        """Columns of the product."""

    def room(self, rows: int) -> Any:
        """An operand yet to be filled."""

    def product(self, x: Any) -> Source:
        """Of rows [T, I]; exact in fp32, or rounded once."""


class PrepackedLinear:
    """A linear layer frozen in one dtype (fp32 or bf16); oneDNN's blocked weights where torch has oneDNN."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.onednn = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        self.dtype = dtype
        self.outputs, self.inputs = weight.shape
        weight = weight.detach().to(dtype).contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.onednn else weight.clone()
        self.bias = bias.detach().to(dtype).clone()

    def room(self, rows: int) -> Tensor:
        """[rows, I]."""
        return torch.empty(rows, self.inputs, dtype=self.dtype)

    def product(self, x: Tensor) -> Tensor:
        """x [T, I] of the layer's dtype to [T, O]."""
        return self(x)

    def __call__(self, x: Tensor, gelu: bool = False) -> Tensor:
        """x [T, I] of the layer's dtype to [T, O], through the exact GELU where asked (free: it is done in cache)."""
        rows = x.shape[0]
        if rows < MIN_ROWS:
            return self(F.pad(x, (0, 0, 0, MIN_ROWS - rows)), gelu)[:rows]
        if self.onednn:
            attr, algorithm = ("gelu", "none") if gelu else ("none", "")
            y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, attr, [], algorithm)
            return y
        y = F.linear(x, self.weight, self.bias)
        return F.gelu(y) if gelu else y


class Prepacked:
    """See `kernels.frozen.Frozen`. Products and attention's operands are of `dtype`; stream and LayerNorm are fp32."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> Layer:
        """All layers alike, whatever their name."""
        return PrepackedLinear(weight, bias, self.dtype)

    def embed(self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: Norm, feeds: Layer) -> State:
        """As `reference.embed`."""
        assert layout.ids is not None
        word, position, kind = tables
        x = F.embedding(layout.ids, word).add_(F.embedding(layout.positions, position))
        x = x.add_(kind[0] if layout.types is None else F.embedding(layout.types, kind))
        sink = _sink(feeds, len(x))
        rowwise.add_norm(None, x, norm, sink)
        return x, x if sink is None else sink

    def project(self, layer: Layer, operand: Operand) -> Tensor:
        """[T, O] in the dtype."""
        if layer.dtype is self.dtype:
            product = layer.product(operand)
            assert isinstance(product, Tensor)
            return product
        out = torch.empty(len(operand), layer.outputs, dtype=self.dtype)
        for rows, product in _products(layer, operand):
            rowwise.convert(product, out[rows])
        return out

    def attention(self, qkv: Tensor, layout: Layout, heads: int, feeds: Layer) -> Operand:
        """As `reference.attention`."""
        return _operand(rowwise.attention(qkv, layout, heads), feeds)

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, feeds: Layer) -> Operand:
        """As `reference.attention_rows`."""
        return _operand(rowwise.attention_rows(query, kv, layout, heads), feeds)

    def gelu(self, layer: Layer, operand: Operand, feeds: Layer) -> Operand:
        """Within the product of a dtype, after one of codes."""
        if isinstance(layer, PrepackedLinear):
            assert isinstance(operand, Tensor)
            return _operand(layer(operand, gelu=True), feeds)
        sink: Operand = feeds.room(len(operand))
        for rows, product in _products(layer, operand):
            rowwise.convert(product, sink[rows], gelu=True)
        return sink

    def add_norm(self, layer: Layer, operand: Operand, stream: Tensor, norm: Norm, feeds: Layer | None) -> State:
        """The sum and its LayerNorm in fp32: a bf16 stream is no faster and errs twice to three times as much."""
        sink = None if feeds is None else _sink(feeds, len(stream))
        for rows, product in _products(layer, operand):
            rowwise.add_norm(product, stream[rows], norm, None if sink is None else sink[rows])
        return stream, stream if sink is None else sink

    def take(self, state: State, rows: Tensor) -> State:
        """Copies of these rows."""
        stream, operand = state
        taken = stream[rows]
        return taken, taken if operand is stream else operand[rows]


def _products(layer: Layer, x: Operand) -> Iterator[tuple[slice, Source]]:
    """The product of all rows, a chunk at a time; chunks differ by one row at most."""
    rows = len(x)
    count = -(-rows // (CHUNK * torch.get_num_threads()))
    for i in range(count):
        part = slice(rows * i // count, rows * (i + 1) // count)
        yield part, layer.product(x[part])


def _sink(feeds: Layer, rows: int) -> Sink | None:
    """Where LayerNorm puts the layer's operand; None where that is the stream."""
    room: Sink | None = None if feeds.dtype is torch.float32 else feeds.room(rows)
    return room


def _operand(x: Tensor, feeds: Layer) -> Operand:
    """Rows as the layer takes them."""
    if x.dtype is feeds.dtype:
        return x
    room: Operand = feeds.room(len(x))
    rowwise.convert(x, room)
    return room
