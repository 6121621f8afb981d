"""Score the ALT alleles of VCF records: how each changes a model's answer in its window. Knows nothing of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..engine.scores import Readout
from ..engine.together import Run
from ..errors import ReferenceMismatch
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.types import F32, F64, I64, Bool
from ..seq.variants import (
    FLAG_NAMES,
    UNSCORED,
    Alleles,
    Flag,
    Placed,
    Regions,
    changes,
    check_reference,
    normalized,
    place,
)
from ..seq.vcf_text import Records, allele_table
from .changes import change_fields, change_meanings, scores_of_pairs

__all__ = [
    "UNIT_RECORDS",
    "Asked",
    "ChangeScorer",
    "Known",
    "ScoredUnit",
    "Scorer",
    "VariantOptions",
    "VariantSummary",
    "alleles_of",
    "score_variants",
]

UNIT_RECORDS = 4096


@dataclass(frozen=True)
class VariantOptions:
    """How alleles are placed; the flags of the verb of the same names.

    `window` bases centred on each allele, or with `tiled` one of a grid that neighbours share, or the `regions`.
    """

    window: int | None
    regions: Regions | None = None
    normalize: bool = False
    ref_mismatch: str = "skip"
    tiled: bool = False


@dataclass(frozen=True)
class Asked:
    """What a scorer asks a model of the alleles of a unit; `rest` is its own business."""

    prepared: list[Prepared]
    rest: Any = None


class Scorer(Protocol):
    """One way to score alleles in their windows. Its fields are called `name` + each key of `meanings`."""

    @property
    def name(self) -> str:
        """What stands before the names of the fields, such as "A_" where there are several; may be empty."""

    @property
    def meanings(self) -> dict[str, str]:
        """What each field says, in a sentence, in the order of the output."""

    def prepare(self, placed: Placed) -> Asked:
        """Tokens of the unit's windows; the work of a reader thread. `placed` has one allele at least."""

    def begin(self, asked: Asked, tick: Callable[[float], None]) -> Callable[[], dict[str, F64]]:
        """Ask the device; what is returned waits for the fields, float64 [n] each, by the keys of `meanings`."""


@dataclass(frozen=True)
class ChangeScorer:
    """See `Scorer`. How a model's answer changes from the window with REF to the one with ALT (Ji et al. 2021)."""

    model: Model
    readout: Readout
    name: str = ""

    @property
    def meanings(self) -> dict[str, str]:
        """See `Scorer`."""
        return change_meanings(self.readout)

    def prepare(self, placed: Placed) -> Asked:
        """See `Scorer`."""
        both = Windows.concatenate([placed.reference, placed.alternative])
        return Asked(self.model.prepare(both, np.concatenate([placed.reverse, placed.reverse])))

    def begin(self, asked: Asked, tick: Callable[[float], None]) -> Callable[[], dict[str, F64]]:
        """See `Scorer`."""
        logits = self.model.begin(asked.prepared, tick)
        return lambda: self.fields(logits())

    def fields(self, logits: F32) -> dict[str, F64]:
        """The fields of logits [2 n, C]: those of n reference windows, then of their alternatives."""
        return change_fields(self.readout, *scores_of_pairs(self.readout, logits))


@dataclass
class VariantSummary:
    """What a run did, in counts.

    `reasons` counts alleles by flag and `reason_records` the records that have such an allele; `aliased` counts
    records by "CHROM -> contig"; `from_table` are those of the scored whose scores were known.
    """

    records: int = 0
    alleles: int = 0
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    reason_records: Counter[str] = field(default_factory=Counter)
    aliased: Counter[str] = field(default_factory=Counter)
    from_table: int = 0
    pieces: int = 0
    pieces_encoded: int = 0

    def add(self, other: VariantSummary) -> None:
        """Count what another did too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def facts(self) -> dict[str, int | dict[str, int]]:
        """The counts as JSON can hold them."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class ScoredUnit:
    """The records of a unit, their alleles and the scores, float32 [a] each, NaN where an allele has none.

    `fields` by their names (see `Scorer`); `counts` are of this unit alone.
    """

    records: Records
    alleles: Alleles
    fields: dict[str, F32]
    counts: VariantSummary = field(default_factory=VariantSummary)


@dataclass(frozen=True)
class _Work:
    records: Records
    alleles: Alleles
    placed: Placed
    asked: list[Asked]
    aliased: Counter[str]
    known: dict[str, F32]


Known: TypeAlias = Callable[[Records, Alleles], tuple[dict[str, F32], Bool]]
"""What is known of the alleles of a unit: scores f32[a] by the names of fields, and of which alleles, bool[a]."""


