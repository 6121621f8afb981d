"""Score the haplotypes of samples in windows: alleles of a copy together, and each alone. Knows nothing of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..engine.meter import in_turn
from ..errors import FormatError
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.genotypes import Genotypes, genotypes
from ..seq.haplotypes import (
    HAPLOTYPE_FLAGS,
    UNSCORED_HAPLOTYPES,
    Carriers,
    HaplotypeFlag,
    Haplotypes,
    applied,
    haplotypes_of,
)
from ..seq.types import F32, F64, I32, I64, Bool
from ..seq.variants import FLAG_NAMES, Alleles, Changes, Flag, Placed, changes, check_reference, normalized, tiles
from ..seq.vcf_text import Records
from .variants import Asked, ChangeScorer, VariantOptions, alleles_of

__all__ = ["HaplotypeSummary", "HaplotypeUnit", "score_haplotypes"]

_UNIT_WINDOWS = 1024
_FARTHEST = 4096
"""Bases that an allele may move to the left. One that would move farther, past windows that are done, stays."""


@dataclass(frozen=True)
class HaplotypeUnit:
    """Scored haplotypes of windows of one contig.

    contig: row of `Genome.names`; start, end i64[n], reverse bool[n]: the windows; `fields` of the haplotypes as of
    `ChangeScorer`, f32[h], NaN for those without a score; alone f32[e]: for each allele of each haplotype the last of
    these fields, had it been the only one. `carriers` are the alleles that `haplotypes` counts.
    """

    contig: int
    start: I64
    end: I64
    reverse: Bool
    carriers: Carriers
    haplotypes: Haplotypes
    fields: dict[str, F32]
    alone: F32


@dataclass
class HaplotypeSummary:
    """What a run did: records and ALT alleles read, alleles that cannot be applied by their flag (see `variants.Flag`);
    windows with a haplotype other than REF, haplotypes of them, those with a score, and flags. Of the records
    `without_genotypes` have none that is known, and so no haplotype."""

    records: int = 0
    without_genotypes: int = 0
    alleles: int = 0
    usable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    windows_with_alleles: int = 0
    haplotypes: int = 0
    scored: int = 0
    several: int = 0
    flags: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, int | dict[str, int]]:
        """The counts as JSON can hold them; `several` are haplotypes of two alleles or more."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    def count(self, given: Genotypes, alleles: Alleles) -> None:
        """Count what was read."""
        self.records += len(given.carried)
        self.without_genotypes += int(np.count_nonzero((given.carried < 0).all(axis=(1, 2))))
        self.alleles += len(alleles)
        self.usable += int(np.count_nonzero(alleles.scored))
        for flag, name in zip(Flag, FLAG_NAMES, strict=True):
            if count := int(np.count_nonzero(alleles.flags & np.uint32(flag))):
                self.reasons[name] += count


@dataclass(frozen=True)
class _Ready:
    """Windows of a contig of which all alleles have been read."""

    contig: int
    start: I64
    end: I64
    reverse: Bool
    carriers: Carriers
    records: int


@dataclass(frozen=True)
class _Work:
    ready: _Ready
    haplotypes: Haplotypes
    rows: I64
    asked: Asked | None


def score_haplotypes(
    scorer: ChangeScorer,
    genome: Genome,
    units: Iterable[Records],
    samples: int,
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
    write: Callable[[HaplotypeUnit], None],
    options: VariantOptions,
    summary: HaplotypeSummary,
    *,
    progress: Callable[[int], None] = lambda records: None,
) -> HaplotypeSummary:
    """Score every haplotype of every window, each once whoever carries it, and hand units to `write` in genome order.

    Windows are those that `score_variants` gives the alleles, each once; or all of `options.regions` that hold one.
    Raises FormatError where the records are not sorted by contig and position.
    """
    progress = in_turn(progress)

    def read(ready: _Ready) -> _Work:
        found = haplotypes_of(ready.carriers, ready.start, ready.end)
        rows = np.flatnonzero((found.flags & np.uint8(UNSCORED_HAPLOTYPES)) == 0)
        rows = rows[np.diff(found.offsets)[rows] > 0]
        asked = scorer.prepare(_placed(genome, ready, found, rows)) if len(rows) else None
        return _Work(ready, found, rows, asked)

    def compute(work: _Work) -> Callable[[], HaplotypeUnit]:
        _count(summary, work)
        answer = None if work.asked is None else scorer.begin(work.asked, lambda share: None)

        def finish() -> HaplotypeUnit:
            progress(work.ready.records)
            return _scored(scorer, work, {} if answer is None else answer())

        return finish

    scorer.model.run(_ready(units, samples, genome, contig_of, options, summary), read, compute, write)
    return summary


