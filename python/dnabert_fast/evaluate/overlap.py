"""Which predicted regions answer for which rows. Arrays alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .weighted import F64, I64

__all__ = ["Spans", "best_overlap"]

_PLUS, _MINUS = ord("+"), ord("-")
_PAIRS = 1 << 22  # pairs of a row and a region looked at together


@dataclass(frozen=True)
class Spans:
    """Half-open regions: contig i64[n] (numbers of one list of names), start, end i64[n], strand u8[n] (+, - or .)."""

    contig: I64
    start: I64
    end: I64
    strand: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64 | NDArray[np.bool_]) -> Spans:
        """Some of the regions."""
        return Spans(self.contig[rows], self.start[rows], self.end[rows], self.strand[rows])


def best_overlap(rows: Spans, regions: Spans, scores: F64, share: float = 0.5) -> F64:
    """The highest score of the regions that answer for each row, float64 [rows]; minus infinity where none does.

    A region answers for a row where they have at least one base and `share` of each in common (0: one base is enough),
    and where they do not lie on different strands; "." lies on both. A share of 0.5 is the rule by which the promoter
    scans of Ji et al. 2021 were judged.
    """
    best = np.full(len(rows), -np.inf)
    if not len(regions):
        return best
    order = np.lexsort((regions.start, regions.contig))
    # One axis for all contigs, so that a region is found by one search; no region reaches into the next contig.
    low = min(int(rows.start.min(initial=0)), int(regions.start.min()))  # windows may begin before their contig
    stretch = int(max(rows.end.max(initial=0), regions.end.max())) - low + 1
    starts = (regions.contig * stretch + regions.start)[order]
    ends = (regions.contig * stretch + regions.end)[order]
    longest = int((ends - starts).max())
    row_starts, row_ends = rows.contig * stretch + rows.start, rows.contig * stretch + rows.end
    first = np.searchsorted(starts, row_starts - longest, side="left")
    last = np.maximum(first, np.searchsorted(starts, row_ends, side="left"))
    counts = last - first
    edges = np.searchsorted(np.cumsum(counts), np.arange(_PAIRS, counts.sum() + _PAIRS, _PAIRS))
    begin = 0
    for end in np.minimum(edges + 1, len(rows)):
        part = np.arange(begin, end)
        begin = int(end)
        row = np.repeat(part, counts[part])
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        at = first[row] + within
        common = np.minimum(row_ends[row], ends[at]) - np.maximum(row_starts[row], starts[at])
        needed = share * np.maximum(row_ends[row] - row_starts[row], ends[at] - starts[at])
        one, other = rows.strand[row], regions.strand[order[at]]
        opposite = ((one == _PLUS) & (other == _MINUS)) | ((one == _MINUS) & (other == _PLUS))
        answers = (common > 0) & (common >= needed) & ~opposite
        np.maximum.at(best, row[answers], scores[order[at[answers]]])
    return best
