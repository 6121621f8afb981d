"""The frozen encoder on processors in int8: u8 rows times s8 weights by oneDNN, all else in one pass. Knows no model.

Weights are quantised for each output (symmetric, the largest is 127). Rows are quantised one by one as they come, from
their smallest value to their largest; what that takes out of a product is put back, with the bias, by the pass that
follows it. Between products stands one pass over rows that are still in cache.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from . import rowwise
from .cpu import MIN_ROWS
from .prepacked import Layer, Prepacked
from .rowwise import Codes, Product

__all__ = ["Int8", "Int8Linear", "why_not"]


def why_not() -> str | None:
    """Why this machine or this torch has no int8; None where it has."""
    if not (torch._C._has_mkldnn and hasattr(torch.ops.onednn, "qlinear_pointwise")):
        return "this torch has no oneDNN products in int8"
    return None if rowwise.has_vnni() else "this processor has no fast int8 (AVX512-VNNI or AVX-VNNI)"


class Int8Linear:
    """A linear layer frozen in int8, with what dequantising its products takes; see `prepacked.Layer`."""

    dtype = torch.uint8

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        weight = weight.detach().float()
        scale = weight.abs().amax(1).clamp_min(1e-30) / 127
        codes = (weight / scale[:, None]).round_().to(torch.int8)
        self.outputs, self.inputs = weight.shape
        self.scale = scale
        self.sums = (scale.double() * codes.sum(1)).float()
        self.bias = bias.detach().float().clone()
        self.zero = torch.zeros(self.outputs, dtype=torch.int32)
        self.packed = torch.ops.onednn.qlinear_prepack(codes, None)

    def room(self, rows: int) -> Codes:
        """For the codes of rows [rows, I]."""
        return Codes.empty(rows, self.inputs)

    def product(self, x: Codes) -> Product:
        """Of rows [T, I]: their codes times the weights'."""
        codes, rows = x.codes, len(x)
        if rows < MIN_ROWS:
            codes = F.pad(codes, (0, 0, 0, MIN_ROWS - rows))
        values = torch.ops.onednn.qlinear_pointwise(
            codes, 1.0, 0, self.packed, self.scale, self.zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return Product(values[:rows], x.scale, x.low, self.sums, self.bias)


class Int8(Prepacked):
    """Layers in int8 but for the `exceptions` by name, which stay in `dtype`, as queries, keys and values do."""

    def __init__(self, exceptions: tuple[str, ...], dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.exceptions = frozenset(exceptions)

    def linear(self, name: str, weight: Tensor, bias: Tensor) -> Layer:
        """In int8 unless excepted."""
        return super().linear(name, weight, bias) if name in self.exceptions else Int8Linear(weight, bias)
