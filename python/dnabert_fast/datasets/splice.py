"""Splice sites out of annotated exons: donors, acceptors, and places between them that are neither.

Class 0 is an acceptor, 1 a donor, 2 none, as in the public set. The exon's border stands in the middle of the window:
in one of 400 bases an acceptor's AG is bases 198 and 199, a donor's GT bases 200 and 201.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import I32, I64, Bool
from .examples import Sites, join_plans, read_windows, take_plan, unknown_counts
from .spans import Spans

__all__ = ["CLASSES", "Introns", "between", "introns_of", "motifs", "splice_sites"]

CLASSES = ("acceptor", "donor", "none")
_ROUNDS = 64
_MOTIFS = ("GT-AG", "GC-AG", "AT-AC")


@dataclass(frozen=True)
class Introns:
    """Introns: contig i32[n], start and end i64[n] (the exons' borders), reverse bool[n], and a name of each."""

    contig: I32
    start: I64
    end: I64
    reverse: Bool
    names: list[str]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64 | Bool) -> Introns:
        """These introns, in the order of `rows` (numbers, or a mask bool[n])."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        names = [self.names[row] for row in chosen.tolist()]
        return Introns(self.contig[chosen], self.start[chosen], self.end[chosen], self.reverse[chosen], names)


def introns_of(transcript: I64, contig: I32, start: I64, end: I64, reverse: Bool, names: list[str]) -> Introns:
    """The introns between neighbouring exons of each transcript; an intron that several have comes once.

    transcript i64[n]: the transcript of each exon; the rest is the exon's. Exons that touch or overlap are one.
    """
    order = np.lexsort((start, transcript))
    same = transcript[order[1:]] == transcript[order[:-1]]
    # Within a transcript, an exon may hide in an earlier, longer one.
    far = int(end.max(initial=0)) + 1
    rank = np.cumsum(np.concatenate([[0], ~same])) if len(order) else np.empty(0, np.int64)
    reach = np.maximum.accumulate(end[order] + rank * far) - rank * far
    gap = np.flatnonzero(same & (start[order[1:]] > reach[:-1]))
    left, right = reach[gap], start[order[gap + 1]]
    row = order[gap]
    found = np.stack([contig[row], left, right, reverse[row]])
    _, first = np.unique(found, axis=1, return_index=True)
    rows = row[first]
    return Introns(contig[rows], left[first], right[first], reverse[rows], [names[i] for i in rows.tolist()])


def motifs(genome: Genome, introns: Introns) -> dict[str, Bool]:
    """Which introns begin and end with GT-AG, GC-AG and AT-AC, each bool[n]."""
    n = len(introns)
    ends = []
    for at in (introns.start, introns.end - 2):
        plan = Plan(introns.contig, at, at + 2, introns.reverse)
        ends.append(read_windows(genome, plan).bases.reshape(n, 2))
    low, high = ends
    first, last = np.where(introns.reverse[:, None], high, low), np.where(introns.reverse[:, None], low, high)
    found = {}
    for motif in _MOTIFS:
        begin, end = (np.frombuffer(part.encode(), np.uint8) for part in motif.split("-"))
        found[motif] = (first == begin).all(axis=1) & (last == end).all(axis=1)
    return found


def splice_sites(introns: Introns, length: int) -> Sites:
    """The windows of all acceptors and donors, each site once; they may reach over a contig's ends."""
    n = len(introns)
    border = np.concatenate([np.where(introns.reverse, introns.start, introns.end),
                             np.where(introns.reverse, introns.end, introns.start)])  # fmt: skip
    label = np.repeat(np.array([0, 1], np.int64), n)
    contig, reverse = np.tile(introns.contig, 2), np.tile(introns.reverse, 2)
    _, first = np.unique(np.stack([contig, border, reverse, label]), axis=1, return_index=True)
    names = [f"{introns.names[row % n]}/{CLASSES[row // n]}" for row in first.tolist()]
    return Sites(_around(contig[first], border[first], reverse[first], length), label[first], names)


