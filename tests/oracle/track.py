"""Per-base means, one window and one base after the other."""

from __future__ import annotations

import numpy as np


def overlap_mean(starts: list[int], ends: list[int], scores: list[float], origin: int, length: int) -> list[float]:
    sums, counts = [0.0] * length, [0] * length
    for start, end, score in zip(starts, ends, scores, strict=True):
        for at in range(start - origin, end - origin):
            if 0 <= at < length:
                sums[at] += float(np.float32(score))
                counts[at] += 1
    return [float(np.float32(s / n)) if n else float("nan") for s, n in zip(sums, counts, strict=True)]
