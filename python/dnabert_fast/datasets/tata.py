"""TATA boxes: where a weight matrix finds them in sequences. Knows no genome and no promoter."""

from __future__ import annotations

import numpy as np

from ..seq.batch import Windows
from ..seq.types import F32, I64

__all__ = ["BOX", "NEAREST", "THRESHOLD", "UTMOST", "box_scores", "promoter_box"]

# Counts of A, C, G, T at the 15 positions of TBP's matrix MA0108.2 in JASPAR 2022 (CC BY 4.0), from 389 boxes.
_COUNTS = (
    (61, 145, 152, 31),
    (16, 46, 18, 309),
    (352, 0, 2, 35),
    (3, 10, 2, 374),
    (354, 0, 5, 30),
    (268, 0, 0, 121),
    (360, 3, 20, 6),
    (222, 2, 44, 121),
    (155, 44, 157, 33),
    (56, 135, 150, 48),
    (83, 147, 128, 31),
    (82, 127, 128, 52),
    (82, 118, 128, 61),
    (68, 107, 139, 75),
    (77, 101, 140, 71),
)
BOX = len(_COUNTS)
THRESHOLD = 4.0
UTMOST, NEAREST = -35, -20
"""A promoter's box has its first base from UTMOST to NEAREST before the TSS, and a score of at least THRESHOLD bits."""

_PSEUDOCOUNT = 0.8
_NEVER = -1e9


def _weights() -> F32:
    counts = np.array(_COUNTS, np.float64) + _PSEUDOCOUNT
    bits = np.log2(counts / counts.sum(axis=1, keepdims=True) / 0.25)
    return np.concatenate([bits, np.full((BOX, 1), _NEVER)], axis=1).astype(np.float32)


_WEIGHTS = _weights()
_CODES = np.full(256, 4, np.intp)
_CODES[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)


def box_scores(windows: Windows, length: int) -> F32:
    """How like a TATA box the 15 bases from each base on are, f32[n, length - 14], for windows of one length.

    The score is the sum over the positions of log2(share in the matrix / 0.25); an N makes it very low.
    """
    codes = _CODES[windows.bases].reshape(len(windows), length)
    places = max(0, length - BOX + 1)
    scores = np.zeros((len(windows), places), np.float32)
    for position in range(BOX if places else 0):
        scores += _WEIGHTS[position][codes[:, position : position + places]]
    return scores


def promoter_box(windows: Windows, length: int, tss: int) -> I64:
    """Where the best TATA box of each promoter window begins, as an offset from the TSS at base `tss`, i64[n].

    Only boxes that begin from -35 to -20 and score at least 4 bits count; 0 where there is none.
    """
    scores = box_scores(windows, length)[:, tss + UTMOST : tss + NEAREST + 1]
    if not len(scores):
        return np.empty(0, np.int64)
    best = scores.argmax(axis=1)
    there = scores[np.arange(len(scores)), best] >= THRESHOLD
    return np.where(there, best + UTMOST, 0)
