"""In how many sequences each of many strings occurs. Knows nothing of motifs."""

from __future__ import annotations

import numpy as np

from .. import _core
from .batch import Windows
from .types import I64, Bool

__all__ = ["count_containing"]


def count_containing(
    strings: Windows, windows: Windows, marked: Bool, both_strands: bool = True, threads: int = 1
) -> tuple[I64, I64]:
    """How many of n windows hold each of m strings at least once, i64[m], and how many of the `marked` bool[n] ones.

    With `both_strands` a window that holds the reverse complement holds the string. Any case, U as T; strings do not
    match over other letters. Raises ValueError for a string that is empty, has a letter besides A, C, G, T, or is equal
    to another one (with `both_strands`: to another's reverse complement).
    """
    total, of_marked = np.empty(len(strings), np.int64), np.empty(len(strings), np.int64)
    _core.count_containing(
        np.ascontiguousarray(strings.bases),
        strings.offsets,
        np.ascontiguousarray(windows.bases),
        windows.offsets,
        marked.astype(np.uint8),
        both_strands,
        total,
        of_marked,
        threads,
    )
    return total, of_marked
