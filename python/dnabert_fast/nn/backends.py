"""Which implementation of the operations runs, and why. The only importer of kernels; knows no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor

from ..errors import BackendUnavailable
from ..kernels import cpu, int8, prepacked, reference
from ..kernels.frozen import Frozen, Linear, Norm, Operand, State

if TYPE_CHECKING:
    from ..kernels.layout import Layout

__all__ = [
    "MIN_ROWS",
    "PRECISIONS",
    "Backend",
    "Frozen",
    "Linear",
    "Norm",
    "Operand",
    "Ops",
    "State",
    "available",
    "choose",
    "triton_backend",
]

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "fp8")
MIN_ROWS = cpu.MIN_ROWS

# Fastest first, fp32 last.
_ON_CPU = ("int8", "bf16", "fp32")
# fp16 goes before bf16: a GPU multiplies both at one speed, and fp16 keeps three bits more.
_ON_GPU = ("fp8", "fp16", "bf16", "fp32")
_ELSEWHERE = {
    "int8": "int8 runs on processors",
    "fp16": "fp16 runs on GPUs",
    "fp8": "fp8 runs on GPUs of compute capability 8.9 and up",
}

_BACKENDS = ("auto", "cpu", "triton", "reference")
_DEVICES = "auto, cpu, cuda, or cuda:1 for a certain GPU"

# Compute capabilities: the least that the kernels are written for, and the first with fp8 products.
_LEAST, _LEAST_FP8 = (8, 0), (8, 9)
_TRITON = (3, 6), (3, 9)


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
    in bf16 (fp32 where there is none). `dimensions`: of a head that attention takes; empty where it takes any.
    """

    name: str
    reason: str
    device: str
    precision: str
    ops: Ops
    frozen: Frozen | None
    grouped: bool = True
    exceptions: tuple[str, ...] = ()
    dimensions: tuple[int, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., Backend], tuple[str, str, str, tuple[str, ...]]]:
        # Operations are modules, which cannot be copied or pickled: the choice is made again.
        return choose, (self.name, self.device, self.precision, self.exceptions)

    def __str__(self) -> str:
        return f"{self.name} ({self.precision}, {self.device}): {self.reason}"


def available(device: str = "auto") -> dict[str, str | None]:
    """Every precision, fastest first and fp32 last: None where the device has it, else why it has not.

    "auto" is what `choose` takes then. Raises BackendUnavailable where there is no such device.
    """
    _check_device(device)
    if _names_gpu(device):
        if (why := _why_no_gpu(device)) is not None:
            raise BackendUnavailable(f"device {device}: {why}; use --device cpu")
        return _on_gpu(_index(device))
    if device == "auto" and _why_no_gpu("cuda") is None:
        return _on_gpu(_index("cuda"))
    return _on_cpu()


def choose(
    name: str = "auto", device: str = "auto", precision: str = "fp32", exceptions: tuple[str, ...] = ()
) -> Backend:
    """The backend of a name (auto, cpu, triton, reference), a device (auto, cpu, cuda, cuda:1) and a precision.

    "auto" takes triton where a GPU can run it in that precision, else cpu; `available` tells the precisions. Raises
    BackendUnavailable with the reason where this machine does not have what is asked for.
    """
    if precision not in PRECISIONS:
        raise BackendUnavailable(f"no precision named {precision}; there are {', '.join(PRECISIONS)}")
    if name not in _BACKENDS:
        raise BackendUnavailable(f"no backend named {name}; there are {', '.join(_BACKENDS)}")
    _check_device(device)
    why = "the device is cpu"
    if name == "triton" or _names_gpu(device):
        return _asked_gpu(name, device, precision, exceptions)
    if name == "auto" and device == "auto":
        why_not = _why_no_gpu("cuda")
        if why_not is None and precision in _ON_GPU:
            return _gpu(_index("cuda"), precision, exceptions, "a GPU is there")
        why = why_not or _ELSEWHERE[precision]
    if name == "reference":
        if precision != "fp32":
            raise BackendUnavailable(f"the reference backend computes in fp32, not in {precision}")
        return Backend(name, "asked for", "cpu", precision, cast(Ops, reference), None)
    if (lack := _on_cpu()[precision]) is not None:
        raise BackendUnavailable(f"{lack}; use --precision fp32")
    reason = f"{'asked for' if name == 'cpu' else why}; {torch.backends.cpu.get_cpu_capability()}"
    # What int8 leaves in a higher precision is bf16 where that is fast.
    dtype = torch.bfloat16 if precision == "bf16" or (precision == "int8" and _has_bf16()) else torch.float32
    frozen = int8.Int8(exceptions, dtype) if precision == "int8" else prepacked.Prepacked(dtype)
    return Backend("cpu", reason, "cpu", precision, cast(Ops, cpu), frozen, exceptions=exceptions)


