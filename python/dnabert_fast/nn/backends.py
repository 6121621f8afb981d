"""Which implementation of the operations runs, and why. The only importer of kernels; knows no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor

from ..errors import BackendUnavailable
from ..kernels import cpu, prepacked, reference

if TYPE_CHECKING:
    from ..kernels.layout import Layout

__all__ = ["MIN_ROWS", "PRECISIONS", "Backend", "Ops", "choose"]

PRECISIONS = ("fp32", "bf16")
MIN_ROWS = cpu.MIN_ROWS


class Ops(Protocol):
    """The operations of an encoder; `kernels.reference` says what each means."""

    def embed(
        self,
        ids: Tensor,
        positions: Tensor,
        types: Tensor | None,
        tables: tuple[Tensor, Tensor, Tensor],
        norm: tuple[Tensor, Tensor],
        eps: float,
    ) -> Tensor: ...

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor: ...

    def linear_gelu(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor: ...

    def residual_layer_norm(self, x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor: ...

    def attention(self, qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor: ...

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor: ...

    def mlm_cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor: ...


class Prepacked(Protocol):
    """A frozen linear layer; see `kernels.prepacked.PrepackedLinear`."""

    def __call__(self, x: Tensor, gelu: bool = False) -> Tensor: ...

    def add(self, x: Tensor, residual: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Backend:
    """A choice made once and carried along: its name, the reason for it, where and in what precision it runs.

    `prepack(weight, bias, dtype)` freezes a linear layer for inference; None: inference runs on the parameters.
    """

    name: str
    reason: str
    device: str
    precision: str
    ops: Ops
    prepack: Callable[[Tensor, Tensor, torch.dtype], Prepacked] | None

    def __reduce__(self) -> tuple[Callable[[str, str, str], Backend], tuple[str, str, str]]:
        # Operations are modules, which cannot be copied or pickled: the choice is made again.
        return choose, (self.name, self.device, self.precision)

    def __str__(self) -> str:
        return f"{self.name} ({self.precision}, {self.device}): {self.reason}"


def choose(name: str = "auto", device: str = "auto", precision: str = "fp32") -> Backend:
    """The backend of a name (auto, cpu, reference), a device (auto, cpu) and a precision (fp32, bf16).

    Raises BackendUnavailable with the reason where this machine or this version does not have it.
    """
    if precision not in PRECISIONS:
        raise BackendUnavailable(f"no precision named {precision}; there are {', '.join(PRECISIONS)}")
    if name == "triton" or device not in ("auto", "cpu"):
        raise BackendUnavailable(_why_no_gpu(name, device))
    if name == "reference":
        if precision != "fp32":
            raise BackendUnavailable(f"the reference backend computes in fp32, not in {precision}")
        return Backend(name, "asked for", "cpu", precision, cast(Ops, reference), None)
    if name not in ("auto", "cpu"):
        raise BackendUnavailable(f"no backend named {name}; there are auto, cpu, reference")
    if precision == "bf16" and not _has_bf16():
        raise BackendUnavailable("this processor has no fast bf16 (AVX-512 or Arm bf16); use --precision fp32")
    reason = "asked for" if name == "cpu" else "the device is cpu"
    reason = f"{reason}; {torch.backends.cpu.get_cpu_capability()}"
    return Backend("cpu", reason, "cpu", precision, cast(Ops, cpu), prepacked.prepack)


def _has_bf16() -> bool:
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def _why_no_gpu(name: str, device: str) -> str:
    if name != "triton" and device.split(":")[0] != "cuda":
        return f"no device named {device}; there are auto, cpu"
    wanted = "backend triton" if name == "triton" else f"device {device}"
    if not torch.cuda.is_available():
        return f"{wanted}: there is no CUDA device on this machine; use --device cpu"
    return f"{wanted}: this version runs on processors alone; use --device cpu"
