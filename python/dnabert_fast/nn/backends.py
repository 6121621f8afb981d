"""Which implementation of the operations runs, and why. The only importer of kernels; knows no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor

from ..errors import BackendUnavailable
from ..kernels import cpu, prepacked, reference
from ..kernels.frozen import Frozen, Norm, State

if TYPE_CHECKING:
    from ..kernels.layout import Layout

__all__ = ["MIN_ROWS", "PRECISIONS", "Backend", "Frozen", "Norm", "Ops", "State", "available", "choose"]

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "fp8")
MIN_ROWS = cpu.MIN_ROWS

# Fastest first, fp32 last.
_ON_CPU = ("bf16", "fp32")
_ELSEWHERE = {
    "int8": "int8 runs on processors",
    "fp16": "fp16 runs on GPUs",
    "fp8": "fp8 runs on GPUs of compute capability 8.9 and up",
}


class Ops(Protocol):
    """The operations of an encoder that trains; `kernels.reference` says what each means."""

    def embed(
        self, layout: Layout, tables: tuple[Tensor, Tensor, Tensor], norm: tuple[Tensor, Tensor], eps: float
    ) -> Tensor: ...

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor: ...

    def linear_gelu(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor: ...

    def residual_layer_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: float
    ) -> Tensor: ...

    def attention(self, qkv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor: ...

    def attention_rows(self, query: Tensor, kv: Tensor, layout: Layout, heads: int, dropout: float) -> Tensor: ...

    def attention_weights(self, query: Tensor, kv: Tensor, layout: Layout, heads: int) -> Tensor: ...

    def mlm_cross_entropy(self, hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Backend:
    """A choice made once and carried along: its name, the reason for it, where and in what precision it runs.

    `frozen`: how an encoder runs for inference; None: on its parameters. `grouped`: whether the operations want pieces
    of one length side by side. `exceptions`: linear layers, such as layers.3.down, that a precision under bf16 leaves
    in bf16 (fp32 where there is none).
    """

    name: str
    reason: str
    device: str
    precision: str
    ops: Ops
    frozen: Frozen | None
    grouped: bool = True
    exceptions: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., Backend], tuple[str, str, str, tuple[str, ...]]]:
        # Operations are modules, which cannot be copied or pickled: the choice is made again.
        return choose, (self.name, self.device, self.precision, self.exceptions)

    def __str__(self) -> str:
        return f"{self.name} ({self.precision}, {self.device}): {self.reason}"


def available(device: str = "auto") -> dict[str, str | None]:
    """Every precision, fastest first and fp32 last: None where the device has it, else why it has not."""
    lacking = {} if _has_bf16() else {"bf16": _NO_BF16}
    there = {name: lacking.get(name) for name in _ON_CPU}
    return {**there, **{name: why for name, why in _ELSEWHERE.items() if name not in there}}


def choose(
    name: str = "auto", device: str = "auto", precision: str = "fp32", exceptions: tuple[str, ...] = ()
) -> Backend:
    """The backend of a name (auto, cpu, reference), a device (auto, cpu) and a precision; see `available`.

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
    if (why := available(device)[precision]) is not None:
        raise BackendUnavailable(f"{why}; use --precision fp32")
    reason = "asked for" if name == "cpu" else "the device is cpu"
    reason = f"{reason}; {torch.backends.cpu.get_cpu_capability()}"
    frozen = prepacked.Prepacked(torch.bfloat16 if precision == "bf16" else torch.float32)
    return Backend("cpu", reason, "cpu", precision, cast(Ops, cpu), frozen)


_NO_BF16 = "this processor has no fast bf16 (AVX-512 or Arm bf16)"


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