def triton_backend(
    device: str,
    precision: str,
    reason: str,
    exceptions: tuple[str, ...] = (),
    stream: torch.dtype = torch.float32,
) -> Backend:
    """Triton's kernels on a device in a precision, whether or not the device can run them.

    `stream` is the dtype of the residual when frozen. Training runs in the precision too, in bf16 for fp8.
    """
    from ..kernels import gpu, gpu_frozen

    frozen: Frozen
    if precision == "fp8":
        ops, frozen = gpu.TritonOps(torch.bfloat16), gpu_frozen.Fp8(stream=stream, exceptions=exceptions)
    else:
        dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        ops, frozen = gpu.TritonOps(dtype), gpu_frozen.Fused(dtype, stream)
    return Backend("triton", reason, device, precision, ops, frozen, False, exceptions, gpu.DIMENSIONS)


def _asked_gpu(name: str, device: str, precision: str, exceptions: tuple[str, ...]) -> Backend:
    wanted = f"device {device}" if _names_gpu(device) else f"backend {name}"
    if name in ("cpu", "reference") or device == "cpu":
        raise BackendUnavailable(f"backend {name} does not run on device {device}; leave one of them out")
    named = device if _names_gpu(device) else "cuda"
    if (why := _why_no_gpu(named)) is not None:
        raise BackendUnavailable(f"{wanted}: {why}; use --device cpu")
    return _gpu(_index(named), precision, exceptions, "asked for")


def _gpu(index: int, precision: str, exceptions: tuple[str, ...], reason: str) -> Backend:
    if (lack := _lack(index, precision)) is not None:
        raise BackendUnavailable(f"{lack}; use --precision fp16")
    reason = f"{reason}; {_told(index)}, Triton {_triton()}"
    return triton_backend(f"cuda:{index}", precision, reason, exceptions)


def _on_cpu() -> dict[str, str | None]:
    lacking = {"int8": int8.why_not(), "bf16": None if _has_bf16() else _NO_BF16}
    there = {name: lacking.get(name) for name in _ON_CPU}
    return {**there, **{name: why for name, why in _ELSEWHERE.items() if name not in there}}


def _on_gpu(index: int) -> dict[str, str | None]:
    others = (name for name in PRECISIONS if name not in _ON_GPU)
    return {name: _lack(index, name) for name in (*_ON_GPU, *others)}


def _lack(index: int, precision: str) -> str | None:
    """Why a GPU does not have a precision; None where it has."""
    if precision not in _ON_GPU:
        return _ELSEWHERE[precision]
    if precision != "fp8":
        return None
    if torch.cuda.get_device_capability(index) < _LEAST_FP8:
        return f"{_ELSEWHERE['fp8']}; {_told(index)}"
    from ..kernels import gpu_frozen

    why = gpu_frozen.refusal(f"cuda:{index}")
    return None if why is None else f"torch {torch.__version__} multiplies no fp8 here ({why}); {_told(index)}"


_NO_BF16 = "this processor has no fast bf16 (AVX-512 or Arm bf16)"


def _has_bf16() -> bool:
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def _check_device(device: str) -> None:
    if device not in ("auto", "cpu") and not _names_gpu(device):
        raise BackendUnavailable(f"no device named {device}; there are {_DEVICES}")


def _names_gpu(device: str) -> bool:
    kind, colon, number = device.partition(":")
    return kind == "cuda" and (number.isdecimal() if colon else True)


def _index(device: str) -> int:
    number = device.partition(":")[2]
    return int(number) if number else torch.cuda.current_device()


def _told(index: int) -> str:
    """A GPU's name and compute capability, as messages have them."""
    major, minor = torch.cuda.get_device_capability(index)
    return f"{torch.cuda.get_device_name(index)} has {major}.{minor}"


def _why_no_gpu(device: str) -> str | None:
    """Why a GPU cannot be used; None where it can."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not torch.cuda.is_available():
        return "there is no CUDA device on this machine"
    index, count = _index(device), torch.cuda.device_count()
    if index >= count:
        return f"there is no GPU {index} on this machine; it has {count}, counted from 0"
    if torch.cuda.get_device_capability(index) < _LEAST:
        return f"compute capability {_LEAST[0]}.{_LEAST[1]} is the least; {_told(index)}"
    installed = _triton()
    if installed is None:
        return "triton is not installed; pip install 'dnabert-fast[gpu]'"
    if not _TRITON[0] <= tuple(map(int, installed.split(".")[:2])) <= _TRITON[1]:
        low, high = (".".join(map(str, each)) for each in _TRITON)
        return (
            f"triton {installed} is installed, but the kernels are for {low} to {high}; pip install 'dnabert-fast[gpu]'"
        )
    return None


def _triton() -> str | None:
    """The version that is installed; nothing is imported."""
    try:
        return version("triton")
    except PackageNotFoundError:
        return None
