"""How fast a device multiplies, against which a run's speed is told. Knows no network."""

from __future__ import annotations

import time

import torch

__all__ = ["product_rate"]

_TURNS = 4


def product_rate(device: str, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product of a dtype, measured now: the fastest of a few."""
    on_gpu = device.startswith("cuda")
    size = 8192 if on_gpu else 1024
    # Not constants: of those a GPU multiplies more, because they draw less power.
    a = torch.randn(size, size, device=device).to(dtype)
    fastest = float("inf")
    for _ in range(_TURNS):
        began = time.perf_counter()
        a @ a
        if on_gpu:
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest
