"""Score every possible SNV of stretches of a genome, and rank scores against a background. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..engine.scores import Readout
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.types import F32, I32, I64, U8
from ..seq.variants import Regions
from .changes import change_fields, change_meanings
from .mutagenesis import LETTERS, codes

__all__ = ["UNIT_BASES", "Background", "Saturated", "Saturation", "SaturationSummary", "raw_score", "saturate"]

UNIT_BASES = 1365
"""Bases of a unit: their 4,095 SNVs are a unit of `variants` too."""

_LETTERS = np.frombuffer(LETTERS.encode(), np.uint8)
_OTHERS = np.array([[letter for letter in range(4) if letter != own] for own in range(4)])

_DROPPED_BITS = 11
_BINS = 1 << (31 - _DROPPED_BITS)


@dataclass(frozen=True)
class Saturation:
    """Which bases: regions in the order of the genome, merged where they meet; contig i32[r], start and end i64[r].

    A unit is `UNIT_BASES` of these bases, one after the other, so that units depend on the regions alone: a range of
    their numbers. `len` is how many units there are.
    """

    contig: I32
    start: I64
    end: I64

    @staticmethod
    def of(regions: Regions) -> Saturation:
        """The bases of regions, each once."""
        order = np.lexsort((regions.start, regions.contig))
        contig, start, end = (column[order] for column in (regions.contig, regions.start, regions.end))
        # Contigs ascend and lie a span apart, so that no end of one reaches into the next.
        before = contig.astype(np.int64) * (int(end.max(initial=0)) + 1)
        reach = np.maximum.accumulate(before + end) - before
        new = np.concatenate([[True], (contig[1:] != contig[:-1]) | (start[1:] > reach[:-1])])[: len(order)]
        last = np.concatenate([new[1:], [True]])[: len(order)]
        return Saturation(contig[new], start[new], reach[last])

    @cached_property
    def _ends(self) -> I64:
        """How many bases there are up to the end of each region."""
        ends: I64 = np.cumsum(self.end - self.start)
        return ends

    @cached_property
    def bases(self) -> int:
        """How many bases there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __len__(self) -> int:
        return -(-self.bases // UNIT_BASES)

    def unit(self, number: int) -> range:
        """The bases of a unit by their numbers."""
        return range(number * UNIT_BASES, min((number + 1) * UNIT_BASES, self.bases))

    def places(self, unit: range) -> tuple[I32, I64]:
        """Contig i32[n] and place i64[n] (from 0) of the bases of these numbers."""
        at = np.arange(unit.start, unit.stop)
        region = np.searchsorted(self._ends, at, side="right")
        place: I64 = self.end[region] - (self._ends[region] - at)
        return self.contig[region], place


@dataclass
class SaturationSummary:
    """What was done: SNVs scored, bases that are not known, pieces of windows; a piece is encoded once a unit."""

    snvs: int = 0
    unknown_bases: int = 0
    pieces: int = 0
    pieces_encoded: int = 0


@dataclass(frozen=True)
class Saturated:
    """The SNVs of a unit, three a base, by place and letter: contig i32[n], position i64[n] (from 0), letters u8[n] of
    REF and ALT, and scores f32[n] by the names of `change_meanings`; `counts` are of this unit alone."""

    contig: I32
    position: I64
    ref: U8
    alt: U8
    fields: dict[str, F32]
    counts: SaturationSummary = field(default_factory=SaturationSummary)

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True)
class _Work:
    contig: I32
    position: I64
    code: I64
    given: int
    prepared: list[Prepared]