def score_variants(
    scorers: Sequence[Scorer],
    run: Run,
    genome: Genome,
    units: Iterable[Records],
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
    write: Callable[[ScoredUnit], None],
    options: VariantOptions,
    summary: VariantSummary,
    *,
    known: Known | None = None,
    readers: int | None = None,
    progress: Callable[[int], None] = lambda records: None,
) -> VariantSummary:
    """Score every ALT of every record with every scorer and hand each unit to `write`, in order.

    `run` is the pipeline of the scorers' models (`Model.run`, `run_together`). `contig_of` maps names of CHROM to rows
    of `Genome.names` (-1: none) and tells which were aliased. Windows are read once for all scorers; the reference
    window of a record, and of every BED window or tile, is encoded once a unit; an ALT equal to REF scores exactly 0.
    Alleles that `known` has scores of are not asked again. `readers` None: as many threads as the device needs. Raises
    ReferenceMismatch at the first REF that differs from the genome if `options.ref_mismatch` is "error".
    """
    progress = in_turn(progress)

    def read(records: Records) -> _Work:
        alleles, aliased = alleles_of(records, contig_of)
        alleles = check_reference(alleles, genome, tolerate=options.ref_mismatch == "warn")
        _mind_mismatches(records, alleles, options.ref_mismatch)
        change = normalized(alleles, genome) if options.normalize else changes(alleles)
        alleles, placed = place(alleles, change, genome, options.window, options.regions, tiled=options.tiled)
        found: dict[str, F32] = {}
        if known is not None:
            found, there = known(records, alleles)
            placed = placed.take(~there[placed.rows])
        asked = [scorer.prepare(placed) for scorer in scorers] if len(placed.rows) else []
        return _Work(records, alleles, placed, asked, aliased, found)

    def compute(work: _Work) -> Callable[[], ScoredUnit]:
        counts = _counts(work)
        summary.add(counts)
        meter = Meter(len(work.records), progress)

        def tick(share: float) -> None:
            meter.tick(share / len(scorers))

        answers = [scorer.begin(asked, tick) for scorer, asked in zip(scorers, work.asked, strict=False)]

        def finish() -> ScoredUnit:
            found = [answer() for answer in answers]
            meter.close()
            return _scored(work, scorers, found, counts)

        return finish

    run(units, read, compute, write, readers)
    return summary


def _scored(work: _Work, scorers: Sequence[Scorer], found: list[dict[str, F64]], counts: VariantSummary) -> ScoredUnit:
    """The unit with its fields; `found` is empty where no allele has a window."""
    table = _Table(len(work.alleles), work.placed.rows)
    nothing = np.empty(0)
    fields: dict[str, F32] = {}
    for number, scorer in enumerate(scorers):
        values = found[number] if found else {}
        fields |= {scorer.name + key: table.fill(values.get(key, nothing)) for key in scorer.meanings}
    for name, column in work.known.items():
        unasked = np.flatnonzero(~np.isnan(column))
        unasked = unasked[work.alleles.scored[unasked]]
        fields[name][unasked] = column[unasked]
    return ScoredUnit(work.records, work.alleles, fields, counts)


@dataclass(frozen=True)
class _Table:
    """Scores of the placed rows among all alleles."""

    n: int
    rows: I64

    def fill(self, values: F64) -> F32:
        column = np.full(self.n, np.nan, np.float32)
        column[self.rows] = values
        return column


def alleles_of(
    records: Records, contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]]
) -> tuple[Alleles, Counter[str]]:
    """The alleles of records, and how many records name their contig otherwise than the genome does."""
    table = allele_table(records)
    names, name_of_record = records.contigs()
    rows, aliased = contig_of(names)
    contig = np.array(rows, np.int32)[name_of_record][table.record]
    counts = np.bincount(name_of_record, minlength=len(names)).tolist()
    renamed = Counter({f"{n} -> {aliased[n]}": count for n, count in zip(names, counts, strict=True) if n in aliased})
    position = records.position[table.record] - 1
    return Alleles.of(table.record, table.kind, contig, position, table.ref, table.alt), renamed


def _mind_mismatches(records: Records, alleles: Alleles, policy: str) -> None:
    if policy != "error":
        return
    wrong = np.flatnonzero(alleles.flags & np.uint32(Flag.REF_MISMATCH | Flag.OUT_OF_CONTIG))
    if len(wrong):
        record = int(alleles.record[wrong[0]])
        raise ReferenceMismatch(
            f"{records.where(record)}: REF {alleles.ref[int(wrong[0])].decode()} differs from the genome; "
            "check that VCF and genome are of one assembly, or use --ref-mismatch skip"
        )


def _counts(work: _Work) -> VariantSummary:
    flags = work.alleles.flags
    sides = [side for asked in work.asked for side in asked.prepared]
    scored = int(np.count_nonzero((flags & np.uint32(UNSCORED)) == 0))
    counts = VariantSummary(
        records=len(work.records),
        alleles=len(flags),
        scored=scored,
        from_table=scored - len(work.placed.rows),
        aliased=work.aliased,
        pieces=sum(len(side.batch.owner) for side in sides),
        pieces_encoded=sum(len(side.distinct.first) for side in sides),
    )
    for flag, name in zip(Flag, FLAG_NAMES, strict=True):
        rows = np.flatnonzero(flags & np.uint32(flag))
        if len(rows):
            counts.reasons[name] += len(rows)
            counts.reason_records[name] += len(np.unique(work.alleles.record[rows]))
    return counts