def between(
    genome: Genome,
    introns: Introns,
    allowed: Spans,
    length: int,
    wanted: int,
    *,
    away: int,
    decoys: bool,
    random: np.random.Generator,
) -> Sites:
    """Up to `wanted` windows of class 2, whose middle lies between two neighbouring splice sites of a gene.

    Middles are at least `away` bases from every site of either strand, and apart by as much; `decoys` takes only those
    with a GT or an AG where a donor or an acceptor has it. Windows have no N and lie wholly in `allowed` (merged).
    """
    gaps = _gaps(introns)
    low, high = gaps.start + away, gaps.end - away + 1
    usable = np.flatnonzero(high > low)
    ends = np.cumsum((high - low)[usable])
    found = [_around(introns.contig[:0], introns.start[:0], introns.reverse[:0], length)]
    taken = Spans.concatenate([_points(introns.contig, introns.start), _points(introns.contig, introns.end)])
    taken = taken.widened(away - 1).merged() if away else Spans.none()
    n = 0
    for _ in range(_ROUNDS if len(usable) else 0):
        if n >= wanted:
            break
        base = random.integers(0, ends[-1], (wanted - n) * (24 if decoys else 4))
        at = np.searchsorted(ends, base, side="right")
        gap = usable[at]
        middle: I64 = high[gap] - ends[at] + base
        plan = _around(gaps.contig[gap], middle, gaps.reverse[gap], length)
        good = Spans.of(plan).inside(allowed) & ~_points(plan.contig, middle).touches(taken)
        if decoys:
            good &= _decoy(genome, Plan(plan.contig, middle - 2, middle + 2, plan.reverse))
        rows = np.flatnonzero(good)
        rows = rows[_points(plan.contig[rows], middle[rows]).widened(max(0, away - 1) // 2).apart()]
        rows = rows[unknown_counts(read_windows(genome, take_plan(plan, rows))) == 0]
        rows = np.sort(random.permutation(rows)[: wanted - n])
        found.append(take_plan(plan, rows))
        n += len(rows)
        taken = Spans.concatenate([taken, _points(plan.contig[rows], middle[rows]).widened(max(0, away - 1))]).merged()
    plan = join_plans(found)
    what = "decoy" if decoys else "between"
    return Sites(plan, np.full(n, 2, np.int64), [f"{what}_{number + 1}" for number in range(n)])


@dataclass(frozen=True)
class _Gaps:
    contig: I32
    start: I64
    end: I64
    reverse: Bool


def _gaps(introns: Introns) -> _Gaps:
    """Introns, and what lies between neighbouring borders of introns of one gene, as exons do."""
    gene = np.unique(np.array(introns.names), return_inverse=True)[1] if len(introns) else np.empty(0, np.int64)
    border = np.concatenate([introns.start, introns.end])
    contig, reverse = np.tile(introns.contig, 2), np.tile(introns.reverse, 2)
    owner = np.tile(gene, 2)
    order = np.lexsort((border, owner, reverse, contig))
    contig, reverse, border, owner = contig[order], reverse[order], border[order], owner[order]
    next_ = (contig[1:] == contig[:-1]) & (reverse[1:] == reverse[:-1]) & (owner[1:] == owner[:-1])
    at = np.flatnonzero(next_ & (border[1:] > border[:-1])) if len(border) else np.empty(0, np.int64)
    return _Gaps(contig[at], border[at], border[at + 1], reverse[at])


def _around(contig: I32, border: I64, reverse: Bool, length: int) -> Plan:
    """Windows with this border before their base length // 2 on the strand that is read."""
    start = border - np.where(reverse, length - length // 2, length // 2)
    return Plan(contig, start, start + length, reverse)


def _points(contig: I32, border: I64) -> Spans:
    return Spans(contig, border, border + 1)


def _decoy(genome: Genome, plan: Plan) -> Bool:
    """Whether the four bases around each border end with GT or begin with AG."""
    four = read_windows(genome, plan).bases.reshape(len(plan), 4)
    donor = (four[:, 2:] == np.frombuffer(b"GT", np.uint8)).all(axis=1)
    acceptor = (four[:, :2] == np.frombuffer(b"AG", np.uint8)).all(axis=1)
    either: Bool = donor | acceptor
    return either
