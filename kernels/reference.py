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
    "attention_weights",
    "embed",
    "ids_of_bases",
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


def residual_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float
) -> Tensor:
    """LayerNorm of dropout(x) + residual, both [T, H]: the post-LN step of BERT."""
    return layer_norm(F.dropout(x, dropout, dropout > 0) + residual, weight, bias, eps)


def embed(layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: tuple[Tensor, Tensor], eps: float) -> Tensor:
    """LayerNorm of word + position + type rows [T, H]; tables are [V, H], [P, H], [2, H]; no types means type 0."""
    word, position, kind = tables
    ids = ids_of_bases(layout) if layout.ids is None else layout.ids
    of_type = kind[0] if layout.types is None else kind[layout.types]
    return layer_norm(word[ids] + of_type + position[layout.positions], *norm, eps)


def ids_of_bases(layout: Layout) -> Tensor:
    """Token ids int64 [T] of pieces given as base codes: [CLS] 2, k-mers from 5 ([UNK] 1 over a code above 3), [SEP] 3.

    The complement of a code is code ^ 1: the digits are A, T, C, G.
    """
    bases, out = layout.bases, []
    assert bases is not None
    for i, (a, b) in enumerate(zip(layout.bounds[:-1], layout.bounds[1:], strict=True)):
        start = int(bases.starts[i])
        codes = bases.codes[start : start + max(0, b - a - 2 + bases.k - 1)].long()
        if bases.reverse is not None and bool(bases.reverse[i]):
            codes = codes.flip(0) ^ 1
        kmers = codes.unfold(0, bases.k, 1) if b - a > 2 else codes.new_empty(0, bases.k)
        powers = 4 ** torch.arange(bases.k - 1, -1, -1, device=codes.device)
        ids = torch.where((kmers > 3).any(1), 1, 5 + (kmers * powers).sum(1))
        out += [ids.new_tensor([2]), ids, ids.new_tensor([3])]
    return torch.cat(out)


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


def attention_weights(query: Tensor, kv: Tensor, layout: Layout, heads: int) -> Tensor:
    """What the first wanted row of each piece attends to: softmax weights fp32 [T, heads] over the piece's tokens.

    A piece that wants no row has weights 0.
    """
    assert layout.row_bounds is not None
    keys = kv[:, : query.shape[1]].reshape(len(kv), heads, -1)
    first = layout.row_bounds.tolist()
    out = query.new_zeros(len(kv), heads, dtype=torch.float32)
    for i, (a, b) in enumerate(zip(layout.bounds[:-1], layout.bounds[1:], strict=True)):
        if first[i] < first[i + 1]:
            q = query[first[i]].reshape(heads, -1)
            out[a:b] = torch.softmax((keys[a:b] * q).sum(-1).float() / math.sqrt(q.shape[-1]), 0)
    return out


def _pieces(query: Tensor, kv: Tensor, query_bounds: list[int], layout: Layout, heads: int, dropout: float) -> Tensor:
    by_head, key, value = (x.reshape(len(x), heads, -1).transpose(0, 1) for x in (query, *kv.chunk(2, dim=1)))
    out = []
    for i, (a, b) in enumerate(zip(layout.bounds[:-1], layout.bounds[1:], strict=True)):
        bias = None if layout.key_bias is None else layout.key_bias[a:b]
        rows = by_head[:, query_bounds[i] : query_bounds[i + 1]]
        out.append(attend(rows, key[:, a:b], value[:, a:b], bias, dropout))
    return torch.cat(out, dim=1).transpose(0, 1).flatten(1)


def mlm_cross_entropy(hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    """Mean over rows of -log softmax(hidden [R, H] @ word [V, H]^T + bias [V])[label]; the labels are ids [R]."""
    logits = linear(hidden, word, bias)
    return (torch.logsumexp(logits, -1) - logits.gather(1, labels[:, None])[:, 0]).mean()
