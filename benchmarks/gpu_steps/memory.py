"""The kernels that memory bounds: bytes they must move a second, as a share of what a copy moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .bench import Bench
from .inputs import lengths, packed

TOKENS = 131_072


def memory(bench: Bench) -> None:
    """Each kernel on the states of 131,072 tokens of a 768-wide network, in turns with a copy of as many bytes."""
    tokens, hidden = sum(lengths(bench, "512", TOKENS)), bench.size(768, 32)
    source = torch.empty(bench.size(2**31, 2**12), dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    makers = (_norms, _gelus, _embeddings, _quantize, _training)
    for make in makers:
        with bench.part(make.__name__.strip("_")):
            cases = make(bench, tokens, hidden)
            runs: dict[str, Callable[[], object]] = {name: run for name, (run, _) in cases.items()}
            seconds = bench.in_turns({**runs, "copy": lambda: target.copy_(source)})
            ceiling = 2 * len(source) / seconds.pop("copy")
            for name, time in seconds.items():
                rate = cases[name][1] / time
                bench.record(name, rate / ceiling)
                bench.note(f"{name}: {rate / 1e9:.0f} GB/s of {ceiling / 1e9:.0f}")


Cases = dict[str, tuple[Callable[[], Any], float]]


def _draw(bench: Bench, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    return torch.randn(*shape, device=bench.device).to(dtype or bench.dtype)


def _norms(bench: Bench, tokens: int, hidden: int) -> Cases:
    from dnabert_fast.kernels.layer_norm import norm_step

    x, bias = _draw(bench, tokens, hidden), _draw(bench, hidden, dtype=torch.float32)
    cases: Cases = {}
    for stream in (torch.float32, bench.dtype):
        residual = _draw(bench, tokens, hidden, dtype=stream)
        second = 0 if stream is bench.dtype else bench.dtype.itemsize
        size = x.element_size() + 2 * stream.itemsize + second
        name = f"bias, sum, LayerNorm; residual in {_name(stream)}"
        run = partial(norm_step, x, bias, residual, bias, bias, 1e-12, stream, bench.dtype)
        cases[name] = run, size * x.numel()
    return cases


def _gelus(bench: Bench, tokens: int, hidden: int) -> Cases:
    from dnabert_fast.kernels.gelu import gelu_step

    y, bias = _draw(bench, tokens, 4 * hidden), _draw(bench, 4 * hidden, dtype=torch.float32)
    operands = {_name(bench.dtype): bench.dtype}
    if not bench.dry and torch.cuda.get_device_capability() >= (8, 9):
        operands["fp8"] = torch.float8_e4m3fn
    return {
        f"bias, GELU; to {name}": (
            lambda operand=operand: gelu_step(y, bias, operand),
            (y.element_size() + operand.itemsize) * y.numel(),
        )
        for name, operand in operands.items()
    }


def _embeddings(bench: Bench, tokens: int, hidden: int) -> Cases:
    from dnabert_fast.kernels.embedding import embed_bases_step, embed_ids_step

    pack = packed(bench, lengths(bench, "512", TOKENS), "all")
    layout = pack.arranged(False)
    tables = tuple(_draw(bench, rows, hidden, dtype=torch.float32) for rows in (4101, 512, 2))
    norm = tables[1][0], tables[1][1]
    codes = torch.randint(0, 4, (tokens + 8,), dtype=torch.uint8, device=bench.device)
    starts = layout.cu_seqlens[:-1].long()
    where = layout.cu_seqlens, layout.max_len
    written = (4 if bench.dtype is not torch.float32 else 0) + bench.dtype.itemsize
    rest = (tables, norm, 1e-12, torch.float32, bench.dtype)
    ids = layout.ids.to(torch.int32)
    return {
        "embedding from ids; the tables count as cached": (
            lambda: embed_ids_step(ids, *where, None, *rest),
            tokens * (hidden * written + ids.element_size()),
        ),
        "embedding from bases; likewise": (
            lambda: embed_bases_step(codes, starts, None, 6, *where, tokens, *rest),
            tokens * (hidden * written + 1),
        ),
    }


def _quantize(bench: Bench, tokens: int, hidden: int) -> Cases:
    from dnabert_fast.kernels.quantize import quantize_rows

    if not bench.dry and torch.cuda.get_device_capability() < (8, 9):
        return {}
    x = _draw(bench, tokens, hidden)
    return {"rows to fp8": (lambda: quantize_rows(x), (x.element_size() + 1) * x.numel())}


def _training(bench: Bench, tokens: int, hidden: int) -> Cases:
    from dnabert_fast.kernels.gelu import bias_gelu
    from dnabert_fast.kernels.layer_norm import residual_layer_norm

    size = bench.dtype.itemsize
    x, residual, y = (_draw(bench, tokens, width).requires_grad_() for width in (hidden, hidden, 4 * hidden))
    weight, wide = (_draw(bench, width, dtype=torch.float32).requires_grad_() for width in (hidden, 4 * hidden))
    normed = residual_layer_norm(x, residual, weight, weight, 1e-12, 0.1)
    raised = bias_gelu(y, wide)
    up, wide_up = torch.randn_like(normed), torch.randn_like(raised)

    def gradient(out: Tensor, leaves: tuple[Tensor, ...], upstream: Tensor) -> Callable[[], object]:
        return lambda: torch.autograd.grad(out, leaves, upstream, retain_graph=True)

    return {
        "dropout, sum, LayerNorm (training)": (
            lambda: residual_layer_norm(x, residual, weight, weight, 1e-12, 0.1),
            3 * size * x.numel(),
        ),
        "its gradients": (gradient(normed, (x, residual, weight), up), 5 * size * x.numel()),
        "gradients of bias, GELU": (gradient(raised, (y, wide), wide_up), 3 * size * y.numel()),
    }


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
