"""The encoder laid out for inference on processors: prepacked weights, fused steps. Frozen; knows no heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backends import Backend
from .encoder import Encoder, Layer, check_lengths
from .packed import Layout, Packed

__all__ = ["PreparedEncoder"]


class PreparedEncoder:
    """A frozen copy of an encoder's weights in the backend's precision.

    Products run in that precision; the residual stream and LayerNorm are fp32 in both.
    """

    def __init__(self, encoder: Encoder, backend: Backend) -> None:
        self.config = encoder.config
        self.dtype = torch.bfloat16 if backend.precision == "bf16" else torch.float32
        self._made_of = _versions(encoder)
        with torch.no_grad():
            self._word = encoder.word.detach().clone()
            # Without types every token is of type 0, which is added to the positions here; others add a difference.
            self._position = encoder.position + encoder.token_type[0]
            self._types = encoder.token_type - encoder.token_type[0]
            self._norm = _Norm(encoder.norm)
            layers = [layer for layer in encoder.layers if isinstance(layer, Layer)]
            self._layers = [_Layer(layer, self.dtype, backend) for layer in layers[:-1]]
            self._last = _LastLayer(layers[-1], self.dtype, backend)

    def made_of(self, encoder: Encoder) -> bool:
        """Whether the encoder's parameters are those this was made of, unchanged since."""
        now = _versions(encoder)
        return all(a is b and old == new for (a, old), (b, new) in zip(self._made_of, now, strict=True))

    @torch.no_grad()
    def encode(self, packed: Packed) -> Tensor:
        """As `Encoder.encode`: fp32 states [R, H]."""
        check_lengths(packed, self.config)
        layout = packed.layout
        x = F.embedding(layout.ids, self._word).add_(F.embedding(layout.positions, self._position))
        if layout.types is not None:
            x.add_(F.embedding(layout.types, self._types))
        x = self._norm(x)
        for layer in self._layers:
            x = layer(x, layout)
        x = self._last(x, layout)
        return x if layout.restore is None else x.index_select(0, layout.restore)


class _Block:
    """What follows the attention of a layer."""

    def __init__(self, layer: Layer, dtype: torch.dtype, backend: Backend) -> None:
        assert backend.prepack is not None
        self.heads = layer.config.heads
        self.ops = backend.ops
        self.dtype = dtype
        self.out = backend.prepack(layer.out.weight, layer.out.bias, dtype)
        self.up = backend.prepack(layer.up.weight, layer.up.bias, dtype)
        self.down = backend.prepack(layer.down.weight, layer.down.bias, dtype)
        self.attention_norm = _Norm(layer.attention_norm)
        self.norm = _Norm(layer.norm)

    def after(self, context: Tensor, x: Tensor) -> Tensor:
        """The fp32 stream after attention (context, of the dtype) and feed-forward."""
        x = self.attention_norm(self.out.add(context, x))
        return self.norm(self.down.add(self.up(x.to(self.dtype), gelu=True), x))


class _Layer(_Block):
    def __init__(self, layer: Layer, dtype: torch.dtype, backend: Backend) -> None:
        super().__init__(layer, dtype, backend)
        assert backend.prepack is not None
        self.qkv = backend.prepack(layer.qkv.weight, layer.qkv.bias, dtype)

    def __call__(self, x: Tensor, layout: Layout) -> Tensor:
        """As `Layer.forward`, on an fp32 stream."""
        return self.after(self.ops.attention(self.qkv(x.to(self.dtype)), layout, self.heads, 0.0), x)


class _LastLayer(_Block):
    def __init__(self, layer: Layer, dtype: torch.dtype, backend: Backend) -> None:
        super().__init__(layer, dtype, backend)
        assert backend.prepack is not None
        hidden = layer.config.hidden_size
        weight, bias = layer.qkv.weight, layer.qkv.bias
        self.query = backend.prepack(weight[:hidden], bias[:hidden], dtype)
        self.kv = backend.prepack(weight[hidden:], bias[hidden:], dtype)

    def __call__(self, x: Tensor, layout: Layout) -> Tensor:
        """As `Layer.wanted`, on an fp32 stream."""
        of_dtype = x.to(self.dtype)
        kv = self.kv(of_dtype)
        if layout.rows is None:
            qkv = torch.cat([self.query(of_dtype), kv], dim=1)
            return self.after(self.ops.attention(qkv, layout, self.heads, 0.0), x)
        query = self.query(of_dtype.index_select(0, layout.rows))
        context = self.ops.attention_rows(query, kv, layout, self.heads, 0.0)
        return self.after(context, x.index_select(0, layout.rows))


class _Norm:
    def __init__(self, norm: nn.LayerNorm) -> None:
        self.weight, self.bias = norm.weight.detach().clone(), norm.bias.detach().clone()
        self.eps = norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


def _versions(encoder: Encoder) -> list[tuple[Tensor, int]]:
    # The tensors themselves: a number of one that is gone could be another's.
    return [(parameter, parameter._version) for parameter in encoder.parameters()]