def saturate(
    model: Model,
    readout: Readout,
    genome: Genome,
    plan: Saturation,
    units: Iterable[range],
    write: Callable[[Saturated], None],
    window: int,
    *,
    readers: int | None = None,
    progress: Callable[[int], None] = lambda bases: None,
) -> None:
    """Score the three SNVs of every known base of these units of `plan`, and hand each unit to `write`.

    The base stands at window // 2, as where `variants` centres its windows; N beyond a contig's end. The window with
    the base is encoded once for its three SNVs. A base other than A, C, G and T has no SNVs and is counted.
    """
    progress = in_turn(progress)
    names = tuple(change_meanings(readout))

    def read(unit: range) -> _Work:
        contig, position = plan.places(unit)
        code = codes(genome.fetch(contig, position, position + 1).bases)
        known = code >= 0
        contig, position, code = contig[known], position[known], code[known]
        if not len(position):
            return _Work(contig, position, code, len(unit), [])
        return _Work(contig, position, code, len(unit), model.prepare(_windows(genome, contig, position, code, window)))

    def compute(work: _Work) -> Callable[[], Saturated]:
        n, counts = len(work.position), _counts(work)
        meter = Meter(work.given, progress)
        logits = model.begin(work.prepared, meter.tick) if n else None

        def finish() -> Saturated:
            found = np.empty((0, 1), np.float32) if logits is None else logits()
            meter.close()
            score = readout.score(found) if n else np.empty(0)
            fields = change_fields(readout, np.repeat(score[:n], 3), score[n:])
            return Saturated(
                np.repeat(work.contig, 3),
                np.repeat(work.position, 3),
                np.repeat(_LETTERS[work.code], 3),
                _LETTERS[_OTHERS[work.code]].reshape(-1),
                {name: fields[name].astype(np.float32) for name in names},
                counts,
            )

        return finish

    model.run(units, read, compute, write, readers)


def _windows(genome: Genome, contig: I32, position: I64, code: I64, window: int) -> Windows:
    """The windows of n bases, then of each of their three SNVs."""
    start = position - window // 2
    reference = genome.fetch(contig, start, start + window).bases.reshape(-1, window)
    changed = np.repeat(reference, 3, axis=0)
    changed[:, window // 2] = _LETTERS[_OTHERS[code]].reshape(-1)
    return Windows.from_matrix(np.concatenate([reference, changed]))


def _counts(work: _Work) -> SaturationSummary:
    n = len(work.position)
    pieces = sum(len(side.batch.owner) for side in work.prepared)
    encoded = sum(len(side.distinct.first) for side in work.prepared)
    return SaturationSummary(3 * n, work.given - n, pieces, encoded)


def raw_score(fields: dict[str, F32]) -> F32:
    """How large a change is, f32[n]: |LOGOR|, which does not shrink where a probability is near 0 or 1; |DIFF| of a
    regression."""
    size: F32 = np.abs(fields.get("LOGOR", fields["DIFF"]))
    return size


@dataclass
class Background:
    """The distribution of raw scores (f32, 0 or more): how many fall into each of the bins between them.

    A bin holds the scores whose first 12 binary digits are the same, so that counts of parts add up, and a rank is
    exact but for scores within 1/4,096 of the score in question.
    """

    counts: I64 = field(default_factory=lambda: np.zeros(_BINS, np.int64))

    @staticmethod
    def of(bins: I64, counts: I64) -> Background:
        """A distribution by those of its bins that hold scores. ValueError for bins that there are not."""
        made = Background()
        if len(bins) != len(counts) or not ((bins >= 0) & (bins < _BINS) & (counts > 0)).all():
            raise ValueError("these are no bins of a background")
        made.counts[bins] = counts
        return made

    @property
    def bins(self) -> I64:
        """The bins that hold scores."""
        return np.flatnonzero(self.counts)

    @property
    def total(self) -> int:
        """How many scores there are."""
        return int(self.counts.sum())

    def add(self, raw: F32) -> None:
        """Count scores."""
        bins, counts = np.unique(_bin(raw), return_counts=True)
        self.counts[bins] += counts

    def ranks(self) -> I64:
        """Of each bin the number of scores in it and above it, 1 at least."""
        ranks: I64 = np.maximum(1, np.cumsum(self.counts[::-1])[::-1])
        return ranks

    def scale(self) -> Callable[[F32], F32]:
        """What turns raw scores into PHRED, f32: -10 log10(rank / n); those above all others have rank 1."""
        scaled = (-10 * np.log10(self.ranks() / max(1, self.total)) + 0.0).astype(np.float32)
        return lambda raw: scaled[_bin(raw)]


def _bin(raw: F32) -> I64:
    """Binary digits of numbers from 0 up ascend as the numbers do."""
    digits: I64 = (np.ascontiguousarray(raw, np.float32).view(np.uint32) >> _DROPPED_BITS).astype(np.int64)
    return digits
