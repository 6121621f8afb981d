"""Other tiles for attention than those of kernels/launch.py, timed: which rows of the table could be better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .bars import SHAPES
from .bench import Bench
from .inputs import lengths, packed

BETTER = 1.03
"""How many times as fast a tile must be before it is worth a row."""


def tune(bench: Bench) -> None:
    """Each of the three kernels on each mixture of lengths, the two others as they are."""
    for shape in SHAPES:
        for kernel in ("forward", "dquery", "dkey"):
            with bench.part(f"{kernel} {shape}"):
                _tune(bench, kernel, shape)


def _tune(bench: Bench, kernel: str, shape: str) -> None:
    from dnabert_fast.kernels import launch
    from dnabert_fast.kernels.attention import attention

    each = lengths(bench, shape, 131_072)
    heads, dim = bench.size(12, 2), bench.size(64, 32)
    layout = packed(bench, each, "all").arranged(False)
    qkv = torch.randn(sum(each), 3 * heads * dim, device=bench.device).to(bench.dtype).requires_grad_()

    def run() -> object:
        if kernel == "forward":
            with torch.no_grad():
                return attention(qkv, layout, heads, 0.0)
        return torch.autograd.grad(out, [qkv], upstream, retain_graph=True)

    out = attention(qkv, layout, heads, 0.0)
    upstream = torch.randn_like(out)
    with torch.no_grad():
        expected = attention(qkv, layout, heads, 0.0)
    with _launched(kernel, None) as asked:
        run()
    now, arch = asked[0], launch.arch_of(qkv.device)
    cases: dict[str, Callable[[], object]] = {_shown(now): run}
    for plan in _candidates(bench, launch.Launch, now):
        cases[_shown(plan)] = _with(kernel, plan, run)
    seconds = bench.in_turns(cases, turns=3)
    with torch.no_grad():
        assert torch.equal(attention(qkv, layout, heads, 0.0), expected), "a tile was not put back"
    best = min(seconds, key=seconds.__getitem__)
    gain = seconds[_shown(now)] / seconds[best]
    verdict = f"take {best}" if gain >= BETTER else "keep"
    bench.record(f"tune {kernel} {shape}", gain)
    times = ", ".join(f"{name} {time * 1e3:.3f} ms" for name, time in sorted(seconds.items(), key=lambda pair: pair[1]))
    bench.note(f"{kernel} on {arch}, {SHAPES[shape]}: {verdict} ({gain:.2f} times {_shown(now)}); {times}")


def _candidates(bench: Bench, make: Any, now: Any) -> list[Any]:
    """Tiles (queries, keys, warps, stages) to try besides the one there is."""
    sizes = [(128, 128, 8, 2), (128, 64, 8, 2), (128, 64, 8, 3), (128, 64, 4, 2), (128, 64, 4, 3), (128, 32, 4, 3)]
    sizes += [(64, 128, 4, 2), (64, 64, 4, 2), (64, 64, 4, 3), (64, 32, 4, 3), (32, 64, 4, 2)]
    if bench.dry:
        sizes = [(32, 16, 4, 2)]
    return [plan for plan in (make(*size) for size in sizes) if plan != now]


def _shown(plan: Any) -> str:
    return f"{plan.block_m}x{plan.block_n}, {plan.warps} warps, {plan.stages} stages"


def _with(kernel: str, plan: Any, run: Callable[[], object]) -> Callable[[], object]:
    def tried() -> object:
        with _launched(kernel, plan):
            return run()

    return tried


@contextmanager
def _launched(kernel: str, plan: Any) -> Iterator[list[Any]]:
    """The kernel takes this tile while the block runs (None: the table's); gives the tiles it takes."""
    from dnabert_fast.kernels import attention_backward, attention_forward

    home: Any = attention_forward if kernel == "forward" else attention_backward
    table, taken = home.attention_launch, []

    def launch(name: str, *rest: Any) -> Any:
        if name != kernel:
            return table(name, *rest)
        taken.append(plan or table(name, *rest))
        return taken[-1]

    home.attention_launch = launch
    try:
        yield taken
    finally:
        home.attention_launch = table
