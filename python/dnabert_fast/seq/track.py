"""Scores of overlapping windows as one number a base. Knows nothing of genomes or files."""

from __future__ import annotations

import numpy as np

from .. import _core
from .types import F32, I64

__all__ = ["overlap_mean"]


def overlap_mean(starts: I64, ends: I64, scores: F32, origin: int, length: int) -> F32:
    """The mean score, f32[length], of the windows that cover each base of [origin, origin + length); NaN where none.

    Sums are float64 and run in window order, so equal windows give equal bytes. Windows may reach beyond the stretch.
    """
    sums, counts = np.zeros(length, np.float64), np.zeros(length, np.int32)
    _core.overlap_add(
        np.ascontiguousarray(starts, np.int64),
        np.ascontiguousarray(ends, np.int64),
        np.ascontiguousarray(scores, np.float32),
        origin,
        sums,
        counts,
    )
    mean = np.full(length, np.nan, np.float32)
    np.divide(sums, counts, out=mean, where=counts > 0, casting="same_kind")
    return mean
