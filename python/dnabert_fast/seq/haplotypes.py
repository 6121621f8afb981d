"""Which alleles stand together on a copy of a chromosome within a window, and the window's bases with all of them.

Knows no files and no scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import edits
from .batch import Windows
from .genotypes import MANY, UNKNOWN, Genotypes
from .types import I32, I64, U8, U16, Bool
from .variants import Alleles, Changes

__all__ = [
    "HAPLOTYPE_FLAGS",
    "UNSCORED_HAPLOTYPES",
    "Carriers",
    "HaplotypeFlag",
    "Haplotypes",
    "applied",
    "haplotypes_of",
]


U64: TypeAlias = NDArray[np.uint64]


class HaplotypeFlag(IntFlag):
    """What is to be known of a haplotype, written to its FLAG. Those that are not `scored` leave it without a score."""

    UNPHASED = 1  # not scored: which of two or more heterozygous alleles stand together is not known
    PHASE_SETS = 2  # not scored: the window's heterozygous alleles are phased, but not with each other
    POLYPLOID = 4  # not scored: a genotype of more than two copies
    MISSING = 8  # a genotype in the window is unknown; REF was taken
    OVERLAP = 16  # an allele that overlaps another one of the same copy was left out
    SPANNING = 32  # a deletion that begins before the window reaches into it
    UNUSABLE = 64  # an allele that has no bases, or none of the genome, was left out
    TRUNCATED = 128  # the window's end cuts an allele
    PUSHED_OUT = 256  # insertions before it have pushed an allele behind the window's end, and it was left out


UNSCORED_HAPLOTYPES = HaplotypeFlag.UNPHASED | HaplotypeFlag.PHASE_SETS | HaplotypeFlag.POLYPLOID
HAPLOTYPE_FLAGS = tuple(str(flag.name) for flag in HaplotypeFlag)


@dataclass(frozen=True)
class Carriers:
    """Alleles of one contig from left to right, and who carries them.

    start, deleted i64[v]: what each allele changes, inserted: its bases; usable bool[v]: those that can be applied;
    carried u8[v, s, 2]: which copies of each sample's chromosome have it; record i32[v]: the alleles of one record have
    one number; heterozygous, ordered bool[v, s] and phase_set i64[v, s]: of the record's genotype; unknown u8[v, s]:
    how many copies nobody knows, many bool[v, s]: more than two copies.
    """

    start: I64
    deleted: I64
    inserted: Windows
    usable: Bool
    carried: U8
    record: I32
    heterozygous: Bool
    ordered: Bool
    phase_set: I64
    unknown: U8
    many: Bool

    def __len__(self) -> int:
        return len(self.start)

    @property
    def reach(self) -> int:
        """Bases that the longest deletion takes."""
        return int(self.deleted[self.usable].max(initial=0))

    @staticmethod
    def of(alleles: Alleles, change: Changes, number: I32, genotypes: Genotypes, first_record: int) -> Carriers:
        """Of a unit's alleles: `number` i32[a] is each one's place among the ALTs of its record, from 1.

        Those that nobody carries are left out, unless a genotype of their record is unknown or of many copies. Alleles
        are sorted by where they begin to change the genome.
        """
        given = genotypes.carried[alleles.record]
        carried = (given == number[:, None, None]).astype(np.uint8)
        order = np.flatnonzero((carried > 0).any(axis=(1, 2)) | np.isin(given, (UNKNOWN, MANY)).any(axis=(1, 2)))
        order = order[np.argsort(change.start[order], kind="stable")]
        record = alleles.record[order]
        # An unknown copy counts as REF.
        first, second = (np.where(copy == UNKNOWN, 0, copy) for copy in np.moveaxis(genotypes.carried[record], 2, 0))
        return Carriers(
            change.start[order],
            change.deleted[order],
            change.inserted.take(order),
            alleles.scored[order],
            carried[order],
            record + np.int32(first_record),
            (first != second) & (first >= 0) & (second >= 0),
            genotypes.phased[record],
            genotypes.phase_set[record],
            (genotypes.carried[record] == UNKNOWN).sum(axis=2).astype(np.uint8),
            first == MANY,
        )

    def take(self, rows: I64) -> Carriers:
        """These alleles."""
        columns = {name: column[rows] for name, column in vars(self).items() if name != "inserted"}
        return Carriers(**columns, inserted=self.inserted.take(rows))

    @staticmethod
    def join(parts: list[Carriers]) -> Carriers:
        """The alleles of all parts, sorted anew: those of neighbouring units may have moved past each other."""
        names = [name for name in vars(parts[0]) if name != "inserted"]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        whole = Carriers(**columns, inserted=Windows.concatenate([part.inserted for part in parts]))
        return whole.take(np.argsort(whole.start, kind="stable"))


@dataclass(frozen=True)
class Haplotypes:
    """Haplotypes of windows, those of REF alone left out.

    window i64[h]: the row of each one's window, ascending; alleles i64[e] and offsets i64[h+1]: the rows of the alleles
    it is made of; copies: for each, the numbers 2 * sample + copy that carry it, i64; flags u16[h]: bits of
    HaplotypeFlag. Those that are not scored have no alleles: each stands for the copies of all samples with that flag.
    """

    window: I64
    alleles: I64
    offsets: I64
    copies: list[I64]
    flags: U16

    def __len__(self) -> int:
        return len(self.window)


def haplotypes_of(carriers: Carriers, start: I64, end: I64) -> Haplotypes:
    """The haplotypes of windows [start[i], end[i]) (i64[n] each, on the alleles' contig), copies with the same alleles
    as one.

    An allele is of a window where the first base it changes lies in it, or where its deletion reaches in from before.
    Bases that a deletion brings in from beyond the window's end are those of the genome.
    """
    samples = carriers.carried.shape[1]
    # Copies with the same alleles have the same sum of these; alleles of a window are a difference of running sums.
    keys = np.random.default_rng(0).integers(1, 1 << 63, len(carriers), dtype=np.uint64)
    running = np.zeros((len(carriers) + 1, 2 * samples), np.uint64)
    np.cumsum(carriers.carried.reshape(len(carriers), 2 * samples) * keys[:, None], axis=0, out=running[1:])
    first, last = np.searchsorted(carriers.start, start), np.searchsorted(carriers.start, end)
    reach = carriers.reach
    near = np.searchsorted(carriers.start, start - reach)
    found = _Found()
    for row in range(len(start)):
        before = np.arange(near[row], first[row])
        before = before[carriers.usable[before] & (carriers.start[before] + carriers.deleted[before] > start[row])]
        inside = np.arange(first[row], last[row])
        if not len(before) and not len(inside):
            continue
        key = running[last[row]] - running[first[row]]
        for allele in before.tolist():
            key = key + carriers.carried[allele].reshape(-1) * keys[allele]
        _window(found, carriers, row, before, inside, key, int(start[row]), int(end[row]))
    return found.made()


class _Found:
    def __init__(self) -> None:
        self.window: list[int] = []
        self.alleles: list[list[int]] = []
        self.copies: list[I64] = []
        self.flags: list[int] = []

    def add(self, window: int, alleles: list[int], copies: I64, flags: int) -> None:
        self.window.append(window)
        self.alleles.append(alleles)
        self.copies.append(copies)
        self.flags.append(flags)

    def made(self) -> Haplotypes:
        offsets = np.zeros(len(self.alleles) + 1, np.int64)
        np.cumsum([len(rows) for rows in self.alleles], out=offsets[1:])
        flat = np.array([row for rows in self.alleles for row in rows], np.int64)
        return Haplotypes(np.array(self.window, np.int64), flat, offsets, self.copies, np.array(self.flags, np.uint16))


def _window(
    found: _Found, carriers: Carriers, row: int, before: I64, inside: I64, key: U64, start: int, end: int
) -> None:
    """Add the haplotypes of one window."""
    alleles = np.concatenate([before, inside])
    unclear = _unclear(carriers, alleles)
    for flag in (HaplotypeFlag.POLYPLOID, HaplotypeFlag.UNPHASED, HaplotypeFlag.PHASE_SETS):
        samples = np.flatnonzero(unclear == flag)
        if len(samples):
            found.add(row, [], (2 * samples[:, None] + np.arange(2)).reshape(-1), int(flag))
    key = np.where(np.repeat(unclear != 0, 2), np.uint64(0), key)
    unknown = carriers.unknown[alleles].any(axis=0)
    different, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    for group in np.argsort(first).tolist():
        if different[group] == 0:
            continue
        copy = int(first[group])
        carried = alleles[carriers.carried[alleles, copy // 2, copy % 2] > 0]
        kept, flags = _fitting(carriers, carried.tolist(), start, end)
        copies = np.flatnonzero(inverse == group)
        if unknown[copies // 2].any():
            flags |= HaplotypeFlag.MISSING
        found.add(row, kept, copies, int(flags))


def _unclear(carriers: Carriers, alleles: I64) -> U8:
    """For each sample the flag that keeps its haplotypes of these alleles from being known, or 0; u8[s]."""
    # The alleles of a record share its genotype, which counts once.
    once = alleles[np.unique(carriers.record[alleles], return_index=True)[1]]
    heterozygous, ordered = carriers.heterozygous[once], carriers.ordered[once]
    several = heterozygous.sum(axis=0) > 1
    flags = np.zeros(heterozygous.shape[1], np.uint8)
    sets = carriers.phase_set[once]
    top, bottom = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    lowest, highest = np.where(heterozygous, sets, top).min(axis=0), np.where(heterozygous, sets, bottom).max(axis=0)
    flags[several & (lowest != highest)] = HaplotypeFlag.PHASE_SETS
    flags[several & (heterozygous & ~ordered).any(axis=0)] = HaplotypeFlag.UNPHASED
    flags[carriers.many[once].any(axis=0)] = HaplotypeFlag.POLYPLOID
    return flags


def _fitting(carriers: Carriers, alleles: list[int], start: int, end: int) -> tuple[list[int], HaplotypeFlag]:
    """Those of a copy's alleles, from left to right, that can be applied together, and flags that say what was."""
    kept: list[int] = []
    flags = HaplotypeFlag(0)
    reached, filled = -1, start
    for allele in alleles:
        at, deleted = int(carriers.start[allele]), int(carriers.deleted[allele])
        added = int(carriers.inserted.offsets[allele + 1] - carriers.inserted.offsets[allele])
        if not carriers.usable[allele]:
            flags |= HaplotypeFlag.UNUSABLE
            continue
        if at < reached:
            flags |= HaplotypeFlag.OVERLAP
            continue
        if at < start:
            flags |= HaplotypeFlag.SPANNING
            # What it takes and leaves before the window is not the window's.
            at, deleted, added = start, at + deleted - start, max(0, at + added - start)
        # Where the allele stands once those before it are applied.
        place = at + filled - start
        if place >= end:
            flags |= HaplotypeFlag.PUSHED_OUT
            continue
        if max(added, deleted) > end - place:
            flags |= HaplotypeFlag.TRUNCATED
        kept.append(allele)
        reached, filled = at + deleted, filled + added - deleted
    return kept, flags


def applied(carriers: Carriers, alleles: I64, offsets: I64, spans: Windows, start: I64, length: I64) -> Windows:
    """Windows of `length` bases (i64[h]) from `start` on, of which spans[i] is the genome, with all their alleles.

    The alleles of window i are the rows alleles[offsets[i]:offsets[i+1]], in order and apart. The span begins at the
    window's start and is longer than it by all that its alleles delete. What deletions reach in from before the window
    takes its first bases.
    """
    counts = np.diff(offsets)
    # From right to left, so that the places of those to come stay what they are.
    for step in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > step)
        allele = alleles[offsets[rows + 1] - 1 - step]
        at = carriers.start[allele] - start[rows]
        outside = np.maximum(-at, 0)
        deleted = carriers.deleted[allele] - outside
        inserted = carriers.inserted.take(allele)
        inserted = inserted.skip(np.minimum(outside, inserted.lengths))
        chosen = spans.take(rows)
        changed = edits.edit_windows(
            chosen, np.maximum(at, 0), deleted, inserted, chosen.lengths - deleted + inserted.lengths
        )
        spans = _replaced(spans, rows, changed)
    return Windows.from_spans(spans.bases, spans.offsets[:-1], spans.offsets[:-1] + length)


def _replaced(windows: Windows, rows: I64, others: Windows) -> Windows:
    """The windows with those of `rows` replaced."""
    which = np.arange(len(windows))
    which[rows] = len(windows) + np.arange(len(rows))
    return Windows.concatenate([windows, others]).take(which)
