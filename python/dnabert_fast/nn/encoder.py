"""The post-LN BERT encoder on packed pieces, trainable. Knows nothing of heads, files or prepared weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DnabertError
from .backends import Backend, Ops
from .config import EncoderConfig
from .packed import Layout, Packed

__all__ = ["Encoder", "Layer"]


class Layer(nn.Module):
    """One transformer layer: attention, then feed-forward, each followed by dropout, residual and LayerNorm.

    `qkv` is one linear layer [3 H, H]: queries, keys and values, in this order.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.config = config
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.up = nn.Linear(hidden, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, hidden)
        self.norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, layout: Layout, ops: Ops) -> Tensor:
        """States [T, H] to states [T, H]."""
        qkv = self.product("qkv", x, ops)
        return self._after(ops.attention(qkv, layout, self.config.heads, self._attention_dropout()), x, ops)

    def wanted(self, x: Tensor, layout: Layout, ops: Ops) -> Tensor:
        """States [T, H] to the states [R, H] of the wanted rows: keys and values for all, the rest for these alone."""
        if layout.rows is None:
            return self.forward(x, layout, ops)
        x, query, kv = self._asked(x, layout.rows, ops)
        return self._answered(x, query, kv, layout, ops)

    def attended(self, x: Tensor, layout: Layout, ops: Ops) -> tuple[Tensor, Tensor]:
        """As `wanted` (of rows), and what the first of each piece attends to: weights fp32 [T, heads]."""
        assert layout.rows is not None
        x, query, kv = self._asked(x, layout.rows, ops)
        weights = ops.attention_weights(query, kv, layout, self.config.heads)
        return self._answered(x, query, kv, layout, ops), weights

    def attention_map(self, x: Tensor, ops: Ops) -> Tensor:
        """What every token of one piece attends to: states [L, H] to weights fp32 [heads, L, L], queries first."""
        query, key = self.product("qkv", x, ops, slice(0, 2)).float().chunk(2, dim=1)
        q, k = (part.reshape(len(x), self.config.heads, -1).transpose(0, 1) for part in (query, key))
        return torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1)

    def product(self, name: str, x: Tensor, ops: Ops, parts: slice | None = None) -> Tensor:
        """x [T, I] through the linear layer of that name; `parts` of qkv alone (0 queries, 1 keys, 2 values)."""
        return ops.linear(x, *self.rows(*self.effective(name), parts))

    def widened(self, x: Tensor, ops: Ops) -> Tensor:
        """x [T, H] through `up` and GELU."""
        return ops.linear_gelu(x, self.up.weight, self.up.bias)

    def effective(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a linear layer as inference takes them."""
        layer: nn.Linear = getattr(self, name)
        return layer.weight, layer.bias

    def rows(self, weight: Tensor, bias: Tensor, parts: slice | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of some parts of qkv; all of them where parts is None."""
        if parts is None:
            return weight, bias
        hidden = self.config.hidden_size
        rows = slice(parts.start * hidden, parts.stop * hidden)
        return weight[rows], bias[rows]

    def _asked(self, x: Tensor, rows: Tensor, ops: Ops) -> tuple[Tensor, Tensor, Tensor]:
        """The states of the rows [R, H], their queries [R, H], and keys and values of all tokens [T, 2 H]."""
        kv = self.product("qkv", x, ops, slice(1, 3))
        x = x.index_select(0, rows)
        return x, self.product("qkv", x, ops, slice(0, 1)), kv

    def _answered(self, x: Tensor, query: Tensor, kv: Tensor, layout: Layout, ops: Ops) -> Tensor:
        context = ops.attention_rows(query, kv, layout, self.config.heads, self._attention_dropout())
        return self._after(context, x, ops)

    def _after(self, context: Tensor, x: Tensor, ops: Ops) -> Tensor:
        x = self._add_norm(self.product("out", context, ops), x, self.attention_norm, ops)
        y = self.widened(x, ops)
        return self._add_norm(self.product("down", y, ops), x, self.norm, ops)

    def _add_norm(self, y: Tensor, x: Tensor, norm: nn.LayerNorm, ops: Ops) -> Tensor:
        dropout = self.config.hidden_dropout if self.training else 0.0
        return ops.residual_layer_norm(y, x, norm.weight, norm.bias, norm.eps, dropout)

    def _attention_dropout(self) -> float:
        return self.config.attention_dropout if self.training else 0.0


class Encoder(nn.Module):
    """Embeddings and layers; parameters in the house layout, fp32."""

    def __init__(self, config: EncoderConfig, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.backend = backend
        self.word = nn.Parameter(torch.empty(config.vocab_size, config.hidden_size))
        self.position = nn.Parameter(torch.empty(config.max_positions, config.hidden_size))
        self.token_type = nn.Parameter(torch.empty(config.type_vocab_size, config.hidden_size))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def encode(self, packed: Packed) -> Tensor:
        """The last layer's states [R, H] of packed.rows, in their order; of all tokens where rows is None.

        Raises DnabertError for a piece longer than the position table.
        """
        layout, x, last = self._before_last(packed)
        x = last.wanted(x, layout, self.backend.ops)
        return x if layout.restore is None else x.index_select(0, layout.restore)

    def attend(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """The last layer's states of [CLS] [m, H], and its attention in it: fp32 [T, heads] of all tokens.

        Raises DnabertError as `encode`.
        """
        layout, x, last = self._before_last(packed.wanting("cls"))
        return in_order(layout, *last.attended(x, layout, self.backend.ops))

    def attention_map(self, packed: Packed, layer: int) -> Tensor:
        """What every token of one piece attends to in a layer (-1: the last): fp32 [heads, L, L], queries first."""
        assert packed.pieces == 1
        layout, x = self._embed(packed)
        layers = [each for each in self.layers if isinstance(each, Layer)]
        chosen = range(len(layers))[layer]
        for each in layers[:chosen]:
            x = each(x, layout, self.backend.ops)
        return layers[chosen].attention_map(x, self.backend.ops)

    def hidden_states(self, packed: Packed) -> list[Tensor]:
        """The states [T, H] of all tokens after the embeddings and after each layer: layers + 1 tensors."""
        packed = packed.wanting("all")
        layout, x = self._embed(packed)
        states = [x]
        for layer in self.layers:
            x = layer(x, layout, self.backend.ops)
            states.append(x)
        return states if layout.restore is None else [state.index_select(0, layout.restore) for state in states]

    def _before_last(self, packed: Packed) -> tuple[Layout, Tensor, Layer]:
        """The pack as the backend takes it, its states before the last layer, and that layer."""
        layout, x = self._embed(packed)
        layers = list(self.layers)
        for layer in layers[:-1]:
            x = layer(x, layout, self.backend.ops)
        last = layers[-1]
        assert isinstance(last, Layer)
        return layout, x, last

    def _embed(self, packed: Packed) -> tuple[Layout, Tensor]:
        check_lengths(packed, self.config)
        layout = packed.arranged(self.backend.grouped)
        tables = (self.word, self.position, self.token_type)
        norm = (self.norm.weight, self.norm.bias)
        x = self.backend.ops.embed(layout, tables, norm, self.norm.eps)
        return layout, F.dropout(x, self.config.hidden_dropout, self.training)


def in_order(layout: Layout, states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """States of the wanted rows and weights of all tokens in the caller's order."""
    if layout.restore is None or layout.restore_tokens is None:
        return states, weights
    return states.index_select(0, layout.restore), weights.index_select(0, layout.restore_tokens)


def check_lengths(packed: Packed, config: EncoderConfig) -> None:
    """Raises DnabertError for a piece longer than the position table."""
    if packed.max_len > config.max_positions:
        raise DnabertError(f"a piece of {packed.max_len} tokens; this model takes {config.max_positions} at most")
