"""Promoter windows around transcription start sites, their TATA boxes, and negatives of five kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import I32, I64, Bool
from .background import matched_by_gc, with_tata
from .examples import Examples, Sites, read_windows
from .shuffle import dinucleotide_shuffle, replace_segments
from .spans import Spans

__all__ = [
    "FRAMES",
    "NEGATIVES",
    "TATA_PLACES",
    "Frame",
    "Starts",
    "artificial",
    "from_genome",
    "negatives",
    "promoter_plan",
]


@dataclass(frozen=True)
class Frame:
    """A window around a TSS: so many bases before it and, the TSS counted, so many from it on."""

    before: int
    after: int

    @property
    def length(self) -> int:
        """Bases of the window; the TSS is base `before`."""
        return self.before + self.after


FRAMES: Mapping[int, Frame] = {300: Frame(249, 51), 70: Frame(34, 36)}
"""By length: -249..+50 (prom-300) and -34..+35 (prom-core), where 0 is the TSS."""

NEGATIVES = ("public", "tata", "segments", "shuffle", "matched")
TATA_PLACES = ("like", "anywhere", "fixed")
_FIXED = -32  # the first T at -31, base 218 of 300: where most negatives of the public TATA set have it


@dataclass(frozen=True)
class Starts:
    """Transcription start sites: contig i32[n], base i64[n] (0-based), reverse bool[n], and a name of each."""

    contig: I32
    base: I64
    reverse: Bool
    names: list[str]

    def __len__(self) -> int:
        return len(self.base)

    def take(self, rows: I64) -> Starts:
        """These start sites, in the order of `rows`."""
        return Starts(self.contig[rows], self.base[rows], self.reverse[rows], [self.names[i] for i in rows.tolist()])


def promoter_plan(starts: Starts, frame: Frame) -> Plan:
    """The window of each TSS; it may reach over a contig's ends."""
    start = np.where(starts.reverse, starts.base - frame.after + 1, starts.base - frame.before)
    return Plan(starts.contig, start, start + frame.length, starts.reverse)


def negatives(
    genome: Genome,
    positives: Examples,
    boxes: I64,
    frame: Frame,
    allowed: Spans,
    *,
    kind: str,
    tata_place: str,
    tolerance: float,
    random: np.random.Generator,
) -> Examples:
    """A negative of each positive, less those that cannot be had; class 0.

    boxes i64[n]: where each positive's TATA box begins, as `tata.promoter_box` has it. kind: "tata", random windows of
    `allowed` (merged) with a TATA box at `tata_place`: "like" the places in the positives, "anywhere" in the window, or
    "fixed" at -32 as in the public set; "segments" and "shuffle" of the positive itself (see `shuffle`); "matched",
    random windows of the positive's G+C; "public", "tata" for positives with a box and "segments" for the others.
    """
    if kind == "public":
        has = boxes != 0
        parts = [(has, "tata"), (~has, "segments")]
        return Examples.concatenate(
            [
                negatives(
                    genome, positives.take(rows), boxes[rows], frame, allowed,
                    kind=part, tata_place=tata_place, tolerance=tolerance, random=random,
                )
                for rows, part in parts
            ]
        )  # fmt: skip
    if kind == "tata":
        plan, _ = with_tata(genome, allowed, frame.length, _places(boxes, frame, tata_place, random), random)
        return from_genome(genome, plan, "tata")
    if kind == "matched":
        plan, _ = matched_by_gc(genome, allowed, positives.windows, tolerance, random)
        return from_genome(genome, plan, "matched")
    if kind == "shuffle":
        return artificial(positives, dinucleotide_shuffle(positives.windows, random), "shuffled")
    return artificial(positives, _segments(genome, positives, frame, random), "segments")


def from_genome(genome: Genome, plan: Plan, what: str) -> Examples:
    """Windows of the genome as examples of class 0."""
    names = [f"{what}_{number + 1}" for number in range(len(plan))]
    return Examples(read_windows(genome, plan), Sites(plan, np.zeros(len(plan), np.int64), names))


def artificial(positives: Examples, windows: Windows, what: str) -> Examples:
    """Sequences made from the positives as examples of class 0, which keep their positives' places."""
    sites = positives.sites
    names = [f"{name}/{what}" for name in sites.names]
    return Examples(windows, replace(sites, label=np.zeros(len(sites), np.int64), names=names))


def _places(boxes: I64, frame: Frame, place: str, random: np.random.Generator) -> I64:
    """The base of the window at which each negative's box is to begin; -1 for anywhere."""
    if place == "anywhere":
        return np.full(len(boxes), -1, np.int64)
    # Of the short frame the window begins after the furthest boxes do.
    has = boxes[(boxes != 0) & (boxes >= -frame.before)]
    if place == "like" and len(has):
        return frame.before + random.choice(has, len(boxes))
    return np.full(len(boxes), frame.before + _FIXED, np.int64)


def _segments(genome: Genome, positives: Examples, frame: Frame, random: np.random.Generator) -> Windows:
    """Positives with segments replaced; of the short frame, cut from the long one as the public core set was."""
    long = FRAMES[300]
    if frame == long:
        return replace_segments(positives.windows, random)
    plan = positives.sites.plan
    tss = np.where(plan.reverse, plan.end - 1 - frame.before, plan.start + frame.before)
    whole = promoter_plan(Starts(plan.contig, tss, plan.reverse, positives.sites.names), long)
    # Beyond a contig's end everything reads as N, and of that nothing is left in the core.
    made = replace_segments(read_windows(genome, whole), random)
    left = np.full(len(plan), long.before - frame.before, np.int64)
    return made.skip(left, long.after - frame.after)
