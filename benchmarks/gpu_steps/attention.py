"""Attention of packed pieces against torch's: each backend of SDPA, nested tensors, varlen_attn.

The peer's tensors lie as it likes them best, padded beforehand where it wants padding; its best case is the one that
counts. What is computed is compared before it is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from .bars import SHAPES
from .bench import Bench
from .inputs import lengths, packed

Case = Callable[[], Tensor]

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def attention(bench: Bench) -> None:
    """Both ways, for each mixture of lengths."""
    for shape in SHAPES:
        with bench.part(shape):
            _shape(bench, shape)


def _shape(bench: Bench, shape: str) -> None:
    from dnabert_fast.kernels.attention import attention as packed_attention

    each = lengths(bench, shape, 131_072)
    heads, dim = bench.size(12, 2), bench.size(64, 32)
    layout = packed(bench, each, "all").arranged(False)
    drawn = torch.randn(sum(each), 3 * heads * dim, device=bench.device).to(bench.dtype)
    qkv = drawn.clone().requires_grad_()
    forward: dict[str, tuple[Case, list[Tensor]]] = {
        "ours": (lambda: packed_attention(qkv, layout, heads, 0.0), [qkv]),
        **_peers(drawn.view(-1, 3, heads, dim), each, layout),
    }
    _check(drawn.view(-1, 3, heads, dim), each, forward["ours"][0]())

    pairs = sum(length * length for length in each)
    with torch.no_grad():
        seconds = bench.in_turns({name: run for name, (run, _) in forward.items()})
    _compare(bench, "forward", shape, seconds, 4 * heads * dim * pairs)
    seconds = bench.in_turns(_backwards(bench, forward))
    _compare(bench, "backward", shape, seconds, 10 * heads * dim * pairs)


def _peers(qkv: Tensor, each: list[int], layout: Any) -> dict[str, tuple[Case, list[Tensor]]]:
    """torch's ways to compute it, with the tensors that gradients are taken of; qkv is [T, 3, heads, d]."""
    flat = [part.contiguous().requires_grad_() for part in qkv.unbind(1)]
    found: dict[str, tuple[Case, list[Tensor]]] = {}
    mask = None
    if len(set(each)) == 1:
        shape = (len(each), each[0], *qkv.shape[2:])
        padded = [part.detach().view(shape).transpose(1, 2).requires_grad_() for part in flat]
    else:
        inside = torch.arange(max(each), device=qkv.device)[None] < torch.tensor(each, device=qkv.device)[:, None]
        mask = inside[:, None, None]
        padded = []
        for part in flat:
            wide = part.new_zeros(len(each), max(each), *qkv.shape[2:])
            wide[inside] = part.detach()
            padded.append(wide.transpose(1, 2).requires_grad_())
        offsets = layout.cu_seqlens.long()
        found["nested"] = partial(_nested, flat, offsets, max(each)), flat
    for name, backend in BACKENDS.items():
        found[name] = partial(_sdpa, backend, padded, mask), padded
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return found
    bounds, most = layout.cu_seqlens, max(each)
    found["varlen"] = (lambda: varlen_attn(*flat, bounds, bounds, most, most)), flat
    return found


def _sdpa(backend: SDPBackend, qkv: list[Tensor], mask: Tensor | None) -> Tensor:
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(*qkv, attn_mask=mask)


def _nested(flat: list[Tensor], offsets: Tensor, most: int) -> Tensor:
    made = [torch.nested.nested_tensor_from_jagged(part, offsets, min_seqlen=1, max_seqlen=most) for part in flat]
    return F.scaled_dot_product_attention(*(part.transpose(1, 2) for part in made)).transpose(1, 2)


def _backwards(bench: Bench, forward: dict[str, tuple[Case, list[Tensor]]]) -> dict[str, Callable[[], object]]:
    """The gradients alone of each case that can be computed."""
    found: dict[str, Callable[[], object]] = {}
    for name, (run, leaves) in forward.items():
        try:
            out = run()
            found[name] = partial(torch.autograd.grad, out, leaves, torch.randn_like(out), retain_graph=True)
        except Exception as error:
            if name == "ours":
                raise
            bench.note(f"{name} has no backward here: {type(error).__name__}")
    return found


def _check(qkv: Tensor, each: list[int], found: Tensor) -> None:
    """The first pieces: no farther from fp64 than twice what torch is in the same dtype."""
    start = 0
    for length in each[:3]:
        part = qkv[start : start + length].permute(1, 2, 0, 3)
        exact = F.scaled_dot_product_attention(*part.double())
        theirs = F.scaled_dot_product_attention(*part).double() - exact
        ours = found[start : start + length].view(length, *qkv.shape[2:]).transpose(0, 1).double() - exact
        assert ours.abs().max() <= 2 * theirs.abs().max() + 1e-6, "attention differs from torch's"
        start += length


def _compare(bench: Bench, way: str, shape: str, seconds: dict[str, float], operations: float) -> None:
    ours = seconds.pop("ours")
    if seconds:
        best = min(seconds, key=seconds.__getitem__)
        bench.record(f"attention {way} {shape} / torch", seconds[best] / ours)
        times = ", ".join(f"{name} {time * 1e3:.3f} ms" for name, time in seconds.items())
        bench.note(f"attention {way} {shape}: ours {ours * 1e3:.3f} ms; {times}; the best is {best}")
    bench.record(f"attention {way} {shape} TFLOP/s", operations / ours / 1e12)
