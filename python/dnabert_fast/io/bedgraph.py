"""Per-base tracks as BGZF bedGraph with a tabix index. Knows nothing of how the values came about."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from ..seq.table import format_table
from ..seq.types import F32
from .bgzf import UnitsFile, publish_index
from .columns import repeated
from .runs import GenomeOrder, runs

__all__ = ["BedGraphSink"]


class BedGraphSink(UnitsFile):
    """A track as runs of equal values: contig, start, end (0-based, half-open), value of 6 significant digits.

    `contigs` gives the length of every contig. Bases without a value (NaN) have no line. `part` as of UnitsFile.
    Source: the bedGraph format of the UCSC genome browser.
    """

    def __init__(self, path: str | Path, contigs: Mapping[str, int], *, part: bool = False) -> None:
        super().__init__(path, compressed=True, part=part)
        self._order = GenomeOrder(contigs)
        self._longest = max(contigs.values(), default=0)

    def write(self, contig: str, start: int, values: F32) -> None:
        """Write values f32[L] of the bases from `start` on; stretches come in genome order."""
        self._order.check(contig, start, len(values))
        begins, ends, value = runs(start, values)
        self._put(format_table([repeated(contig, len(begins)), begins, ends, value]))

    def _index(self, afterwards: ExitStack) -> None:
        publish_index(self.partial, self.path, "bed", afterwards, longest=self._longest)
