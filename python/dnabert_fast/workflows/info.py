"""The verb `info`: what this machine has and what dnabert_fast would use of it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .. import __version__
from ..nn.backends import choose
from ..nn.device import Gpu, gpus
from ..seq.cpu import cpu_features, kmer_level

__all__ = ["describe", "info", "package_versions"]

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
        "gpus": [gpu.facts() for gpu in gpus()],
        "packages": package_versions(),
    }


def package_versions() -> dict[str, str | None]:
    """The versions of the packages that results may depend on; None for one that is not installed."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe(gpu: dict[str, Any]) -> str:
    """One of the "gpus" that `info` gives, in a line."""
    return str(Gpu(**gpu))
