"""The frozen encoder on GPUs: products by cuBLAS, and between them one pass over memory each. Knows no gradients.

A fused step adds the bias of the product before it and rounds its result to what the product after it takes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attention, attention_rows
from .embedding import embed_bases_step, embed_ids_step
from .frozen import Norm, State
from .gelu import gelu_step
from .gpu import on
from .layer_norm import norm_step
from .layout import Layout
from .quantize import quantize_rows, quantize_weight

__all__ = ["Fp8", "Fp8Linear", "Fused", "FusedLinear", "refusal", "scaled_product"]

FP8 = torch.float8_e4m3fn

# What a product takes: rows in a dtype of 16 or 32 bits, or fp8 rows with their scales fp32 [T].
Operand: TypeAlias = Tensor | tuple[Tensor, Tensor]


class FusedLinear:
    """A linear layer frozen in fp32, fp16 or bf16: weight [O, I], bias [O]."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.operand = dtype
        self.weight = _copy(weight, dtype)
        self.bias = _copy(bias, torch.float32)
        self._rounded = _copy(bias, dtype)

    def product(self, x: Operand) -> Tensor:
        """x [T, I] to [T, O], without the bias."""
        assert isinstance(x, Tensor)
        return F.linear(x, self.weight)

    def biased(self, x: Operand) -> Tensor:
        """x [T, I] to [T, O], with the bias: cuBLAS adds it as it writes."""
        assert isinstance(x, Tensor)
        return F.linear(x, self.weight, self._rounded)


class Fp8Linear:
    """A linear layer frozen in fp8 e4m3, one scale an output: weight [O, I], both multiples of 16, bias [O]."""

    operand = FP8

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.scale = quantize_weight(weight.detach())
        self.bias = _copy(bias, torch.float32)
        self._rounded = _copy(bias, dtype)

    def product(self, x: Operand) -> Tensor:
        """fp8 rows [T, I] and their scales [T] to [T, O] in the dtype, without the bias."""
        rows, scale = x
        return scaled_product(rows, scale, self.weight, self.scale, self._rounded.dtype)

    def biased(self, x: Operand) -> Tensor:
        """fp8 rows [T, I] and their scales [T] to [T, O] in the dtype, with the bias."""
        rows, scale = x
        return scaled_product(rows, scale, self.weight, self.scale, self._rounded.dtype, self._rounded)


def scaled_product(
    x: Tensor, scale: Tensor, weight: Tensor, weight_scale: Tensor, dtype: torch.dtype, bias: Tensor | None = None
) -> Tensor:
    """x fp8 [T, I] and scales fp32 [T] times weight fp8 [O, I] and scales fp32 [O], plus bias [O]: [T, O] in `dtype`.

    I and O are multiples of 16, T is any number from 1. Bias and dtype are bf16, which all GPUs with fp8 give. On
    processors, where tests run, the product is one in fp32.
    """
    if x.device.type != "cuda":
        y = (x.float() * scale[:, None]) @ (weight.float() * weight_scale[:, None]).t()
        return (y if bias is None else y + bias.float()).to(dtype)
    # The transpose of the weight is column-major, as it must be. Fast sums keep fewer bits than fp32: the check of a
    # model against its fp32 scores judges them too.
    return torch._scaled_mm(
        x,
        weight.t(),
        scale_a=scale[:, None],
        scale_b=weight_scale[None, :],
        bias=bias,
        out_dtype=dtype,
        use_fast_accum=True,
    )


def refusal(device: str) -> str | None:
    """Why torch does not multiply fp8 rows on a device, in its words; None where it does. Tries, and waits for it.

    Not every build of torch has these products for every chip that could run them.
    """
    rows = torch.ones(32, 64, device=device).to(FP8)
    scale, bias = torch.ones(32, device=device), torch.ones(32, dtype=torch.bfloat16, device=device)
    try:
        for added in (None, bias):
            found = scaled_product(rows, scale, rows, scale, torch.bfloat16, added)
            if not bool((found == (64 if added is None else 65)).all()):
                return "its products are wrong"
    except (RuntimeError, ValueError) as error:
        return str(error).partition("\n")[0]
    return None


