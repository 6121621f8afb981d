"""The verb `info`: what this machine has and what dnabert_fast would use of it."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .. import __version__
from ..nn.backends import choose
from ..seq.cpu import cpu_features, kmer_level

__all__ = ["info"]

_PACKAGES = ("torch", "numpy", "pysam", "pybigtools", "safetensors", "pyarrow", "matplotlib", "triton")


def info() -> dict[str, Any]:
    """Facts of this machine: versions, processor, instruction sets, threads, devices, backend and the reason for it."""
    backend = choose("auto")
    return {
        "dnabert_fast": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instruction_sets": [name for name, there in cpu_features().items() if there],
        "kmer_kernel": kmer_level(),
        "torch_kernels": torch.backends.cpu.get_cpu_capability(),
        "backend": backend.name,
        "device": backend.device,
        "reason": backend.reason,
        "gpus": _gpus(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpus() -> list[dict[str, Any]]:
    """Name, memory and clock of each NVIDIA device, as NVML tells; an empty list where there is none."""
    if importlib.util.find_spec("pynvml") is None:
        return []
    import pynvml

    def told(ask: Callable[..., Any], *of: object) -> Any:
        """None for what the driver keeps to itself, as it does of a device that is shared out in slices."""
        try:
            return ask(*of)
        except pynvml.NVMLError:
            return None

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            {
                "name": told(pynvml.nvmlDeviceGetName, handle),
                "memory_bytes": told(lambda device: pynvml.nvmlDeviceGetMemoryInfo(device).total, handle),
                "sm_clock_mhz": told(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
                "driver": told(pynvml.nvmlSystemGetDriverVersion),
            }
            for handle in handles
        ]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