def _placed(genome: Genome, ready: _Ready, found: Haplotypes, rows: I64) -> Placed:
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
    return HaplotypeUnit(ready.contig, ready.start, ready.end, ready.reverse, ready.carriers, found, fields, alone)


def _count(summary: HaplotypeSummary, work: _Work) -> None:
    found = work.haplotypes
    summary.windows_with_alleles += len(np.unique(found.window))
    summary.haplotypes += len(found)
    summary.scored += len(work.rows)
    summary.several += int(np.count_nonzero(np.diff(found.offsets) > 1))
    for flag, name in zip(HaplotypeFlag, HAPLOTYPE_FLAGS, strict=True):
        count = int(np.count_nonzero(found.flags & np.uint8(flag)))
        if count:
            summary.flags[name] += count


def _ready(
    units: Iterable[Records],
    samples: int,
    genome: Genome,
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
    options: VariantOptions,
    summary: HaplotypeSummary,
) -> Iterator[_Ready]:
    """Windows in genome order, as soon as no record to come can have an allele in them."""
    pending: _Pending | None = None
    seen: set[int] = set()
    records_before = 0
    for records in units:
        alleles, _ = alleles_of(records, contig_of)
        alleles = check_reference(alleles, genome, tolerate=options.ref_mismatch == "warn")
        given = genotypes(records, samples)
        change = _moved(alleles, genome) if options.normalize else changes(alleles)
        longest = np.maximum(change.deleted, change.inserted.lengths)
        alleles = alleles.flagged(longest > _longest_window(options), Flag.LONG_ALLELE)
        summary.count(given, alleles)
        carriers = Carriers.of(alleles, change, _numbers(alleles.record), given, records_before)
        contigs = _contigs(alleles, len(records))
        _need_order(records, contigs, pending, seen)
        for contig, part in _runs(contigs):
            if contig < 0:
                continue
            if pending is not None and pending.contig != contig:
                yield from pending.all()
                pending = None
            if pending is None:
                pending = _Pending(contig, genome, options)
                seen.add(contig)
            chosen = (carriers.record >= records_before + part.start) & (carriers.record < records_before + part.stop)
            pending.add(carriers.take(np.flatnonzero(chosen)), int(records.position[part.stop - 1]) - 1, len(part))
            yield from pending.complete()
        records_before += len(records)
    if pending is not None:
        yield from pending.all()


def _moved(alleles: Alleles, genome: Genome) -> Changes:
    """The change of each allele moved to the left, as far as windows wait for it."""
    change, moved = changes(alleles), normalized(alleles, genome)
    far = np.flatnonzero(moved.start < alleles.position - _FARTHEST)
    if not len(far):
        return moved
    which = np.arange(len(alleles))
    which[far] += len(alleles)
    start, deleted = np.concatenate([moved.start, change.start]), np.concatenate([moved.deleted, change.deleted])
    inserted = Windows.concatenate([moved.inserted, change.inserted])
    return Changes(start[which], deleted[which], inserted.take(which))


def _longest_window(options: VariantOptions) -> int:
    if options.regions is None:
        assert options.window is not None
        return options.window
    return int((options.regions.end - options.regions.start).max(initial=0))


