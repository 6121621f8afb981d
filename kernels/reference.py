"""Every operation in a few lines of fp32 torch: what it means, and the oracle of the fast ones. Knows no speed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import Layout

__all__ = [
    "attention",
    "attention_rows",
    "embed",
    "layer_norm",
    "linear",
    "linear_gelu",
    "mlm_cross_entropy",
    "residual_layer_norm",
]


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Rows of x [T, H] to mean 0 and (biased) variance 1, then weight and bias [H]."""
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).square().mean(-1, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + eps) * weight + bias


def residual_layer_norm(x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """LayerNorm of x + residual, both [T, H]: the post-LN step of BERT."""
    return layer_norm(x + residual, weight, bias, eps)


def embed(
    ids: Tensor,
    positions: Tensor,
    types: Tensor | None,
    tables: tuple[Tensor, Tensor, Tensor],
    norm: tuple[Tensor, Tensor],
    eps: float,
) -> Tensor:
    """LayerNorm of word + position + type rows [T, H]; tables are [V, H], [P, H], [2, H]; no types means type 0."""
    word, position, kind = tables
    of_type = kind[0] if types is None else kind[types]
    return layer_norm(word[ids] + of_type + position[positions], *norm, eps)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [T, I] times weight [O, I] transposed, plus bias [O]."""
    y = x @ weight.t()
    return y if bias is None else y + bias


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The exact GELU, y · Phi(y) with the error function, of a linear layer's output."""
    y = linear(x, weight, bias)
    return 0.5 * y * (1.0 + torch.erf(y / math.sqrt(2.0)))


def attend(query: Tensor, key: Tensor, value: Tensor, key_bias: Tensor | None, dropout: float) -> Tensor:
    """Softmax attention of query [h, r, d] over key and value [h, L, d]; key_bias [L] is added to the scores."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if key_bias is not None:
        scores = scores + key_bias
    return F.dropout(torch.softmax(scores, -1), dropout, dropout > 0) @ value


def attention(qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """Attention within each piece: qkv [T, 3 H] (queries, keys, values, each head by head) to [T, H]."""
    hidden = qkv.shape[1] // 3
    return _pieces(qkv[:, :hidden], qkv[:, hidden:], list(layout.bounds), layout, heads, dropout)


def attention_rows(query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """Attention of the wanted rows alone: query [R, H] over kv [T, 2 H] of their own pieces, to [R, H]."""
    assert layout.rows is not None
    bounds = torch.tensor(layout.bounds, device=layout.rows.device)
    return _pieces(query, kv, torch.searchsorted(layout.rows, bounds).tolist(), layout, heads, dropout)


def _pieces(query: Tensor, kv: Tensor, query_bounds: list[int], layout: Layout, heads: int, dropout: float) -> Tensor:
    by_head, key, value = (x.reshape(len(x), heads, -1).transpose(0, 1) for x in (query, *kv.chunk(2, dim=1)))
    out = []
    for i, (a, b) in enumerate(zip(layout.bounds[:-1], layout.bounds[1:], strict=True)):
        bias = None if layout.key_bias is None else layout.key_bias[a:b]
        rows = by_head[:, query_bounds[i] : query_bounds[i + 1]]
        out.append(attend(rows, key[:, a:b], value[:, a:b], bias, dropout))
    return torch.cat(out, dim=1).transpose(0, 1).flatten(1)


def mlm_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over rows of -log softmax(logits [R, V])[label]; the labels are ids [R]."""
    return (torch.logsumexp(logits, -1) - logits.gather(1, labels[:, None])[:, 0]).mean()