@dataclass(frozen=True)
class Fused:
    """See `kernels.frozen.Frozen`: products and attention in `dtype`, the residual in `stream`."""

    dtype: torch.dtype
    stream: torch.dtype = torch.float32

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> FusedLinear | Fp8Linear:
        """All layers alike, whatever their name."""
        return FusedLinear(weight, bias, self.dtype)

    def embed(
        self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: Norm, feeds: FusedLinear | Fp8Linear
    ) -> State:
        """As `reference.embed`; ids of bases are made on the way and never written."""
        weights, dtypes = (norm.weight, norm.bias), (self.stream, feeds.operand)
        ids, bases, bounds, longest = layout.ids, layout.bases, layout.cu_seqlens, layout.max_len
        with on(tables[0]):
            if ids is not None:
                return _state(*embed_ids_step(ids, bounds, longest, layout.types, tables, weights, norm.eps, *dtypes))
            assert bases is not None
            pieces = bases.codes, bases.starts, bases.reverse, bases.k
            tokens = layout.bounds[-1]
            return _state(*embed_bases_step(*pieces, bounds, longest, tokens, tables, weights, norm.eps, *dtypes))

    def project(self, layer: FusedLinear | Fp8Linear, operand: Operand) -> Tensor:
        """[T, O] in the dtype."""
        return layer.biased(operand)

    def attention(self, qkv: Tensor, layout: Layout, heads: int, feeds: FusedLinear | Fp8Linear) -> Operand:
        """As `reference.attention`, without a key bias."""
        assert layout.key_bias is None
        with on(qkv):
            return _operand(attention(qkv, layout, heads, 0.0), feeds)

    def attention_rows(
        self, query: Tensor, kv: Tensor, layout: Layout, heads: int, feeds: FusedLinear | Fp8Linear
    ) -> Operand:
        """As `reference.attention_rows`, without a key bias."""
        assert layout.key_bias is None
        with on(query):
            return _operand(attention_rows(query, kv, layout, heads, 0.0), feeds)

    def gelu(self, layer: FusedLinear | Fp8Linear, operand: Operand, feeds: FusedLinear | Fp8Linear) -> Operand:
        """Bias, GELU and rounding in one step."""
        y = layer.product(operand)
        with on(y):
            wide, scale = gelu_step(y, layer.bias, feeds.operand)
        return wide if scale is None else (wide, scale)

    def add_norm(
        self,
        layer: FusedLinear | Fp8Linear,
        operand: Operand,
        stream: Tensor,
        norm: Norm,
        feeds: FusedLinear | Fp8Linear | None,
    ) -> State:
        """Bias, sum, LayerNorm and rounding in one step."""
        y = layer.product(operand)
        second = self.stream if feeds is None else feeds.operand
        with on(y):
            return _state(*norm_step(y, layer.bias, stream, norm.weight, norm.bias, norm.eps, self.stream, second))

    def take(self, state: State, rows: Tensor) -> State:
        """Copies of these rows."""
        stream, operand = state
        taken = stream.index_select(0, rows)
        if operand is stream:
            return taken, taken
        if isinstance(operand, Tensor):
            return taken, operand.index_select(0, rows)
        small, scale = operand
        # As bytes: torch has no such operation on fp8 everywhere.
        return taken, (small.view(torch.uint8).index_select(0, rows).view(FP8), scale.index_select(0, rows))


@dataclass(frozen=True)
class Fp8(Fused):
    """See `kernels.frozen.Frozen`: products in fp8 but for layers named in `exceptions`; all else in `dtype`.

    Another dtype than bf16 is for tests: Triton's interpreter has no bf16 products.
    """

    dtype: torch.dtype = torch.bfloat16
    exceptions: Collection[str] = ()

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> FusedLinear | Fp8Linear:
        """In fp8, or in the dtype for the exceptions and for sizes that fp8 products do not take."""
        if name in self.exceptions or any(size % 16 for size in weight.shape):
            return FusedLinear(weight, bias, self.dtype)
        return Fp8Linear(weight, bias, self.dtype)


def _copy(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().to(dtype, copy=True, memory_format=torch.contiguous_format)


def _state(stream: Tensor, operand: Tensor, scale: Tensor | None) -> State:
    return stream, operand if scale is None else (operand, scale)


def _operand(context: Tensor, feeds: FusedLinear | Fp8Linear) -> Operand:
    return quantize_rows(context) if feeds.operand is FP8 else context
