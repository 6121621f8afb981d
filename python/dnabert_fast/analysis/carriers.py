"""Windows of samples' chromosomes, each known once all of its alleles have been read. Knows no scores and no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import FormatError
from ..seq.batch import Windows
from ..seq.flags import count_flags
from ..seq.genome import Genome
from ..seq.genotypes import Genotypes, genotypes
from ..seq.haplotypes import HAPLOTYPE_FLAGS, Carriers, Haplotypes
from ..seq.types import I32, I64, Bool
from ..seq.variants import FLAG_NAMES, Alleles, Changes, Flag, changes, check_reference, normalized, tiles
from ..seq.vcf_text import Records
from .variants import VariantOptions, alleles_of

__all__ = ["HaplotypeSummary", "Ready", "ready_windows"]

_UNIT_WINDOWS = 1024
_FARTHEST = 4096
"""Bases that an allele may move to the left. One that would move farther, past windows that are done, stays."""


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

    def read(self, given: Genotypes, alleles: Alleles) -> None:
        """Count what was read."""
        self.records += len(given.carried)
        self.without_genotypes += int(np.count_nonzero((given.carried < 0).all(axis=(1, 2))))
        self.alleles += len(alleles)
        self.usable += int(np.count_nonzero(alleles.scored))
        self.reasons += count_flags(alleles.flags, FLAG_NAMES)

    def found(self, haplotypes: Haplotypes, scored: int) -> None:
        """Count the haplotypes of windows, so many of which have a score."""
        self.windows_with_alleles += len(np.unique(haplotypes.window))
        self.haplotypes += len(haplotypes)
        self.scored += scored
        self.several += int(np.count_nonzero(np.diff(haplotypes.offsets) > 1))
        self.flags += count_flags(haplotypes.flags, HAPLOTYPE_FLAGS)


@dataclass
class Since:
    """What was read since the windows before were known: up to which section of the file, names of contigs, counts."""

    section: int = 0
    names: tuple[str, ...] = ()
    counts: HaplotypeSummary = field(default_factory=HaplotypeSummary)


@dataclass(frozen=True)
class Ready:
    """Windows of a contig of which all alleles have been read; none where what was read has no more windows."""

    contig: int
    start: I64
    end: I64
    reverse: Bool
    carriers: Carriers
    since: Since = field(default_factory=Since)


def ready_windows(
    units: Iterable[Records],
    samples: int,
    genome: Genome,
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
    options: VariantOptions,
) -> Iterator[Ready]:
    """Windows in genome order, in units that do not depend on those of the records, once all their alleles are read.

    Windows are those that `score_variants` gives the alleles, each once; or all of `options.regions` that hold one.
    What is read after the last window is told of in a unit without windows. Raises FormatError where the records are
    not sorted by contig and position.
    """
    since = Since()

    def resolved(names: list[str]) -> tuple[list[int], dict[str, str]]:
        since.names = tuple(dict.fromkeys((*since.names, *names)))
        return contig_of(names)

    reader = _Reader(samples, genome, resolved, options)
    for records in units:
        since.section = records.section
        for ready in reader.read(records, since.counts):
            yield replace(ready, since=since)
            since = Since(records.section)
    for ready in reader.rest():
        yield replace(ready, since=since)
        since = Since(since.section)
    if since.counts.records and reader.none is not None:
        none = np.empty(0, np.int64)
        yield Ready(0, none, none, none > 0, reader.none, since)


class _Reader:
    """Takes records in the order of the file, and gives windows once all their alleles have come.

    `none` are no alleles, of as many samples as there are; None before any record.
    """

    def __init__(
        self,
        samples: int,
        genome: Genome,
        contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
        options: VariantOptions,
    ) -> None:
        self.none: Carriers | None = None
        self._samples, self._genome, self._contig_of, self._options = samples, genome, contig_of, options
        self._pending: _Pending | None = None
        self._seen: set[int] = set()
        self._records = 0

    def read(self, records: Records, counts: HaplotypeSummary) -> Iterator[Ready]:
        """Take in a unit of records, and count it."""
        carriers, contigs = self._carriers(records, counts)
        self.none = carriers.take(np.empty(0, np.int64))
        _need_order(records, contigs, self._pending, self._seen)
        before = self._records
        self._records += len(records)
        for contig, part in _runs(contigs):
            if contig < 0:
                continue
            if self._pending is not None and self._pending.contig != contig:
                yield from self.rest()
            if self._pending is None:
                self._pending = _Pending(contig, self._genome, self._options)
                self._seen.add(contig)
            chosen = (carriers.record >= before + part.start) & (carriers.record < before + part.stop)
            self._pending.add(carriers.take(np.flatnonzero(chosen)), int(records.position[part.stop - 1]) - 1)
            yield from self._pending.complete()

    def rest(self) -> Iterator[Ready]:
        """The windows that are left of the contig."""
        if self._pending is not None:
            yield from self._pending.all()
        self._pending = None

    def _carriers(self, records: Records, counts: HaplotypeSummary) -> tuple[Carriers, I32]:
        """Who carries the alleles of a unit, and the contig of each record."""
        alleles, _ = alleles_of(records, self._contig_of)
        alleles = check_reference(alleles, self._genome, tolerate=self._options.ref_mismatch == "warn")
        given = genotypes(records, self._samples)
        change = _moved(alleles, self._genome) if self._options.normalize else changes(alleles)
        longest = np.maximum(change.deleted, change.inserted.lengths)
        alleles = alleles.flagged(longest > _longest_window(self._options), Flag.LONG_ALLELE)
        counts.read(given, alleles)
        carriers = Carriers.of(alleles, change, _numbers(alleles.record), given, self._records)
        return carriers, _contigs(alleles, len(records))


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
        regions = options.regions
        self._windows = np.empty((0, 3), np.int64)
        if regions is not None:
            rows = np.flatnonzero(regions.contig == contig)
            self._windows = _windows(regions.start[rows], regions.end[rows], regions.reverse[rows])

    def add(self, carriers: Carriers, reached: int) -> None:
        """Take alleles of records up to base `reached`."""
        self.reached = reached
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

    def complete(self) -> Iterator[Ready]:
        """The windows that no later record reaches, and no more of them than a unit has."""
        ends = self._windows[:, 1]
        late = np.flatnonzero(ends > self._limit)
        done = int(late[0]) if len(late) else len(ends)
        while done >= _UNIT_WINDOWS:
            yield self._taken(_UNIT_WINDOWS)
            done -= _UNIT_WINDOWS

    def all(self) -> Iterator[Ready]:
        """The windows that are left."""
        while len(self._windows):
            yield self._taken(min(len(self._windows), _UNIT_WINDOWS))

    def _taken(self, count: int) -> Ready:
        windows, self._windows = self._windows[:count], self._windows[count:]
        assert self._carriers is not None
        carriers = self._carriers
        reach = carriers.reach
        wanted = (carriers.start >= windows[0, 0] - reach) & (carriers.start < windows[:, 1].max())
        if len(self._windows):
            first = min(int(self._windows[0, 0]), self._limit - (self._options.window or 0))  # of windows to come too
            self._carriers = carriers.take(np.flatnonzero(carriers.start >= first - reach))
        chosen = carriers.take(np.flatnonzero(wanted))
        return Ready(self.contig, windows[:, 0], windows[:, 1], windows[:, 2] > 0, chosen)


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
