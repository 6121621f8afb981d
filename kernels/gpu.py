"""The operations on GPUs: cuBLAS for products, Triton for all between. Differentiable; knows no frozen weights.

A state is in the dtype of the operations (fp32, fp16 or bf16); parameters are fp32, cast at each call, and so are their
gradients. A product runs in the dtype of what comes in, so that a head that is given fp32 states stays in fp32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attention, attention_rows
from .attention_weights import attention_weights
from .cross_entropy import mlm_cross_entropy
from .embedding import embed_ids, ids_of_bases
from .gelu import bias_gelu
from .layer_norm import residual_layer_norm
from .layout import Layout

__all__ = ["DIMENSIONS", "TritonOps", "on"]

DIMENSIONS = (16, 32, 64, 128)
"""Dimensions of a head that attention's tiles take."""


def on(tensor: Tensor) -> AbstractContextManager[object]:
    """Makes the tensor's GPU the current one, on which Triton launches; does nothing on processors."""
    return torch.cuda.device_of(tensor)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class TritonOps:
    """See `nn.backends.Ops`; `kernels.reference` says what each computes. States are in `dtype`."""

    dtype: torch.dtype

    def embed(
        self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: tuple[Tensor, Tensor], eps: float
    ) -> Tensor:
        """As `reference.embed`, in the dtype; the ids of bases are written out, because gradients go by them."""
        with on(tables[0]):
            ids, bases, where = layout.ids, layout.bases, (layout.cu_seqlens, layout.max_len)
            if ids is None:
                assert bases is not None
                ids = ids_of_bases(bases.codes, bases.starts, bases.reverse, bases.k, *where, layout.bounds[-1])
            return embed_ids(ids, *where, layout.types, tables, norm, eps, self.dtype)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As `reference.linear`; cuBLAS adds the bias as it writes."""
        return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))

    def linear_gelu(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """As `reference.linear_gelu`; the bias is added along with the GELU."""
        with on(x):
            return bias_gelu(F.linear(x, weight.to(x.dtype)), bias)

    def residual_layer_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float
    ) -> Tensor:
        """As `reference.residual_layer_norm`."""
        with on(x):
            return residual_layer_norm(x, residual, weight, bias, eps, dropout)

    def attention(self, qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
        """As `reference.attention`, without a key bias."""
        assert layout.key_bias is None
        with on(qkv):
            return attention(qkv, layout, heads, dropout)

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
        """As `reference.attention_rows`, without a key bias."""
        assert layout.key_bias is None
        with on(query):
            return attention_rows(query, kv, layout, heads, dropout)

    def attention_weights(self, query: Tensor, kv: Tensor, layout: Layout, heads: int) -> Tensor:
        """As `reference.attention_weights`; not differentiable."""
        with on(query):
            return attention_weights(query, kv, layout, heads)

    def mlm_cross_entropy(self, hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
        """As `reference.mlm_cross_entropy`; the products run in the states' dtype."""
        with on(hidden):
            return mlm_cross_entropy(hidden, word, bias, labels)
