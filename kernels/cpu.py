"""The operations on processors, through torch: grouped attention, padded small products. Knows no prepacked weights.

All are differentiable, so that training runs on the same parameters.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import Group, Layout

__all__ = [
    "MIN_ROWS",
    "attention",
    "attention_rows",
    "attention_weights",
    "embed",
    "linear",
    "linear_gelu",
    "mlm_cross_entropy",
    "residual_layer_norm",
]

# A product of few rows takes other code paths (matrix-vector), whose rounding differs from the rest.
MIN_ROWS = 16


def embed(layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: tuple[Tensor, Tensor], eps: float) -> Tensor:
    """As `reference.embed`; takes ids alone."""
    assert layout.ids is not None
    word, position, kind = tables
    x = F.embedding(layout.ids, word) + F.embedding(layout.positions, position)
    x = x + (kind[0] if layout.types is None else F.embedding(layout.types, kind))
    return F.layer_norm(x, x.shape[-1:], *norm, eps)


def residual_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float
) -> Tensor:
    """As `reference.residual_layer_norm`."""
    return F.layer_norm(F.dropout(x, dropout, dropout > 0) + residual, x.shape[-1:], weight, bias, eps)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `reference.linear`; never a product of fewer than MIN_ROWS rows."""
    rows = x.shape[0]
    if rows >= MIN_ROWS:
        return F.linear(x, weight, bias)
    return F.linear(F.pad(x, (0, 0, 0, MIN_ROWS - rows)), weight, bias)[:rows]


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `reference.linear_gelu`."""
    return F.gelu(linear(x, weight, bias))


def attention(qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """As `reference.attention`, a group of equal lengths at a time.

    In bf16 plain products with a softmax between are twice as fast here, but round the scores: four times the error.
    """
    assert layout.key_bias is None
    return _join([group_attention(qkv, group, heads, dropout) for group in layout.groups])


def group_attention(qkv: Tensor, group: Group, heads: int, dropout: float) -> Tensor:
    """Attention of one group's pieces [n · L, H], read from qkv [T, 3 H] without a copy."""
    n, length = group.pieces, group.length
    q, k, v = qkv.narrow(0, group.token, n * length).view(n, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    return out.transpose(1, 2).reshape(n * length, -1)


def attention_rows(query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor:
    """As `reference.attention_rows`, a group of equal lengths at a time."""
    assert layout.key_bias is None
    return _join([group_attention_rows(query, kv, group, heads, dropout) for group in layout.groups if group.rows])


def group_attention_rows(query: Tensor, kv: Tensor, group: Group, heads: int, dropout: float) -> Tensor:
    """Attention of one group's wanted rows [rows, H]; a piece that wants fewer than its neighbours repeats one."""
    n = group.pieces
    k, v = kv.narrow(0, group.token, n * group.length).view(n, group.length, 2, heads, -1).permute(2, 0, 3, 1, 4)
    hidden = query.shape[1]
    rows = query.narrow(0, group.row, group.rows) if group.pick is None else query[group.pick]
    q = rows.view(n, -1, heads, hidden // heads).transpose(1, 2)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout).transpose(1, 2).reshape(-1, hidden)
    return out if group.keep is None else out[group.keep]


def attention_weights(query: Tensor, kv: Tensor, layout: Layout, heads: int) -> Tensor:
    """As `reference.attention_weights`, a group of equal lengths at a time."""
    hidden, parts = query.shape[1], []
    for group in layout.groups:
        shape = (group.pieces, group.length)
        if not group.rows:
            parts.append(kv.new_zeros(group.pieces * group.length, heads, dtype=torch.float32))
            continue
        keys = kv.narrow(0, group.token, group.pieces * group.length)[:, :hidden].view(*shape, heads, -1).float()
        rows = query.narrow(0, group.row, group.rows) if group.pick is None else query[group.pick]
        q = rows.view(group.pieces, -1, heads, hidden // heads)[:, 0].float()
        weights = torch.softmax(torch.einsum("nlhd,nhd->nlh", keys, q) / math.sqrt(q.shape[-1]), 1)
        if group.wanting is not None:
            weights = weights * group.wanting[:, None, None]
        parts.append(weights.reshape(-1, heads))
    return _join(parts)


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def mlm_cross_entropy(hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    """As `reference.mlm_cross_entropy`."""
    return F.cross_entropy(linear(hidden, word, bias), labels)
