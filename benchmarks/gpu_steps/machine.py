"""The GPU and the versions, as a record keeps them; and the ceilings that shares are taken of."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .bench import Bench, brief


def facts(bench: Bench) -> dict[str, Any]:
    """Name, driver, versions."""
    found: dict[str, Any] = {"python": platform.python_version(), "torch": torch.__version__}
    for name in ("triton", "transformers", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    try:
        import dnabert_fast

        found["dnabert_fast"], found["from"] = dnabert_fast.__version__, str(dnabert_fast.__path__[0])
    except ImportError as error:
        found["dnabert_fast"] = f"not importable: {error}"
    if not bench.dry:
        properties = torch.cuda.get_device_properties(0)
        found["gpu"], found["memory_gib"] = properties.name, round(properties.total_memory / 2**30, 1)
        found["capability"] = f"{properties.major}.{properties.minor}"
        found["multiprocessors"] = properties.multi_processor_count
        found["cuda"], found["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
        found["state"] = _state()
    return found


def _state() -> str:
    """What the driver tells of the first GPU: clocks, temperature, power limit, what holds the clocks back."""
    try:
        from dnabert_fast.nn.device import gpus

        return str(next(iter(gpus()), "nothing"))
    except Exception as error:
        return f"unknown: {brief(error)}"


def ceilings(bench: Bench) -> None:
    """The fastest of each: products of random matrices in bf16 and fp8, and a copy."""
    size = bench.size(8192, 64)
    cases = {"bf16": product(bench, size)}
    if not bench.dry:
        small = [torch.randn(size, size, device="cuda").to(torch.float8_e4m3fn) for _ in range(2)]
        ones = torch.ones(size, 1, device="cuda"), torch.ones(1, size, device="cuda")
        cases["fp8"] = lambda: torch._scaled_mm(
            small[0], small[1].t(), *ones, out_dtype=torch.bfloat16, use_fast_accum=True
        )
    source, target = (torch.empty(bench.size(2**32, 2**12), dtype=torch.uint8, device=bench.device) for _ in range(2))
    cases["copy"] = lambda: target.copy_(source)
    seconds = bench.in_turns(cases, turns=8)
    for name in ("bf16", "fp8"):
        if name in seconds:
            bench.record(f"{name} TFLOP/s", 2 * size**3 / seconds[name] / 1e12)
    bench.record("copy TB/s", 2 * len(source) / seconds["copy"] / 1e12)


def product(bench: Bench, size: int) -> Any:
    """A product of random matrices: on zeros the clocks would be higher."""
    a, b = (torch.randn(size, size, device=bench.device).to(bench.dtype) for _ in range(2))
    return lambda: a @ b


def product_rate(bench: Bench, seconds: float) -> float:
    """Operations a second of `ceiling_case`, given the seconds of it."""
    return 2 * bench.size(8192, 64) ** 3 / seconds


def ceiling_case(bench: Bench) -> Any:
    """The product that shares are taken of, to be timed in turns with what is measured."""
    return product(bench, bench.size(8192, 64))
