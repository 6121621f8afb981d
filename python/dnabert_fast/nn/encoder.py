"""The post-LN BERT encoder on packed pieces, trainable. Knows nothing of heads, files or prepared weights."""

from __future__ import annotations

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
        qkv = ops.linear(x, self.qkv.weight, self.qkv.bias)
        return self._after(ops.attention(qkv, layout, self.config.heads, self._attention_dropout()), x, ops)

    def wanted(self, x: Tensor, layout: Layout, ops: Ops) -> Tensor:
        """States [T, H] to the states [R, H] of the wanted rows: keys and values for all, the rest for these alone."""
        if layout.rows is None:
            return self.forward(x, layout, ops)
        hidden = self.config.hidden_size
        kv = ops.linear(x, self.qkv.weight[hidden:], self.qkv.bias[hidden:])
        x = x.index_select(0, layout.rows)
        query = ops.linear(x, self.qkv.weight[:hidden], self.qkv.bias[:hidden])
        context = ops.attention_rows(query, kv, layout, self.config.heads, self._attention_dropout())
        return self._after(context, x, ops)

    def _after(self, context: Tensor, x: Tensor, ops: Ops) -> Tensor:
        x = self._add_norm(ops.linear(context, self.out.weight, self.out.bias), x, self.attention_norm, ops)
        y = ops.linear_gelu(x, self.up.weight, self.up.bias)
        return self._add_norm(ops.linear(y, self.down.weight, self.down.bias), x, self.norm, ops)

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
        layout, x = self._embed(packed)
        layers = list(self.layers)
        for layer in layers[:-1]:
            x = layer(x, layout, self.backend.ops)
        last = layers[-1]
        assert isinstance(last, Layer)
        x = last.wanted(x, layout, self.backend.ops)
        return x if layout.restore is None else x.index_select(0, layout.restore)

    def hidden_states(self, packed: Packed) -> list[Tensor]:
        """The states [T, H] of all tokens after the embeddings and after each layer: layers + 1 tensors."""
        packed = packed.wanting("all")
        layout, x = self._embed(packed)
        states = [x]
        for layer in self.layers:
            x = layer(x, layout, self.backend.ops)
            states.append(x)
        return states if layout.restore is None else [state.index_select(0, layout.restore) for state in states]

    def _embed(self, packed: Packed) -> tuple[Layout, Tensor]:
        check_lengths(packed, self.config)
        layout = packed.arranged(self.backend.grouped)
        tables = (self.word, self.position, self.token_type)
        norm = (self.norm.weight, self.norm.bias)
        x = self.backend.ops.embed(layout, tables, norm, self.norm.eps)
        return layout, F.dropout(x, self.config.hidden_dropout, self.training)


def check_lengths(packed: Packed, config: EncoderConfig) -> None:
    """Raises DnabertError for a piece longer than the position table."""
    if packed.max_len > config.max_positions:
        raise DnabertError(f"a piece of {packed.max_len} tokens; this model takes {config.max_positions} at most")
