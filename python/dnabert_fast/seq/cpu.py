"""What the processor offers and what the k-mer kernel takes of it."""

from __future__ import annotations

from .. import _core

__all__ = ["cpu_features", "kmer_level"]


def cpu_features() -> dict[str, bool]:
    """Instruction sets this processor has, by name."""
    return _core.cpu_features()


def kmer_level() -> str:
    """The instruction set the k-mer kernel runs on."""
    return _core.kmer_level()
