"""Stretches of bases that a model attends to more than to the rest of their window. Plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DnabertError
from ..seq.types import F32, F64, I64, Bool

__all__ = ["Places", "Regions", "high_regions", "merged"]


@dataclass(frozen=True)
class Regions:
    """Stretches of windows, in order: bases start[i] to end[i] (half-open, from 0) of window[i]; all i64[r]."""

    window: I64
    start: I64
    end: I64

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class Places:
    """Stretches of a genome with a value each: contig, start, end i64[r], value f32[r]."""

    contig: I64
    start: I64
    end: I64
    value: F32

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64 | Bool) -> Places:
        """These stretches, in the order given."""
        return Places(self.contig[rows], self.start[rows], self.end[rows], self.value[rows])

    @staticmethod
    def concatenate(parts: Sequence[Places]) -> Places:
        """The stretches of all parts (one at least)."""
        columns = ((part.contig, part.start, part.end, part.value) for part in parts)
        return Places(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def high_regions(
    scores: F32, offsets: I64, min_length: int = 5, factor: float = 10.0, quantile: float | None = None
) -> Regions:
    """Runs of at least `min_length` high bases of windows scores[offsets[i]:offsets[i+1]].

    A base is high where its score is above the window's mean and above `factor` times its lowest score (Ji et al.
    2021); with a `quantile`, where it is above that quantile of the window's scores instead. Bases without a score
    (NaN) are never high and count for nothing. Raises DnabertError for a quantile outside 0 to 1 or a length below 1.
    """
    if min_length < 1:
        raise DnabertError(f"a region of {min_length} bases; give a length from 1 up")
    if quantile is not None and not 0 <= quantile <= 1:
        raise DnabertError(f"--quantile {quantile:g} is not between 0 and 1")
    lengths = np.diff(offsets)
    values = scores.astype(np.float64)
    window = np.repeat(np.arange(len(lengths)), lengths)
    if quantile is None:
        limit = np.maximum(*_mean_and_least(values, offsets, factor))
    else:
        limit = _quantiles(values, offsets, quantile)
    high = values > limit[window]  # NaN is not above anything
    first, last = np.ones(len(high), np.bool_), np.ones(len(high), np.bool_)
    first[1:] = ~high[:-1] | (window[1:] != window[:-1])
    last[:-1] = ~high[1:] | (window[1:] != window[:-1])
    starts, ends = np.flatnonzero(high & first), np.flatnonzero(high & last) + 1
    long = ends - starts >= min_length
    starts, ends = starts[long], ends[long]
    found = window[starts]
    return Regions(found, starts - offsets[found], ends - offsets[found])


def merged(places: Places) -> Places:
    """Stretches by contig and start, those that overlap or touch made one with the highest of their values."""
    if not len(places):
        return places
    places = places.take(np.lexsort((places.start, places.contig)))
    span = int(places.end.max()) + 2
    start = places.contig * span + places.start
    reach = np.maximum.accumulate(places.contig * span + places.end)
    first = np.flatnonzero(np.concatenate([[True], start[1:] > reach[:-1]]))
    last = np.append(first[1:], len(start)) - 1
    contig = places.contig[first]
    return Places(contig, places.start[first], reach[last] - contig * span, np.maximum.reduceat(places.value, first))


def _mean_and_least(values: F64, offsets: I64, factor: float) -> tuple[F64, F64]:
    """The mean of each window (infinite where it has no value), and `factor` times its least value."""
    filled, known = np.diff(offsets) > 0, ~np.isnan(values)
    starts = offsets[:-1][filled]
    mean, least = np.full(len(filled), np.inf), np.zeros(len(filled))
    if len(starts):
        count = np.add.reduceat(known.astype(np.int64), starts)
        sums = np.add.reduceat(np.where(known, values, 0.0), starts)
        mean[filled] = np.where(count > 0, sums / np.maximum(count, 1), np.inf)
        lowest = np.minimum.reduceat(np.where(known, values, np.inf), starts)
        least[filled] = np.where(count > 0, lowest, 0.0)
    return mean, factor * least


def _quantiles(values: F64, offsets: I64, quantile: float) -> F64:
    """That quantile of each window, linear between its values; infinite for windows without any."""
    limit = np.full(len(offsets) - 1, np.inf)
    lengths = np.diff(offsets)
    for length in np.unique(lengths[lengths > 0]):  # windows of one length are a matrix
        rows = np.flatnonzero(lengths == length)
        table = values[offsets[rows][:, None] + np.arange(length)]
        some = ~np.isnan(table).all(axis=1)
        limit[rows[some]] = np.nanquantile(table[some], quantile, axis=1)
    return limit
