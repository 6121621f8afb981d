"""Whether what is drawn holds more marked ones than chance has it. Arrays in, p-values out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .packages import need

__all__ = ["hypergeometric_tail"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def hypergeometric_tail(hits: I64, drawn: I64, marked: int, total: int) -> F64:
    """P(X >= hits[i]) where drawn[i] of `total` are drawn at random and `marked` of them are marked; f64[m].

    0 stands for what is below 1e-308. Raises MissingExtra without scipy.
    """
    pairs, inverse = np.unique(np.stack([hits, drawn], axis=1), axis=0, return_inverse=True)
    tail = need("scipy.stats").hypergeom.sf(pairs[:, 0] - 1, total, marked, pairs[:, 1])
    found: F64 = np.clip(np.asarray(tail, np.float64), 0.0, 1.0)[inverse.reshape(-1)]
    return found
