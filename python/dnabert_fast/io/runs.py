"""Runs of equal values of a per-base track, and the order tracks are written in. Knows no file format."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..seq.types import F32, I64

__all__ = ["GenomeOrder", "runs"]


def runs(start: int, values: F32) -> tuple[I64, I64, F32]:
    """The runs of equal values f32[L] from base `start` on: starts i64[n], ends i64[n], value f32[n]; NaN has none."""
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    there = ~np.isnan(values)
    differs = (values[1:] != values[:-1]) & (there[1:] | there[:-1])
    begins = np.concatenate([[0], np.flatnonzero(differs) + 1]).astype(np.int64)
    ends = np.append(begins[1:], len(values))
    kept = there[begins]
    return begins[kept] + start, ends[kept] + start, values[begins[kept]]


class GenomeOrder:
    """Holds that a track comes contig after contig, each from left to right and inside its length."""

    def __init__(self, contigs: Mapping[str, int]) -> None:
        self._contigs = contigs
        self._seen: set[str] = set()
        self._contig: str | None = None
        self._end = 0

    def check(self, contig: str, start: int, length: int) -> None:
        """Raises ValueError for a stretch that is out of order or outside its contig: the caller's mistake."""
        if contig != self._contig:
            if contig in self._seen:
                raise ValueError(f"{contig} comes twice; a track is written contig after contig")
            self._seen.add(contig)
            self._contig, self._end = contig, 0
        if start < self._end or start + length > self._contigs[contig]:
            raise ValueError(
                f"{contig}:{start}-{start + length} does not follow base {self._end} inside {self._contigs[contig]}"
            )
        self._end = start + length
