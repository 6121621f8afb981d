"""The stretches of genomes that hold bases alone, less or within regions. Knows no samples, tokens or files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .. import _core
from ..errors import DnabertError
from .aliases import AliasTable, resolve
from .genome import Genome
from .types import I32, I64, Bool

__all__ = ["NamedRegions", "Places", "Runs", "clean_runs"]

_CHUNK = 1 << 24  # bases read at a time
_WHOLE = np.iinfo(np.int64).max  # the end of a region that is a contig from end to end


class NamedRegions(Protocol):
    """Regions as a BED file has them: contig i32[n] is a row of `contigs`, the names; start, end i64[n], half-open."""

    @property
    def contigs(self) -> tuple[str, ...]: ...
    @property
    def contig(self) -> I32: ...
    @property
    def start(self) -> I64: ...
    @property
    def end(self) -> I64: ...


@dataclass(frozen=True)
class Places:
    """NamedRegions of one's own, such as whole contigs."""

    contigs: tuple[str, ...]
    contig: I32
    start: I64
    end: I64

    @staticmethod
    def whole(names: Iterable[str]) -> Places:
        """Contigs from end to end; a genome has to have each of them."""
        contigs = tuple(names)
        n = len(contigs)
        return Places(contigs, np.arange(n, dtype=np.int32), np.zeros(n, np.int64), np.full(n, _WHOLE))

    def with_regions(self, other: NamedRegions) -> Places:
        """These and others."""
        return Places(
            (*self.contigs, *other.contigs),
            np.concatenate([self.contig, other.contig + np.int32(len(self.contigs))]),
            np.concatenate([self.start, other.start]),
            np.concatenate([self.end, other.end]),
        )


