"""ALT alleles as arrays: what each changes, why it has no score, and its window with the change made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np

from . import edits
from .batch import Windows
from .genome import Genome
from .types import I32, I64, U8, U32, Bool

__all__ = [
    "FLAG_NAMES",
    "UNSCORED",
    "Alleles",
    "Changes",
    "Flag",
    "Placed",
    "Regions",
    "changes",
    "check_reference",
    "normalized",
    "place",
    "tiles",
]


class Flag(IntFlag):
    """Reasons of an ALT, written to DNABERT_FLAG. Those in `UNSCORED` leave its scores missing."""

    STAR = 1  # the allele is absent because of a deletion upstream
    NO_ALT = 2  # ALT is "."
    SYMBOLIC = 4  # <DEL>, <DUP> and other names in place of bases
    NON_REF = 8  # <NON_REF> or <*>
    BREAKEND = 16
    AMBIGUOUS = 32  # letters other than A, C, G, T in REF or ALT
    INVALID = 64  # letters that no allele may have
    NO_CONTIG = 128  # CHROM is not in the genome
    OUT_OF_CONTIG = 256  # POS or the end of REF lies outside the contig
    REF_MISMATCH = 512  # REF differs from the genome
    LONG_ALLELE = 1024  # longer than the window
    OUTSIDE = 2048  # in none of the given windows
    TRUNCATED = 4096  # scored, but the window's end cuts the changed allele
    CONTIG_END = 8192  # scored, the window filled with N beyond the contig's end
    REF_DIFFERS = 16384  # scored although REF differs from the genome, as the user wished; written as REF_MISMATCH


UNSCORED = Flag(Flag.TRUNCATED - 1)

FLAG_NAMES = tuple("REF_MISMATCH" if flag is Flag.REF_DIFFERS else str(flag.name) for flag in Flag)
"""What DNABERT_FLAG calls each bit, in the order of the bits."""

_KIND_FLAGS = np.array(
    [0, Flag.STAR, Flag.NO_ALT, Flag.SYMBOLIC, Flag.NON_REF, Flag.BREAKEND, Flag.AMBIGUOUS, Flag.INVALID], np.uint32
)
"""Flag of each kind of ALT that `_core.vcf_alleles` tells apart."""

_PLAIN = np.zeros(256, np.bool_)
_PLAIN[np.frombuffer(b"ACGTacgt", np.uint8)] = True


@dataclass(frozen=True)
class Alleles:
    """One row an ALT allele.

    record i32[a]: row of its record in the unit; contig i32[a]: row of `Genome.names`, -1 where there is none;
    position i64[a]: 0-based start of REF; ref, alt: the alleles' bases; flags u32[a]: bits of `Flag`.
    """

    record: I32
    contig: I32
    position: I64
    ref: Windows
    alt: Windows
    flags: U32

    def __len__(self) -> int:
        return len(self.record)

    @property
    def scored(self) -> Bool:
        """Rows with no reason against a score."""
        without: Bool = (self.flags & np.uint32(UNSCORED)) == 0
        return without

    def flagged(self, rows: Bool | I64, flag: Flag) -> Alleles:
        """The same alleles with `flag` set on `rows`."""
        flags = self.flags.copy()
        flags[rows] |= np.uint32(flag)
        return replace(self, flags=flags)

    @staticmethod
    def of(record: I32, kind: U8, contig: I32, position: I64, ref: Windows, alt: Windows) -> Alleles:
        """Alleles with the flags that need no genome: kind of ALT, letters of REF, missing contig."""
        flags = _KIND_FLAGS[kind]
        odd = np.concatenate([[0], np.cumsum(~_PLAIN[ref.bases])])
        flags[odd[ref.offsets[1:]] > odd[ref.offsets[:-1]]] |= np.uint32(Flag.AMBIGUOUS)
        flags[contig < 0] |= np.uint32(Flag.NO_CONTIG)
        return Alleles(record, contig, position, ref, alt, flags)


def check_reference(alleles: Alleles, genome: Genome, tolerate: bool = False) -> Alleles:
    """Flag alleles whose REF lies outside its contig or differs from the genome (VCF 4.3, section 1.6.1, REF).

    With `tolerate` an allele that differs is still scored: its REF bases give way to ALT whatever they are.
    """
    known = np.flatnonzero(alleles.contig >= 0)
    start = alleles.position[known]
    end = start + alleles.ref.lengths[known]
    inside = (start >= 0) & (end <= genome.lengths[alleles.contig[known]])
    alleles = alleles.flagged(known[~inside], Flag.OUT_OF_CONTIG)
    rows = known[inside]
    found = genome.fetch(alleles.contig[rows], start[inside], end[inside])
    same = edits.match_reference(found, alleles.ref.take(rows))
    return alleles.flagged(rows[~same], Flag.REF_DIFFERS if tolerate else Flag.REF_MISMATCH)


@dataclass(frozen=True)
class Changes:
    """What alleles change, shared bases left out: `deleted` bases from `start` on give way to `inserted`."""

    start: I64
    deleted: I64
    inserted: Windows


def changes(alleles: Alleles) -> Changes:
    """The change of each allele after the bases that REF and ALT have in common at their start."""
    prefix, _ = edits.trim(alleles.ref, alleles.alt)
    lead = prefix.astype(np.int64)
    return Changes(alleles.position + lead, alleles.ref.lengths - lead, alleles.alt.skip(lead))


def normalized(alleles: Alleles, genome: Genome) -> Changes:
    """The change of each allele trimmed on both sides and moved as far left as the genome allows, where it is scored.

    The rule of vt and `bcftools norm`; flanks are read in steps until no allele moves on.
    """
    prefix, suffix = edits.trim(alleles.ref, alleles.alt)
    lead, tail = prefix.astype(np.int64), suffix.astype(np.int64)
    start = alleles.position + lead
    ref, alt = alleles.ref.skip(lead, tail), alleles.alt.skip(lead, tail)
    moving = np.flatnonzero(alleles.scored & ((ref.lengths == 0) != (alt.lengths == 0)))
    flank = 64
    while len(moving):
        first = np.maximum(start[moving] - flank, 0)
        before = genome.fetch(alleles.contig[moving], first, start[moving])
        shift, at_edge = edits.left_align(before, ref.take(moving), alt.take(moving))
        start[moving] -= shift
        ref, alt = _rotated(ref, moving, before, shift), _rotated(alt, moving, before, shift)
        moving = moving[at_edge & (start[moving] > 0)]
        flank *= 4
    return Changes(start, ref.lengths, alt)


def _rotated(alleles: Windows, rows: I64, before: Windows, shift: I64) -> Windows:
    """Alleles of `rows` after moving left by `shift`: bases of the flank come in at the left, as many leave."""
    chosen = alleles.take(rows)
    lengths = chosen.lengths
    owner = np.repeat(np.arange(len(rows)), lengths)
    column = np.arange(len(owner)) - np.repeat(chosen.offsets[:-1], lengths)
    from_flank = column < shift[owner]
    moved = np.empty(len(owner), np.uint8)
    moved[from_flank] = before.bases[(before.offsets[1:] - shift)[owner[from_flank]] + column[from_flank]]
    kept = ~from_flank
    moved[kept] = chosen.bases[(chosen.offsets[:-1] - shift)[owner[kept]] + column[kept]]
    bases = alleles.bases.copy()
    bases[np.repeat(alleles.offsets[rows], lengths) + column] = moved
    return Windows(bases, alleles.offsets)


@dataclass(frozen=True)
class Placed:
    """Alleles in their windows: those of `rows`, window i of `reference` against window i of `alternative`.

    reverse bool[n]: the window is read on the other strand. From base at[i] of the window on, deleted[i] bases of the
    reference give way to inserted[i] others (i64[n] each).
    """

    rows: I64
    start: I64
    end: I64
    reference: Windows
    alternative: Windows
    reverse: Bool
    at: I64
    deleted: I64
    inserted: I64

    def take(self, kept: Bool) -> Placed:
        """Those of which `kept` bool[n] is true."""
        windows = self.reference.take(kept), self.alternative.take(kept)
        return Placed(
            self.rows[kept], self.start[kept], self.end[kept], *windows, self.reverse[kept],
            self.at[kept], self.deleted[kept], self.inserted[kept],
        )  # fmt: skip


@dataclass(frozen=True)
class Regions:
    """Windows given by a user: contig i32[r] (row of `Genome.names`), start, end i64[r], reverse bool[r]."""

    contig: I32
    start: I64
    end: I64
    reverse: Bool

    def hash(self, names: Sequence[str]) -> str:
        """16 hexadecimal digits that are the same for the same regions in the same order; `names` are the contigs'."""
        digest = hashlib.sha256("\n".join(names[row] for row in self.contig).encode())
        for column in (self.start, self.end, self.reverse):
            digest.update(column.tobytes())
        return digest.hexdigest()[:16]

    def nearest(self, contig: I32, position: I64) -> I64:
        """For each position the region that holds it with the nearest centre (the first of equals), or -1; i64[n]."""
        best = np.full(len(position), -1, np.int64)
        if not len(self.start):
            return best
        order = np.lexsort((self.end, self.start, self.contig))
        span = np.int64(max(int(self.end.max()), int(position.max(initial=0))) + 1)
        key = self.contig[order].astype(np.int64) * span + self.start[order]
        at = np.searchsorted(key, contig.astype(np.int64) * span + position, side="right") - 1
        reach = int((self.end - self.start).max())
        nearest = np.full(len(position), np.iinfo(np.int64).max)
        active = np.flatnonzero(at >= 0)
        while len(active):
            region = order[at[active]]
            near = (self.contig[region] == contig[active]) & (self.start[region] > position[active] - reach)
            holds = near & (position[active] < self.end[region])
            distance = np.abs(self.start[region] + self.end[region] - 1 - 2 * position[active])
            better = holds & ((distance < nearest[active]) | ((distance == nearest[active]) & (region < best[active])))
            nearest[active[better]] = distance[better]
            best[active[better]] = region[better]
            at[active] -= 1
            active = active[near & (at[active] >= 0)]
        return best


