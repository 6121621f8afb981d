"""The precision gate: real SNVs in their windows, read in two precisions, and whether the answers agree."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.model import Model
from ..engine.scores import Readout, log_odds_ratio
from ..errors import DnabertError
from ..evaluate.agreement import Agreement, agreement
from ..io.vcf import VcfSource
from ..nn.config import NetworkConfig
from ..seq.aliases import AliasTable, resolve
from ..seq.batch import PIECE, Windows
from ..seq.genome import Genome
from ..seq.types import F32, F64, I32, I64, U8
from ..seq.variants import Alleles, changes, check_reference, place
from ..seq.vcf_text import Records, allele_table
from .common import check_fits

__all__ = [
    "AGREEMENT",
    "COUNT",
    "DEMO_GENOME",
    "DEMO_VCF",
    "PARITY",
    "Comparison",
    "Sample",
    "answer",
    "change",
    "compare",
    "gate_window",
    "has_scores",
    "read_sample",
    "score_columns",
    "scores",
    "timed",
]

COUNT = 256
PARITY = 1e-5
"""How far fp32 logits may lie from the reference's, for logits of up to 1; in proportion above."""
AGREEMENT = 0.99
"""Spearman's correlation and share of equal signs that a lower precision has to reach on log-odds differences."""

_DEMO = Path(__file__).parent.parent / "demo"
DEMO_GENOME, DEMO_VCF = _DEMO / "chr20_piece.fa.gz", _DEMO / "HG002_chr20_piece.vcf.gz"

_BASES = np.zeros(256, np.bool_)
_BASES[np.frombuffer(b"ACGT", np.uint8)] = True
_HELD = 65_536  # SNVs kept while a file is read, before every other one is let go


@dataclass(frozen=True)
class Sample:
    """SNVs and their centred windows.

    contigs: names, one an SNV; position i64[n]: 1-based; ref, alt u8[n]: upper-case letters; windows: n with REF, then
    n with ALT, of `window` bases each; skipped: SNVs left out, by reason.
    """

    contigs: list[str]
    position: I64
    ref: U8
    alt: U8
    windows: Windows
    window: int
    skipped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.position)

    def hash(self) -> str:
        """16 hexadecimal digits that are the same for the same windows in the same order."""
        return hashlib.sha256(self.windows.bases.tobytes()).hexdigest()[:16]

    @staticmethod
    def of(
        genome: Genome, contig: I32, position: I64, ref: U8, alt: U8, window: int, skipped: dict[str, int]
    ) -> Sample:
        """SNVs on rows `contig` of the genome's names, each at window // 2 of its window."""
        n = len(contig)
        zeros = np.zeros(n, np.uint8)
        alleles = Alleles.of(
            np.arange(n, dtype=np.int32),
            zeros,
            contig,
            position - 1,
            Windows.from_matrix(ref[:, None]),
            Windows.from_matrix(alt[:, None]),
        )
        alleles = check_reference(alleles, genome)
        if not alleles.scored.all():
            row = int(np.flatnonzero(~alleles.scored)[0])
            place_of = f"{genome.names[contig[row]]}:{position[row]}"
            raise DnabertError(f"{place_of}: REF {chr(ref[row])} is not what the genome has; give the same genome")
        _, placed = place(alleles, changes(alleles), genome, window, None)
        both = Windows.concatenate([placed.reference, placed.alternative])
        return Sample([genome.names[row] for row in contig], position, ref, alt, both, window, skipped)


def gate_window(config: NetworkConfig, given: int | None = None) -> int:
    """Bases of the windows a model is judged on: as given, as it was trained, else 101 (whole pieces for XL heads)."""
    if given is not None:
        if given < config.k:
            raise DnabertError(f"--window {given} is shorter than one {config.k}-mer")
        return given
    if config.block is not None:
        return config.block.window
    if config.head == "xl-concat":
        return PIECE * config.split + config.k - 1
    return 2 * PIECE + config.k - 1 if config.head.startswith("xl-") else 101


def has_scores(config: NetworkConfig) -> bool:
    """Whether a model answers windows with logits; without a head, or one of bases or pairs, it gives vectors alone."""
    pairs = config.block is not None and config.block.pairs
    return config.head not in ("none", "mlm", "token") and not pairs