class _Pending:
    """The alleles of a contig that windows may still want, and these windows."""

    def __init__(self, contig: int, genome: Genome, options: VariantOptions) -> None:
        self.contig = contig
        self.reached = -1
        self._options = options
        self._length = int(genome.lengths[contig])
        self._carriers: Carriers | None = None
        self._records = 0
        regions = options.regions
        self._windows = np.empty((0, 3), np.int64)
        if regions is not None:
            rows = np.flatnonzero(regions.contig == contig)
            self._windows = _windows(regions.start[rows], regions.end[rows], regions.reverse[rows])

    def add(self, carriers: Carriers, reached: int, records: int) -> None:
        """Take alleles of records up to base `reached`."""
        self.reached = reached
        self._records += records
        options = self._options
        if options.regions is None:
            assert options.window is not None
            at = carriers.start[carriers.usable]
            length = np.full(len(at), self._length)
            start = tiles(at, length, options.window) if options.tiled else at - options.window // 2
            more = _windows(start, start + options.window, np.zeros(len(at), np.bool_))
            self._windows = np.unique(np.concatenate([self._windows, more]), axis=0)
        else:
            carriers = carriers.take(np.flatnonzero(self._wanted(carriers)))
        self._carriers = carriers if self._carriers is None else Carriers.join([self._carriers, carriers])

    def _wanted(self, carriers: Carriers) -> Bool:
        """Alleles that lie in one of the regions, or reach into one: few where these are far between."""
        last = carriers.start + np.where(carriers.usable, np.maximum(carriers.deleted - 1, 0), 0)
        before = np.searchsorted(self._windows[:, 0], last, side="right")  # windows that begin up to its last base
        ends = np.maximum.accumulate(np.append(0, self._windows[:, 1]))
        found: Bool = ends[before] > carriers.start
        return found

    @property
    def _limit(self) -> int:
        """The base before which no allele to come begins."""
        # Alleles that are moved left come from records further on.
        return self.reached - (_FARTHEST if self._options.normalize else 0)

    def complete(self) -> Iterator[_Ready]:
        """The windows that no later record reaches, and no more of them than a unit has."""
        ends = self._windows[:, 1]
        late = np.flatnonzero(ends > self._limit)
        done = int(late[0]) if len(late) else len(ends)
        while done >= _UNIT_WINDOWS:
            yield self._taken(_UNIT_WINDOWS)
            done -= _UNIT_WINDOWS

    def all(self) -> Iterator[_Ready]:
        """The windows that are left."""
        while len(self._windows):
            yield self._taken(min(len(self._windows), _UNIT_WINDOWS))

    def _taken(self, count: int) -> _Ready:
        windows, self._windows = self._windows[:count], self._windows[count:]
        assert self._carriers is not None
        carriers = self._carriers
        reach = carriers.reach
        wanted = (carriers.start >= windows[0, 0] - reach) & (carriers.start < windows[:, 1].max())
        records, self._records = self._records, 0
        if len(self._windows):
            first = min(int(self._windows[0, 0]), self._limit - (self._options.window or 0))  # of windows to come too
            self._carriers = carriers.take(np.flatnonzero(carriers.start >= first - reach))
        chosen = carriers.take(np.flatnonzero(wanted))
        return _Ready(self.contig, windows[:, 0], windows[:, 1], windows[:, 2] > 0, chosen, records)


def _windows(start: I64, end: I64, reverse: Bool) -> I64:
    """Rows start, end, reverse of windows in order, each once."""
    found: I64 = np.unique(np.stack([start, end, reverse.astype(np.int64)], axis=1), axis=0)
    return found


def _numbers(record: I32) -> I32:
    """The place of each allele among those of its record, from 1."""
    first = np.flatnonzero(np.diff(record, prepend=-1))
    counts = np.diff(np.append(first, len(record)))
    return (np.arange(len(record)) - np.repeat(first, counts) + 1).astype(np.int32)


def _contigs(alleles: Alleles, records: int) -> I32:
    """The contig of each record; every record has an allele."""
    contig = np.empty(records, np.int32)
    contig[alleles.record] = alleles.contig
    return contig


def _runs(contigs: I32) -> Iterator[tuple[int, range]]:
    """Neighbouring records of one contig."""
    starts = np.flatnonzero(np.diff(contigs, prepend=-2)).tolist()
    for first, last in zip(starts, [*starts[1:], len(contigs)], strict=True):
        yield int(contigs[first]), range(first, last)


def _need_order(records: Records, contigs: I32, pending: _Pending | None, seen: set[int]) -> None:
    """Raise FormatError at the first record that is not where a sorted file would have it."""
    known, current = set(seen), pending.contig if pending is not None else None
    at = pending.reached if pending is not None else -1
    for contig, part in _runs(contigs):
        if contig < 0:
            continue
        if contig != current:
            again, at = contig in known, -1
            known.add(contig)
            current = contig
        else:
            again = False
        position = records.position[part.start : part.stop] - 1
        wrong = np.flatnonzero(np.diff(position, prepend=at) < 0)
        if again or len(wrong):
            record = part.start + (0 if again else int(wrong[0]))
            raise FormatError(
                f"{records.where(record)}: not sorted by contig and position, which haplotypes need; sort the file "
                "(bcftools sort)"
            )
        at = int(position[-1])
