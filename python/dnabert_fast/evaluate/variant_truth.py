"""What is known of alleles and what they are: truth by conditions, types, distances to features. Arrays alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from ..errors import DnabertError
from .weighted import F64, I64, Bool

__all__ = ["TYPES", "Features", "Truth", "allele_types", "bin_names", "bins_of", "distances"]

TYPES = ("SNV", "MNV", "insertion", "deletion", "other")
"""Kinds of alleles; "other" has no bases (symbolic, *, breakends, IUPAC letters) or changes none."""

_WORDS = re.compile(r"[,|/&;]")
_SHOWN = 60  # letters of a value that are shown
_NOWHERE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Truth:
    """The field that holds the truth, and which of its values are of class 1 and of class 0.

    Without `positive` values are numbers. Without `negative` every value that is not positive is of class 0.
    """

    field: str
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Truth:
        """Read FIELD, FIELD=A,B:C,D (A or B against C or D) or FIELD=A,B (against all else); * stands for any letters.

        Raises DnabertError for what is none of these.
        """
        field, equals, rest = (part.strip() for part in text.partition("="))
        groups = [tuple(word.strip() for word in part.split(",")) for part in rest.split(":")] if equals else []
        if not field or len(groups) > 2 or not all(word for group in groups for word in group):
            raise DnabertError(f"--truth {text}: give FIELD, FIELD=VALUE,... or FIELD=VALUE,...:VALUE,...")
        return Truth(field, *groups)

    @property
    def of_classes(self) -> bool:
        """Whether values are those of classes, not numbers."""
        return bool(self.positive)

    def of(self, values: Sequence[str]) -> tuple[F64, list[str]]:
        """What n values mean, float64 [n], NaN for nothing; and why it is nothing, "" where it is something.

        "" is a missing value, and "." in a condition stands for it. A value of several words (joined by one of , | / &
        ;) belongs to a class where all its words do, or where it does as a whole; class 1 is asked first. Raises
        DnabertError for a number that is none.
        """
        found = {value: self._meaning(value) for value in set(values)}
        return np.array([found[value][0] for value in values], np.float64), [found[value][1] for value in values]

    def _meaning(self, value: str) -> tuple[float, str]:
        nothing = float("nan")
        if self.of_classes:
            if _belongs(value, self.positive):
                return 1.0, ""
            if _belongs(value, self.negative):
                return 0.0, ""
        if value == "":
            return nothing, f"no {self.field}"
        if self.of_classes:
            shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
            return (nothing, f"{self.field} is {shown}") if self.negative else (0.0, "")
        try:
            number = float(value)
        except ValueError:
            number = nothing
        if not np.isfinite(number):
            raise DnabertError(
                f"--truth {self.field}: {value[:_SHOWN]!r} is no number; name the values of the two classes, as in "
                f"{self.field}=VALUE,...:VALUE,..."
            )
        return number, ""


def _belongs(value: str, patterns: Sequence[str]) -> bool:
    def fits(text: str) -> bool:
        return any(fnmatchcase(text, pattern) for pattern in patterns)

    if value == "":  # which * does not stand for
        return "." in patterns
    return fits(value) or all(fits(word) for word in _WORDS.split(value))


def allele_types(deleted: I64, inserted: I64, bases: Bool) -> NDArray[np.uint8]:
    """The kind of each allele, a row of TYPES, uint8 [n].

    deleted, inserted int64 [n]: bases that go and come, what REF and ALT share at their ends left out; bases bool [n]:
    whether REF and ALT are bases. As many as go: SNV (one) or MNV; else insertion where more come, deletion where more
    go.
    """
    kinds = np.select(
        [~bases | (deleted + inserted == 0), inserted > deleted, deleted > inserted, deleted == 1], [4, 2, 3, 0], 1
    )
    return kinds.astype(np.uint8)


@dataclass(frozen=True)
class Features:
    """Regions to be near to: contig int64 [m] (numbers of one list of names), start, end int64 [m], half-open."""

    contig: I64
    start: I64
    end: I64


def distances(contig: I64, start: I64, end: I64, features: Features) -> I64:
    """Bases from each stretch to the nearest feature of its contig, int64 [n]; 0 inside one, 1 beside it.

    contig, start, end int64 [n], half-open, start < end. -1 where the contig has no feature.
    """
    found = np.full(len(start), -1, np.int64)
    for number in np.unique(contig):
        rows, own = np.flatnonzero(contig == number), features.contig == number
        order = np.argsort(features.start[own], kind="stable")
        starts, furthest = features.start[own][order], np.maximum.accumulate(features.end[own][order])
        if not len(order):
            continue
        before = np.searchsorted(starts, end[rows], side="left")  # features that begin before the stretch ends
        reach = np.where(before > 0, furthest[np.maximum(before - 1, 0)], 0)
        left = np.where(before > 0, np.maximum(start[rows] - reach + 1, 0), _NOWHERE)
        following = starts[np.minimum(before, len(starts) - 1)]
        right = np.where(before < len(starts), following - end[rows] + 1, _NOWHERE)
        found[rows] = np.minimum(left, right)
    return found


def bins_of(distance: I64, edges: Sequence[int]) -> I64:
    """The bin of each distance, a row of `bin_names`, int64 [n]."""
    inner = 1 + np.searchsorted(np.array(edges, np.int64), distance, side="left")
    return np.where(distance < 0, len(edges) + 2, np.where(distance == 0, 0, inner)).astype(np.int64)


def bin_names(edges: Sequence[int]) -> tuple[str, ...]:
    """What bins between rising edges are called: inside, up to each edge, beyond the last, no feature to be near to."""
    lows = [1, *(edge + 1 for edge in edges)]
    between = [f"{low:,} to {high:,} bases" for low, high in zip(lows, edges, strict=False)]
    return ("inside", *between, f"over {edges[-1]:,} bases", "none on the contig")
