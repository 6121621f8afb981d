"""Score the haplotypes of samples in windows: alleles of a copy together, and each alone. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..engine.meter import in_turn
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.haplotypes import UNSCORED_HAPLOTYPES, Carriers, Haplotypes, applied, haplotypes_of
from ..seq.types import F32, F64, I64, Bool
from ..seq.variants import Placed
from .carriers import HaplotypeSummary, Ready
from .variants import Asked, ChangeScorer

__all__ = ["HaplotypeUnit", "score_haplotypes"]


@dataclass(frozen=True)
class HaplotypeUnit:
    """Scored haplotypes of windows of one contig.

    contig: row of `Genome.names`; start, end i64[n], reverse bool[n]: the windows; `fields` of the haplotypes as of
    `ChangeScorer`, f32[h], NaN for those without a score; alone f32[e]: for each allele of each haplotype the last of
    these fields, had it been the only one. `carriers` are the alleles that `haplotypes` counts. `counts` are those of
    these windows and of what was read for them, `names` the contigs that were named there.
    """

    contig: int
    start: I64
    end: I64
    reverse: Bool
    carriers: Carriers
    haplotypes: Haplotypes
    fields: dict[str, F32]
    alone: F32
    names: tuple[str, ...]
    counts: HaplotypeSummary


@dataclass(frozen=True)
class _Work:
    ready: Ready
    haplotypes: Haplotypes
    rows: I64
    asked: Asked | None


def score_haplotypes(
    scorer: ChangeScorer,
    genome: Genome,
    units: Iterable[Ready],
    write: Callable[[HaplotypeUnit], None],
    *,
    progress: Callable[[int], None] = lambda records: None,
) -> None:
    """Score every haplotype of every window, each once whoever carries it, and hand units to `write` in their order."""
    progress = in_turn(progress)

    def read(ready: Ready) -> _Work:
        found = haplotypes_of(ready.carriers, ready.start, ready.end)
        rows = np.flatnonzero((found.flags & np.uint16(UNSCORED_HAPLOTYPES)) == 0)
        rows = rows[np.diff(found.offsets)[rows] > 0]
        asked = scorer.prepare(_placed(genome, ready, found, rows)) if len(rows) else None
        ready.since.counts.found(found, len(rows))
        return _Work(ready, found, rows, asked)

    def compute(work: _Work) -> Callable[[], HaplotypeUnit]:
        answer = None if work.asked is None else scorer.begin(work.asked, lambda share: None)

        def finish() -> HaplotypeUnit:
            progress(work.ready.since.counts.records)
            return _scored(scorer, work, {} if answer is None else answer())

        return finish

    scorer.model.run(units, read, compute, write)


def _placed(genome: Genome, ready: Ready, found: Haplotypes, rows: I64) -> Placed:
    """The haplotypes `rows` in their windows, then each allele of theirs alone, against the reference."""
    carriers = ready.carriers
    counts = np.diff(found.offsets)[rows]
    edges = _edges(found, rows)
    alleles = np.concatenate([found.alleles[edges], found.alleles[edges]])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([counts, np.ones(len(edges), np.int64)]))])
    window = np.concatenate([found.window[rows], np.repeat(found.window[rows], counts)])
    start, end = ready.start[window], ready.end[window]
    deleted = np.add.reduceat(carriers.deleted[alleles], offsets[:-1])
    contig = np.full(len(window), ready.contig, np.int32)
    spans = genome.fetch(contig, start, end + deleted)
    reference = Windows.from_spans(spans.bases, spans.offsets[:-1], spans.offsets[:-1] + end - start)
    alternative = applied(carriers, alleles, offsets, spans, start, end - start)
    nothing = np.zeros(len(window), np.int64)
    reverse = ready.reverse[window]
    return Placed(window, start, end, reference, alternative, reverse, nothing, nothing, nothing)


def _edges(found: Haplotypes, rows: I64) -> I64:
    """Where the alleles of these haplotypes stand in `found.alleles`."""
    counts = np.diff(found.offsets)[rows]
    ends = np.cumsum(counts)
    places: I64 = np.arange(int(ends[-1])) + np.repeat(found.offsets[rows] - (ends - counts), counts)
    return places


def _scored(scorer: ChangeScorer, work: _Work, values: dict[str, F64]) -> HaplotypeUnit:
    ready, found, rows = work.ready, work.haplotypes, work.rows
    fields: dict[str, F32] = {}
    alone = np.full(len(found.alleles), np.nan, np.float32)
    for name in scorer.meanings:
        column = np.full(len(found), np.nan, np.float32)
        if values:
            column[rows] = values[name][: len(rows)]
            alone[_edges(found, rows)] = values[name][len(rows) :]
        fields[name] = column
    return HaplotypeUnit(
        ready.contig, ready.start, ready.end, ready.reverse, ready.carriers, found, fields, alone,
        ready.since.names, ready.since.counts,
    )  # fmt: skip
