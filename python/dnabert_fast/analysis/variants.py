"""Score the ALT alleles of VCF records: how each changes a model's answer in its window. Knows nothing of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..engine.scores import Readout, log_odds_ratio, weighted_difference
from ..errors import ReferenceMismatch
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.types import F32, F64, I64
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

__all__ = ["UNIT_RECORDS", "ScoredUnit", "VariantOptions", "VariantSummary", "alleles_of", "score_variants"]

UNIT_RECORDS = 4096


@dataclass(frozen=True)
class VariantOptions:
    """How alleles are placed and read; the flags of the verb of the same names."""

    readout: Readout
    window: int | None
    regions: Regions | None = None
    normalize: bool = False
    ref_mismatch: str = "skip"


@dataclass(frozen=True)
class ScoredUnit:
    """The records of a unit, their alleles and the scores, float32 [a] each, NaN where an allele has none.

    `fields` by the last part of their names: REF and ALT, probability (or value) of the two windows; DIFF and, but for
    a regression, LOGOR, the paper's scores of the change.
    """

    records: Records
    alleles: Alleles
    fields: dict[str, F32]


@dataclass
class VariantSummary:
    """What a run did, in counts.

    `reasons` counts alleles by flag and `reason_records` the records that have such an allele; `aliased` counts
    records by "CHROM -> contig".
    """

    records: int = 0
    alleles: int = 0
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    reason_records: Counter[str] = field(default_factory=Counter)
    aliased: Counter[str] = field(default_factory=Counter)
    pieces: int = 0
    pieces_encoded: int = 0

    def facts(self) -> dict[str, int | dict[str, int]]:
        """The counts as JSON can hold them."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class _Work:
    records: Records
    alleles: Alleles
    placed: Placed
    prepared: list[Prepared]
    aliased: Counter[str]


def score_variants(
    model: Model,
    genome: Genome,
    units: Iterable[Records],
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
    write: Callable[[ScoredUnit], None],
    options: VariantOptions,
    summary: VariantSummary,
    *,
    readers: int | None = None,
    progress: Callable[[int], None] = lambda records: None,
) -> VariantSummary:
    """Score every ALT of every record and hand each unit to `write`, in order.

    `contig_of` maps names of CHROM to rows of `Genome.names` (-1: none) and tells which were aliased. The reference
    window of a record, and of every BED window, is encoded once a unit; an ALT equal to REF scores exactly 0.
    `readers` None: as many threads as the device needs. Raises ReferenceMismatch at the first REF that differs from the
    genome if `options.ref_mismatch` is "error".
    """
    progress = in_turn(progress)

    def read(records: Records) -> _Work:
        alleles, aliased = alleles_of(records, contig_of)
        alleles = check_reference(alleles, genome, tolerate=options.ref_mismatch == "warn")
        _mind_mismatches(records, alleles, options.ref_mismatch)
        change = normalized(alleles, genome) if options.normalize else changes(alleles)
        alleles, placed = place(alleles, change, genome, options.window, options.regions)
        both = Windows.concatenate([placed.reference, placed.alternative])
        backward = np.concatenate([placed.reverse, placed.reverse])
        return _Work(records, alleles, placed, model.prepare(both, backward) if len(both) else [], aliased)

    def compute(work: _Work) -> Callable[[], ScoredUnit]:
        _count(work, summary)
        meter = Meter(len(work.records), progress)
        logits = model.begin(work.prepared, meter.tick) if len(work.placed.rows) else None

        def finish() -> ScoredUnit:
            score = np.empty(0) if logits is None else options.readout.score(logits())
            meter.close()
            return scored(work, score)

        return finish

    def scored(work: _Work, score: F64) -> ScoredUnit:
        readout, n = options.readout, len(work.placed.rows)
        ref, alt = score[:n], score[n:]
        table = _Table(len(work.alleles), work.placed.rows)
        values = {"REF": readout.value(ref), "ALT": readout.value(alt)}
        if readout.regression:
            values["DIFF"] = alt - ref
        else:
            values |= {"DIFF": weighted_difference(ref, alt), "LOGOR": log_odds_ratio(ref, alt)}
        return ScoredUnit(work.records, work.alleles, {name: table.fill(column) for name, column in values.items()})

    model.run(units, read, compute, write, readers)
    return summary


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


def _count(work: _Work, summary: VariantSummary) -> None:
    flags = work.alleles.flags
    summary.records += len(work.records)
    summary.aliased += work.aliased
    summary.alleles += len(flags)
    summary.scored += int(np.count_nonzero((flags & np.uint32(UNSCORED)) == 0))
    for flag, name in zip(Flag, FLAG_NAMES, strict=True):
        rows = np.flatnonzero(flags & np.uint32(flag))
        if len(rows):
            summary.reasons[name] += len(rows)
            summary.reason_records[name] += len(np.unique(work.alleles.record[rows]))
    summary.pieces += sum(len(side.batch.owner) for side in work.prepared)
    summary.pieces_encoded += sum(len(side.distinct.first) for side in work.prepared)
