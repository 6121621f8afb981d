"""Bits that are reasons, under the names they have in files: spelt and counted. Knows not what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .types import U16, U32

__all__ = ["count_flags", "spell_flags"]


def spell_flags(flags: int, names: Sequence[str]) -> str:
    """The names of the bits that are set, in their order, with & between them; "." where none is."""
    return "&".join(name for bit, name in enumerate(names) if flags >> bit & 1) or "."


def count_flags(flags: U16 | U32, names: Sequence[str]) -> Counter[str]:
    """How often each bit is set, by its name: bits of one name together, those that never are left out."""
    counts: Counter[str] = Counter()
    for bit, name in enumerate(names):
        if count := int(np.count_nonzero(flags & flags.dtype.type(1 << bit))):
            counts[name] += count
    return counts