def tiles(position: I64, length: I64, window: int) -> I64:
    """Starts i64[n] of the windows with their middles nearest to positions on contigs of `length`, i64[n] each.

    Windows lie at multiples of window // 2, so that a position stands in the middle half of its own; those that would
    reach over a contig's end lie at the end, where the contig is long enough.
    """
    stride = max(1, window // 2)
    start = (position - window // 2 + stride // 2) // stride * stride
    found: I64 = np.maximum(np.minimum(start, length - window), 0)
    return found


def place(
    alleles: Alleles,
    change: Changes,
    genome: Genome,
    window: int | None,
    regions: Regions | None,
    *,
    tiled: bool = False,
) -> tuple[Alleles, Placed]:
    """Give every scorable allele its window, with and without the change; returns the alleles with new flags.

    Centred (`window` bases): the first changed base stands at window // 2. `tiled`: the window of a grid (see `tiles`)
    with its middle nearest to that base. In `regions`: the window is the region that holds the base. The window keeps
    its length: after the change, bases come in or drop out on the right.
    """
    rows = np.flatnonzero(alleles.scored)
    if regions is None:
        assert window is not None
        at = change.start[rows]
        start = tiles(at, genome.lengths[alleles.contig[rows]], window) if tiled else at - window // 2
        end = start + window
        backward = np.zeros(len(rows), np.bool_)
    else:
        region = regions.nearest(alleles.contig[rows], change.start[rows])
        alleles = alleles.flagged(rows[region < 0], Flag.OUTSIDE)
        rows, region = rows[region >= 0], region[region >= 0]
        start, end, backward = regions.start[region], regions.end[region], regions.reverse[region]
    length = end - start
    longest = np.maximum(change.deleted[rows], change.inserted.lengths[rows])
    room = end - change.start[rows]
    alleles = alleles.flagged(rows[longest > length], Flag.LONG_ALLELE)
    fits = longest <= length
    alleles = alleles.flagged(rows[fits & (longest > room)], Flag.TRUNCATED)
    rows, start, end, length, backward = rows[fits], start[fits], end[fits], length[fits], backward[fits]

    contig, inserted, deleted = alleles.contig[rows], change.inserted.take(rows), change.deleted[rows]
    reach = end + np.maximum(deleted - inserted.lengths, 0)
    alleles = alleles.flagged(rows[(start < 0) | (reach > genome.lengths[contig])], Flag.CONTIG_END)
    spans = genome.fetch(contig, start, reach)
    at = change.start[rows] - start
    alternative = edits.edit_windows(spans, at, deleted, inserted, length)
    reference = Windows.from_spans(spans.bases, spans.offsets[:-1], spans.offsets[:-1] + length)
    return alleles, Placed(rows, start, end, reference, alternative, backward, at, deleted, inserted.lengths)
