"""The frozen encoder on processors in fp32 and bf16: weights laid out for oneDNN, an fp32 stream. Knows no model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from . import cpu
from .cpu import MIN_ROWS
from .frozen import Norm, State
from .layout import Layout

__all__ = ["Prepacked", "PrepackedLinear"]


class PrepackedLinear:
    """A linear layer frozen in one dtype (fp32 or bf16); oneDNN's blocked weights where torch has oneDNN."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.onednn = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        weight = weight.detach().to(dtype).contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.onednn else weight.clone()
        self.bias = bias.detach().to(dtype).clone()

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

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        """The layer of x [T, I] plus an fp32 residual [T, O], in fp32.

        The sum of a bf16 layer is taken in fp32 too: a bf16 stream is no faster (its LayerNorm is slower) and errs
        twice to three times as much.
        """
        if self.bias.dtype is not torch.float32:
            return self(x).float().add_(residual)
        rows = x.shape[0]
        if self.onednn and rows >= MIN_ROWS:
            y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
            return y
        return self(x).add_(residual)


class Prepacked:
    """See `kernels.frozen.Frozen`. Products run in `dtype`; the stream and LayerNorm are fp32."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> PrepackedLinear:
        """All layers alike, whatever their name."""
        return PrepackedLinear(weight, bias, self.dtype)

    def embed(self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: Norm, feeds: PrepackedLinear) -> State:
        """As `reference.embed`."""
        assert layout.ids is not None
        word, position, kind = tables
        x = F.embedding(layout.ids, word).add_(F.embedding(layout.positions, position))
        x = x.add_(kind[0] if layout.types is None else F.embedding(layout.types, kind))
        return self._norm(x, norm)

    def project(self, layer: PrepackedLinear, operand: Tensor) -> Tensor:
        """[T, O] in the dtype."""
        return layer(operand)

    def attention(self, qkv: Tensor, layout: Layout, heads: int, feeds: PrepackedLinear) -> Tensor:
        """As `cpu.attention`."""
        return cpu.attention(qkv, layout, heads, 0.0)

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, feeds: PrepackedLinear) -> Tensor:
        """As `cpu.attention_rows`."""
        return cpu.attention_rows(query, kv, layout, heads, 0.0)

    def gelu(self, layer: PrepackedLinear, operand: Tensor, feeds: PrepackedLinear) -> Tensor:
        """Within the product."""
        return layer(operand, gelu=True)

    def add_norm(
        self, layer: PrepackedLinear, operand: Tensor, stream: Tensor, norm: Norm, feeds: PrepackedLinear | None
    ) -> State:
        """The sum and its LayerNorm in fp32."""
        return self._norm(layer.add(operand, stream), norm)

    def take(self, state: State, rows: Tensor) -> State:
        """Copies of these rows."""
        stream, operand = state
        taken = stream.index_select(0, rows)
        return taken, taken if operand is stream else operand.index_select(0, rows)

    def _norm(self, x: Tensor, norm: Norm) -> State:
        stream = F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)
        return stream, stream.to(self.dtype)