@dataclass(frozen=True)
class Runs:
    """Stretches of genomes in order, none of which touch: genome, contig i32[r] (rows of a genome's `names`), start,
    end i64[r]."""

    genome: I32
    contig: I32
    start: I64
    end: I64

    @property
    def edges(self) -> I64:
        """The runs side by side: i64[r+1], their borders from 0 to the number of all bases."""
        edges = np.zeros(len(self.start) + 1, np.int64)
        np.cumsum(self.end - self.start, out=edges[1:])
        return edges

    def at_least(self, bases: int) -> Runs:
        """Those that long."""
        kept = self.end - self.start >= bases
        return Runs(self.genome[kept], self.contig[kept], self.start[kept], self.end[kept])

    def within(self, genomes: Sequence[Genome], regions: NamedRegions) -> Runs:
        """The parts inside regions. DnabertError for regions of which no genome has a contig."""
        return self._cut(genomes, _on_line(genomes, regions))

    def without(self, genomes: Sequence[Genome], regions: NamedRegions) -> Runs:
        """The parts outside regions. DnabertError for regions of which no genome has a contig."""
        inside = _on_line(genomes, regions)
        outside = np.concatenate([[0], inside, [int(_line(genomes)[-1])]]).astype(np.int64)
        return self._cut(genomes, outside)

    def _cut(self, genomes: Sequence[Genome], borders: I64) -> Runs:
        """The parts inside [borders[0], borders[1]), [borders[2], borders[3]) ... of the line of all contigs."""
        line = _line(genomes)
        flat = _first_contig(genomes)[self.genome] + self.contig
        mine = np.stack([self.start + line[flat], self.end + line[flat]], axis=1).reshape(-1)
        at = np.concatenate([mine, borders])
        step = np.concatenate([np.tile([1, -1], len(mine) // 2), np.tile([1, -1], len(borders) // 2)])
        order = np.lexsort((step, at))  # ends before starts
        at, depth = at[order], np.cumsum(step[order])
        begins = np.flatnonzero((depth[:-1] == 2) & (at[1:] > at[:-1]))
        start, end = at[begins], at[begins + 1]
        contig = np.searchsorted(line, start, side="right") - 1
        genome = np.searchsorted(_first_contig(genomes), contig, side="right") - 1
        return Runs(
            genome.astype(np.int32),
            (contig - _first_contig(genomes)[genome]).astype(np.int32),
            start - line[contig],
            end - line[contig],
        )


def clean_runs(genomes: Sequence[Genome]) -> Runs:
    """The maximal runs of A, C, G, T and U, in either case, of all contigs: found by reading each genome once."""
    genome, contig, start, end = [], [], [], []
    for g, file in enumerate(genomes):
        for row in range(len(file.names)):
            begins, ends = _contig_runs(file, row)
            genome.append(np.full(len(begins), g, np.int32))
            contig.append(np.full(len(begins), row, np.int32))
            start.append(begins)
            end.append(ends)
    if not genome:
        raise DnabertError("there are no contigs to take samples from; give a genome")
    return Runs(np.concatenate(genome), np.concatenate(contig), np.concatenate(start), np.concatenate(end))


def _contig_runs(genome: Genome, row: int) -> tuple[I64, I64]:
    found = [np.empty(0, np.int64)]
    for first, last in _chunks(int(genome.lengths[row])):
        bases = genome.fetch(np.array([row], np.int32), np.array([first]), np.array([last])).bases
        found.append(_core.clean_runs(bases) + first)
    borders = np.concatenate(found)
    start, end = borders[::2], borders[1::2]
    # Runs of one chunk never touch; those that do were cut by the end of a chunk.
    apart = start[1:] != end[:-1]
    return start[np.append(True, apart)[: len(start)]], end[np.append(apart, True)[: len(end)]]


def _chunks(length: int) -> Iterator[tuple[int, int]]:
    for first in range(0, length, _CHUNK):
        yield first, min(first + _CHUNK, length)


def _first_contig(genomes: Sequence[Genome]) -> I64:
    """The number of each genome's first contig, all contigs of all genomes counted through."""
    return np.concatenate([[0], np.cumsum([len(genome.names) for genome in genomes])[:-1]]).astype(np.int64)


def _line(genomes: Sequence[Genome]) -> I64:
    """Where contigs begin on a line of all genomes, one base apart so that none touch, and where the line ends."""
    lengths = np.concatenate([genome.lengths for genome in genomes])
    return np.concatenate([[0], np.cumsum(lengths + 1)]).astype(np.int64)


def _on_line(genomes: Sequence[Genome], regions: NamedRegions) -> I64:
    """Borders of the union of regions on the line of all contigs: begin, end, begin, end ..."""
    line, first = _line(genomes), _first_contig(genomes)
    parts = []
    known = np.zeros(len(regions.contigs), np.bool_)
    for g, genome in enumerate(genomes):
        rows = np.array(resolve(regions.contigs, genome, AliasTable())[0], np.int64)
        known |= rows >= 0
        row = rows[regions.contig]
        there = row >= 0
        length = genome.lengths[row[there]]
        offset = line[first[g] + row[there]]
        start, end = np.minimum(regions.start[there], length), np.minimum(regions.end[there], length)
        parts.append(np.stack([start + offset, end + offset], axis=1)[end > start])
    _check_names(genomes, regions, known)
    spans = np.concatenate(parts)
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1]) if len(spans) else spans[:, 1]
    apart = spans[1:, 0] > reach[:-1]
    begin = spans[:, 0][np.append(True, apart)[: len(spans)]]
    end = reach[np.append(apart, True)[: len(spans)]]
    return np.stack([begin, end], axis=1).reshape(-1)


def _check_names(genomes: Sequence[Genome], regions: NamedRegions, known: Bool) -> None:
    """A contig asked for by name has to be there; of a file of regions, one of its contigs."""
    asked = np.zeros(len(known), np.bool_)
    asked[regions.contig[regions.end == _WHOLE]] = True
    missing = np.flatnonzero(asked & ~known)
    if not len(missing) and known.any():
        return
    name = regions.contigs[int(missing[0])] if len(missing) else ", ".join(regions.contigs[:3])
    has = ", ".join(genomes[0].names[:3]) if genomes else ""
    raise DnabertError(f"no genome has the contig {name}; its contigs are called {has} ...")