def read_sample(vcf: str | Path, genome: str | Path, window: int, count: int) -> Sample:
    """`count` SNVs spread evenly over a VCF or BCF (all, if it has fewer), in windows of the genome.

    Left out and counted are SNVs on unknown contigs, at bases that the genome does not know, and with another REF.
    Raises DnabertError where none is left.
    """
    skipped: Counter[str] = Counter()
    kept, step, seen = _Snvs.none(), 1, 0
    with Genome.open(genome) as opened:
        check_fits(window, opened, genome)
        for records in VcfSource(vcf):
            found = _snvs(records, opened, skipped)
            kept = kept.with_rows(found, np.flatnonzero((seen + np.arange(len(found))) % step == 0))
            seen += len(found)
            while len(kept) > _HELD:
                kept, step = kept.take(np.arange(0, len(kept), 2)), step * 2
        if not len(kept):
            why = ", ".join(f"{number:,} {reason}" for reason, number in skipped.items())
            raise DnabertError(f"no SNV of {vcf} can be scored on {genome}" + (f" ({why})" if why else ""))
        chosen = kept.take(np.linspace(0, len(kept) - 1, min(count, len(kept))).round().astype(np.int64))
        return Sample.of(opened, chosen.contig, chosen.position, chosen.ref, chosen.alt, window, dict(skipped))


@dataclass(frozen=True)
class _Snvs:
    contig: I32
    position: I64
    ref: U8
    alt: U8

    @staticmethod
    def none() -> _Snvs:
        letters = np.empty(0, np.uint8)
        return _Snvs(np.empty(0, np.int32), np.empty(0, np.int64), letters, letters)

    def __len__(self) -> int:
        return len(self.contig)

    def take(self, rows: I64) -> _Snvs:
        return _Snvs(self.contig[rows], self.position[rows], self.ref[rows], self.alt[rows])

    def with_rows(self, other: _Snvs, rows: I64) -> _Snvs:
        more = vars(other.take(rows))
        return _Snvs(**{name: np.concatenate([column, more[name]]) for name, column in vars(self).items()})


def _snvs(records: Records, genome: Genome, skipped: Counter[str]) -> _Snvs:
    """The SNVs of a unit whose REF is the genome's."""
    table = allele_table(records)
    rows = np.flatnonzero((table.ref.lengths == 1) & (table.alt.lengths == 1))
    ref = _upper(table.ref.bases[table.ref.offsets[rows]])
    alt = _upper(table.alt.bases[table.alt.offsets[rows]])
    plain = _BASES[ref] & _BASES[alt] & (ref != alt)
    rows, ref, alt = rows[plain], ref[plain], alt[plain]
    names, name_of_record = records.contigs()
    contig = np.array(resolve(names, genome, AliasTable())[0], np.int32)[name_of_record][table.record[rows]]
    position = records.position[table.record[rows]]
    inside = contig >= 0
    inside[inside] &= (position[inside] >= 1) & (position[inside] <= genome.lengths[contig[inside]])
    skipped["outside the genome"] += int(np.count_nonzero(~inside))
    contig, position, ref, alt = contig[inside], position[inside], ref[inside], alt[inside]
    bases = _upper(genome.fetch(contig, position - 1, position).bases)
    skipped["at an unknown base"] += int(np.count_nonzero(~_BASES[bases]))
    skipped["with another REF"] += int(np.count_nonzero(_BASES[bases] & (bases != ref)))
    for reason in [reason for reason, number in skipped.items() if not number]:
        del skipped[reason]
    same = bases == ref
    return _Snvs(contig[same], position[same], ref[same], alt[same])


def _upper(letters: U8) -> U8:
    """Letters in upper case: bit 5 is that of the case."""
    upper: U8 = np.where((letters >= ord("a")) & (letters <= ord("z")), letters & 0xDF, letters).astype(np.uint8)
    return upper


def answer(model: Model, windows: Windows, tick: Callable[[float], None] | None = None) -> F32:
    """What a model says of windows: logits float32 [n, C], or mean vectors [n, H] where it has no scores."""
    prepared = model.prepare(windows)
    if has_scores(model.network.config):
        return model.logits(prepared, tick)
    return model.vectors(prepared, "mean", tick)


