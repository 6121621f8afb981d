"""Linear layers with weights laid out for oneDNN, for inference alone. Knows no model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .cpu import MIN_ROWS

__all__ = ["PrepackedLinear", "prepack"]


class PrepackedLinear:
    """A linear layer frozen in one dtype (fp32 or bf16); oneDNN's blocked weights where torch has oneDNN."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.onednn = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        weight = weight.detach().to(dtype).contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.onednn else weight.clone()
        self.bias = bias.detach().to(dtype).clone()

    def __call__(self, x: Tensor, gelu: bool = False) -> Tensor:
        """x [T, I] of the layer's dtype to [T, O], through the exact GELU where asked (free: it is done in cache)."""
        rows = x.shape[0]
        if rows < MIN_ROWS:
            return self(F.pad(x, (0, 0, 0, MIN_ROWS - rows)), gelu)[:rows]
        if self.onednn:
            attr, algorithm = ("gelu", "none") if gelu else ("none", "")
            y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, attr, [], algorithm)
            return y
        y = F.linear(x, self.weight, self.bias)
        return F.gelu(y) if gelu else y

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        """The layer of x [T, I] plus an fp32 residual [T, O], in fp32.

        The sum of a bf16 layer is taken in fp32 too: a bf16 stream is no faster (its LayerNorm is slower) and errs
        twice to three times as much.
        """
        if self.bias.dtype is not torch.float32:
            return self(x).float().add_(residual)
        rows = x.shape[0]
        if self.onednn and rows >= MIN_ROWS:
            y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
            return y
        return self(x).add_(residual)


def prepack(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> PrepackedLinear:
    """A frozen copy of a linear layer, weight [O, I] and bias [O], in a dtype."""
    return PrepackedLinear(weight, bias, dtype)
