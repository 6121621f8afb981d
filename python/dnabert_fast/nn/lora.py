"""Low-rank adapters of an encoder's linear layers (Hu et al. 2021): trained in place of them, then merged into them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backends import Ops
from .encoder import Encoder, Layer
from .keys import original_keys

__all__ = ["Adapter", "LoraLayer", "add_adapters", "merge_adapters"]

_NAMES = ("qkv", "out", "up", "down")


class Adapter(nn.Module):
    """What is added to a linear layer [O, I]: scale · upper · lower, `parts` of them where it is several in one.

    `lower` fp32 [parts, rank, I] begins random, `upper` fp32 [parts, O / parts, rank] at 0, so that nothing is added
    before training.
    """

    def __init__(self, layer: nn.Linear, parts: int, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = scale
        device = layer.weight.device
        lower = torch.randn(parts, rank, layer.in_features, generator=generator) / rank
        self.lower = nn.Parameter(lower.to(device))
        self.upper = nn.Parameter(torch.zeros(parts, layer.out_features // parts, rank, device=device))

    def forward(self, x: Tensor, ops: Ops, parts: slice | None = None) -> Tensor:
        """What is added to the output for x [T, I], in its dtype; of some of the parts alone where they are given."""
        parts = parts or slice(0, len(self.lower))
        lower, upper = self.lower[parts], self.scale * self.upper[parts]
        low = ops.linear(x, lower.flatten(0, 1), None).chunk(len(lower), dim=1)
        found = [ops.linear(part, weight, None) for part, weight in zip(low, upper, strict=True)]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def weight(self) -> Tensor:
        """What is added to the layer's weight [O, I]."""
        return self.scale * (self.upper @ self.lower).flatten(0, 1)


class LoraLayer(Layer):
    """A layer whose own weights stay as they are, and whose four linear layers have adapters."""

    def __init__(self, layer: Layer, rank: int, alpha: float, generator: torch.Generator) -> None:
        nn.Module.__init__(self)
        self.config = layer.config
        for name, module in layer.named_children():
            self.add_module(name, module)
        parts = {"qkv": 3}
        self.adapters = nn.ModuleDict(
            {name: Adapter(getattr(layer, name), parts.get(name, 1), rank, alpha / rank, generator) for name in _NAMES}
        )

    def product(self, name: str, x: Tensor, ops: Ops, parts: slice | None = None) -> Tensor:
        """As `Layer.product`, with the adapter's share; the frozen weight needs no gradient, so none is computed."""
        weight, bias = self.rows(*super().effective(name), parts)
        added: Tensor = self.adapters[name](x, ops, parts)
        return ops.linear(x, weight, bias) + added

    def widened(self, x: Tensor, ops: Ops) -> Tensor:
        """As `Layer.widened`."""
        return F.gelu(self.product("up", x, ops))

    def effective(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight, with the adapter's, and bias."""
        weight, bias = super().effective(name)
        adapter = self.adapters[name]
        assert isinstance(adapter, Adapter)
        return weight + adapter.weight(), bias


def add_adapters(encoder: Encoder, rank: int, alpha: float, seed: int) -> None:
    """Put adapters of a rank into every layer and let nothing else of the encoder be trained; see `merge_adapters`."""
    generator = torch.Generator().manual_seed(seed)
    encoder.requires_grad_(False)
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, Layer)
        encoder.layers[i] = LoraLayer(layer, rank, alpha, generator).train(layer.training)


@torch.no_grad()
def merge_adapters(encoder: Encoder) -> dict[str, Tensor]:
    """Add the adapters to the weights and take them out; everything is trained again.

    Returns them on the processor by the original's names of what they adapt: `NAME.lora_A.weight` [rank, I] and
    `NAME.lora_B.weight` [O, rank] (the scale, alpha / rank, is not in them).
    """
    found: dict[str, Tensor] = {}
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, LoraLayer)
        for name in _NAMES:
            adapter = layer.adapters[name]
            assert isinstance(adapter, Adapter)
            getattr(layer, name).weight.add_(adapter.weight())
            keys = original_keys(f"encoder.layers.{i}.{name}.weight")
            for key, lower, upper in zip(keys, adapter.lower, adapter.upper, strict=True):
                stem = key.removesuffix(".weight")
                found[f"{stem}.lora_A.weight"] = lower.cpu().contiguous()
                found[f"{stem}.lora_B.weight"] = upper.cpu().contiguous()
        encoder.layers[i] = _plain(layer)
    encoder.requires_grad_(True)
    return found


def _plain(layer: LoraLayer) -> Layer:
    """The layer without its adapters; its other modules are shared."""
    plain = Layer.__new__(Layer)
    nn.Module.__init__(plain)
    plain.config = layer.config
    for name, module in layer.named_children():
        if name != "adapters":
            plain.add_module(name, module)
    return plain.train(layer.training)
