"""What the row-wise kernels share: the shape of a tile, LayerNorm's statistics, fp8, storing a state. No launches."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import Ahead

__all__ = ["GROUPS", "Tile", "compiled", "dense", "moments", "norm_gradient", "store_state", "tile", "to_fp8"]

# Programs that sum over rows (gradients of weights) and so partial sums: about four on each processor of a large GPU.
GROUPS = 512

# How a kernel's signature calls a tensor's dtype, and its numbers.
TYPES = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.float8_e4m3fn: "*fp8e4nv",
    torch.uint8: "*u8",
    torch.uint16: "*u16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
SCALARS = {"tokens": "i32", "seed": "i32", "limit": "i32", "keep_scale": "fp32", "eps": "fp32"}
STAGES = 3  # Triton's own default: no loop here is pipelined


@dataclass(frozen=True)
class Tile:
    """`rows` whole rows of `width` elements, padded to `block`, by `warps` warps."""

    width: int
    block: int
    rows: int
    warps: int

    @property
    def sizes(self) -> dict[str, int]:
        """The compile-time arguments that every kernel over such tiles takes."""
        return {"H": self.width, "BLOCK": self.block, "ROWS": self.rows}


def tile(width: int, elements: int = 2048) -> Tile:
    """A tile of about `elements` elements: enough loads in flight to be bound by memory, few enough for registers."""
    block = max(16, triton.next_power_of_2(width))
    return Tile(width, block, max(1, min(64, elements // block)), 8 if block > 2048 else 4)


def dense(x: Tensor) -> Tensor:
    """The same numbers, row after row without gaps (a copy only where they are not so already)."""
    return x if x.is_contiguous() else x.contiguous()


def compiled(kernel: Any, plan: Tile, tensors: dict[str, torch.dtype], **constants: Any) -> Ahead:
    """A launch of `kernel` over such tiles, for compilation ahead of time; a tensor without a dtype is not given."""
    constexprs: dict[str, object] = {}
    signature: dict[str, str] = {}
    for name in kernel.arg_names:
        if name in tensors:
            signature[name] = TYPES[tensors[name]]
        elif name in SCALARS:
            signature[name] = SCALARS[name]
        else:
            constexprs[name] = {**plan.sizes, **constants}.get(name)
    shown = [f"{name}={TYPES[dtype][1:]}" for name, dtype in tensors.items() if name in signature]
    shown += [f"{name}={value}" for name, value in constants.items()]
    label = f"{kernel.__name__}[{plan.width}; {', '.join(shown)}]"
    return Ahead(kernel, label, signature, constexprs, warps=plan.warps, stages=STAGES)


@triton.jit
def moments(x, inside, eps, H: tl.constexpr):
    """Mean and 1 / standard deviation [ROWS] of x fp32 [ROWS, BLOCK], which is 0 where `inside` [1, BLOCK] is not."""
    mean = tl.sum(x, 1) / H
    # In two passes over registers: E[x^2] - E[x]^2 would cancel.
    centred = tl.where(inside, x - mean[:, None], 0.0)
    return mean, tl.rsqrt(tl.sum(centred * centred, 1) / H + eps)


@triton.jit
def norm_gradient(normal, dy, weight, inside, rstd, H: tl.constexpr):
    """Gradient [ROWS, BLOCK] of what was normalised to `normal`, from that of the LayerNorm's output; 0 outside."""
    scaled = dy * weight[None, :]
    along = tl.sum(scaled * normal, 1) / H
    mean = tl.sum(scaled, 1) / H
    return tl.where(inside, (scaled - mean[:, None] - normal * along[:, None]) * rstd[:, None], 0.0)


@triton.jit
def to_fp8(y):
    """fp8 e4m3 [ROWS, BLOCK] and fp32 scales [ROWS] of y fp32: each row's largest magnitude becomes 448."""
    largest = tl.max(tl.abs(y), 1)
    scale = tl.where(largest > 0, tl.div_rn(largest, 448.0), 1.0)
    return (y * tl.div_rn(1.0, scale)[:, None]).to(tl.float8e4nv), scale


@triton.jit
def store_state(y, stream, operand, scale, row, at, inside, row_inside):
    """Writes y fp32 [ROWS, BLOCK] to `stream`; to `operand` too unless it is None: with `scale`, in fp8."""
    tl.store(stream + at, y.to(stream.dtype.element_ty), mask=inside)
    if scale is not None:
        small, scales = to_fp8(y)
        tl.store(operand + at, small, mask=inside)
        tl.store(scale + row, scales, mask=row_inside)
    elif operand is not None:
        tl.store(operand + at, y.to(operand.dtype.element_ty), mask=inside)