def timed(model: Model, windows: Windows, tick: Callable[[float], None] | None = None) -> tuple[F32, float]:
    """`answer` and the seconds it took, weights laid out and kernels compiled before."""
    on_gpu = model.network.backend.device != "cpu"
    answer(model, windows if on_gpu else windows[:32])
    began = time.perf_counter()
    answers = answer(model, windows, tick)
    return answers, time.perf_counter() - began


@dataclass(frozen=True)
class Comparison:
    """Answers against a reference's over n SNVs.

    delta: largest absolute difference of a logit (or value of a vector), scale: the reference's largest; calls: share
    of windows with the same likeliest class; scores: log-odds of the windows (or values), `sign` is that about even
    odds; changes: log2 odds(REF) - log2 odds(ALT) (for a regression ALT - REF). None where a model has no such thing.
    `ordered`: whether any two of the reference's changes differ, so that there is an order to keep.
    """

    delta: float
    scale: float
    calls: float | None
    scores: Agreement | None
    changes: Agreement | None
    ordered: bool = True

    @property
    def close(self) -> bool:
        """Whether the answers are equal up to the rounding of fp32."""
        return self.within(PARITY)

    def within(self, parity: float) -> bool:
        """Whether no logit differs by more than `parity`, in proportion for logits above 1."""
        return self.delta <= parity * max(1.0, self.scale)

    @property
    def agrees(self) -> bool | None:
        """Whether changes keep order and sign; None where there are no scores to tell by, or no order in them.

        Where either has changes that are not finite, they do not.
        """
        if self.changes is None or (not self.ordered and not math.isnan(self.changes.largest)):
            return None
        return self.changes.spearman >= AGREEMENT and self.changes.sign >= AGREEMENT

    def facts(self) -> dict[str, Any]:
        """The numbers as JSON can hold them."""
        told: dict[str, Any] = {"largest_difference": self.delta, "scale": self.scale, "same_call": self.calls}
        for name, found in (("scores", self.scores), ("changes", self.changes)):
            if found is not None:
                told |= {f"spearman_{name}": found.spearman, f"sign_{name}": found.sign}
        return {name: None if value is None or math.isnan(value) else value for name, value in told.items()}


def compare(config: NetworkConfig, reference: F32, found: F32, column: int | None = None) -> Comparison:
    """Compare what `answer` gave for windows with REF (first half) and with ALT in two precisions.

    The score is the log-odds of class `column`; by default the second of two, or of more the one that the reference
    holds likeliest for the window with REF.
    """
    over_all = agreement(reference, found)
    scale = float(np.abs(reference).max(initial=0.0))
    if not has_scores(config):
        return Comparison(over_all.largest, scale, None, None, None)
    n, columns = len(reference) // 2, score_columns(config, reference, column)
    with np.errstate(invalid="ignore"):  # what overflowed becomes NaN, which agrees with nothing
        ours, theirs = (scores(config, table, columns) for table in (found, reference))
        changed = [change(config, table[:n], table[n:]) for table in (theirs, ours)]
    same = None if config.regression else float(np.mean(reference.argmax(axis=1) == found.argmax(axis=1)))
    ordered = len(np.unique(changed[0])) > 1
    return Comparison(over_all.largest, scale, same, agreement(theirs, ours), agreement(*changed), ordered)


def score_columns(config: NetworkConfig, reference: F32, column: int | None) -> I64:
    """The class whose log-odds are the score of each window, i64[2n]: one for both windows of an SNV."""
    n = len(reference) // 2
    if column is None and len(config.labels) > 2:
        likeliest = reference[:n].argmax(axis=1)
        return np.concatenate([likeliest, likeliest])
    return np.full(2 * n, column if column is not None else len(config.labels) - 1, np.int64)


def scores(config: NetworkConfig, logits: F32, columns: I64) -> F64:
    """Natural log-odds of class columns[i] in row i of logits [n, C]; the value of a regression; float64 [n]."""
    found = np.empty(len(logits), np.float64)
    for column in np.unique(columns):
        rows = columns == column
        found[rows] = Readout(int(column), config.regression, config.labels[column]).score(logits[rows])
    return found


def change(config: NetworkConfig, ref: F64, alt: F64) -> F64:
    """The change from REF to ALT as `variants` writes it: LOGOR, or DIFF of a regression."""
    return alt - ref if config.regression else log_odds_ratio(ref, alt)
