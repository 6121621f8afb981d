"""Row steps and attention of processors on tensors: what csrc/core/rowwise.hpp computes. Knows no layers.

All run on as many threads as torch would take. What a row (or a head of a piece) gives depends on that row (or piece)
alone, never on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from . import _rowwise
from ._rowwise import has_vnni
from .frozen import Norm
from .layout import Layout

__all__ = ["Codes", "Product", "Sink", "Source", "add_norm", "attention", "attention_rows", "convert", "has_vnni"]


@dataclass(frozen=True)
class Codes:
    """Quantised rows: scale [T] · codes uint8 [T, H] + low [T]; low is NaN for a row with a value not finite."""

    codes: Tensor
    scale: Tensor
    low: Tensor

    @staticmethod
    def empty(rows: int, width: int) -> Codes:
        """Room for rows."""
        return Codes(torch.empty(rows, width, dtype=torch.uint8), torch.empty(rows), torch.empty(rows))

    def __len__(self) -> int:
        return len(self.scale)

    def __getitem__(self, rows: slice | Tensor) -> Codes:
        return Codes(self.codes[rows], self.scale[rows], self.low[rows])

    def values(self) -> Tensor:
        """What the codes stand for, fp32 [T, H]."""
        return self.codes.float() * self.scale[:, None] + self.low[:, None]


@dataclass(frozen=True)
class Product:
    """A product of codes with weights that lacks each row's scale and low, the columns' sums and the bias [O]."""

    values: Tensor
    scale: Tensor
    low: Tensor
    sums: Tensor
    bias: Tensor


Source: TypeAlias = Tensor | Product
Sink: TypeAlias = Tensor | Codes


def convert(source: Source, sink: Sink, gelu: bool = False, level: str = "auto") -> None:
    """Rows [T, H] of the source to the sink, through the exact GELU where asked."""
    _rowwise.convert(_parts(source), _parts(sink), gelu, torch.get_num_threads(), level)


def add_norm(source: Source | None, stream: Tensor, norm: Norm, sink: Sink | None, level: str = "auto") -> None:
    """LayerNorm of source plus stream fp32 [T, H]: in place to the stream, and to the sink."""
    _rowwise.add_norm(
        None if source is None else _parts(source),
        stream.numpy(),
        norm.weight.numpy(),
        norm.bias.numpy(),
        norm.eps,
        None if sink is None else _parts(sink),
        torch.get_num_threads(),
        level,
    )


def attention(qkv: Tensor, layout: Layout, heads: int, level: str = "auto") -> Tensor:
    """As `reference.attention`, fp32 or bf16; computed in fp32."""
    return _attention(qkv, qkv, layout.cu_seqlens, layout, heads, level)


def attention_rows(query: Tensor, kv: Tensor, layout: Layout, heads: int, level: str = "auto") -> Tensor:
    """As `reference.attention_rows`, fp32 or bf16; computed in fp32."""
    assert layout.row_bounds is not None
    return _attention(query, kv, layout.row_bounds, layout, heads, level)


def _attention(query: Tensor, kv: Tensor, query_bounds: Tensor, layout: Layout, heads: int, level: str) -> Tensor:
    assert layout.key_bias is None
    # Queries alone are [R, H], keys and values [T, 2 H]; all of them together [T, 3 H].
    hidden = kv.shape[1] // 3 if query is kv else query.shape[1]
    out = query.new_empty(query.shape[0], hidden)
    bounds = query_bounds.numpy(), layout.cu_seqlens.numpy()
    _rowwise.attention(_array(query), _array(kv), *bounds, heads, _array(out), torch.get_num_threads(), level)
    return out


def _parts(rows: Source | Sink) -> tuple[Any, ...]:
    if isinstance(rows, Codes):
        return rows.codes.numpy(), rows.scale.numpy(), rows.low.numpy()
    if isinstance(rows, Product):
        vectors = rows.scale.numpy(), rows.low.numpy(), rows.sums.numpy(), rows.bias.numpy()
        return rows.values.numpy(), *vectors
    return (_array(rows),)


def _array(tensor: Tensor) -> Any:
    """A view that the binding takes: bf16 as uint16."""
    return tensor.view(torch.uint16).numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()
