"""Alleles with what is known of them and their scores, read from VCFs and tables, one of them joined to the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.known import identities
from ..errors import DnabertError, FormatError
from ..evaluate.variant_truth import Truth, allele_types
from ..io.vcf_info import as_numbers
from ..seq.aliases import AliasTable
from ..seq.batch import Windows
from ..seq.types import F64, I32, I64, U8
from .allele_files import AlleleFile, AlleleUnit, changes_of
from .progress import Progress

__all__ = ["DIRECTIONS", "JudgedAlleles", "Score", "asked_scores", "read_alleles", "same_contigs"]

DIRECTIONS = ("sign", "neg", "abs")

_OURS = re.compile(r"(DNABERT(?:_[A-Za-z0-9_]+?)?)_(DIFF|LOGOR|LLR)")
_FLAG = "DNABERT_FLAG"
_MISFIT = "another number of values than alleles"
_USUAL = {"DIFF": "abs", "LOGOR": "abs", "LLR": "neg"}


@dataclass(frozen=True)
class Score:
    """A field and the way in which it ranks alleles: as it is ("sign"), turned round ("neg"), or by size ("abs")."""

    field: str
    direction: str

    @property
    def name(self) -> str:
        """FIELD, -FIELD or |FIELD|."""
        return {"sign": self.field, "neg": f"-{self.field}", "abs": f"|{self.field}|"}[self.direction]

    def of(self, values: F64) -> F64:
        """What alleles are ranked by."""
        found: F64 = {"sign": values, "neg": -values, "abs": np.abs(values)}[self.direction]
        return found


def asked_scores(texts: Sequence[str]) -> list[Score]:
    """The scores of --score FIELD[:sign|neg|abs]. Raises DnabertError for another direction and for one given twice."""
    found: list[Score] = []
    for text in texts:
        name, colon, direction = text.partition(":")
        ours = _OURS.fullmatch(name)
        usual = _USUAL[ours[2]] if ours else "sign"
        score = Score(name, direction if colon else usual)
        if not name or score.direction not in DIRECTIONS:
            raise DnabertError(f"--score {text}: give FIELD or FIELD:DIRECTION; it is one of {', '.join(DIRECTIONS)}")
        if score in found:
            raise DnabertError(f"--score {text}: given twice")
        found.append(score)
    return found


@dataclass
class Reasons:
    """Words for why something is missing, by number; 0 is none."""

    words: list[str] = field(default_factory=lambda: [""])
    _numbers: dict[str, int] = field(default_factory=lambda: {"": 0})

    def of(self, words: Sequence[str]) -> I32:
        """The number of each, i32[n]."""
        for word in dict.fromkeys(words):
            if word not in self._numbers:
                self._numbers[word] = len(self.words)
                self.words.append(word)
        return np.array([self._numbers[word] for word in words], np.int32)


@dataclass(frozen=True)
class JudgedAlleles:
    """One row an ALT allele, in the order of the file.

    contig i32[a] (a row of `contigs`), position i64[a] from 1; kind u8[a], a row of TYPES; start, end i64[a]: the bases
    that change, half-open from 0, at least one; truth f64[a] and by field its values f64[a], NaN where there is none;
    why it is not there: `untold` i32[a] and by field `missing` i32[a], rows of `reasons`, 0 where it is.
    """

    contigs: tuple[str, ...]
    contig: I32
    position: I64
    name: Windows
    ref: Windows
    alt: Windows
    kind: U8
    start: I64
    end: I64
    truth: F64
    untold: I32
    values: dict[str, F64]
    missing: dict[str, I32]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.position)


def read_alleles(
    paths: Sequence[str | Path], truth: Truth, asked: Sequence[Score], progress: Progress
) -> tuple[JudgedAlleles, list[Score]]:
    """The alleles of the first file with their truth, and scores that it or another file has of them.

    Scores are those asked for, and of the fields that `variants` writes (DIFF, LOGOR, LLR, of any model) those that
    were not, by size, or LLR turned round. Of an allele that comes twice in another file the first counts. Raises
    DnabertError for a field that no file has, and FormatError for fields of ours that two files have.
    """
    files = [AlleleFile(path) for path in paths]
    scores, places = _chosen(files, asked)
    if not files[0].may_have(truth.field):
        raise DnabertError(f"--truth {truth.field}: {files[0].path} has no such column")
    reasons = Reasons()
    alleles, has_truth = _read_first(files[0], truth, places[0], reasons, progress)
    if not has_truth:
        raise DnabertError(
            f"--truth {truth.field}: {files[0].path} does not declare such a field, and no record has one; it declares "
            f"{files[0].shown()}"
        )
    for file, fields in zip(files[1:], places[1:], strict=True):
        _join(alleles, file, fields, reasons, progress)
    for name, values in alleles.values.items():
        if len(values) and np.isnan(values).all():
            why = reasons.words[int(np.bincount(alleles.missing[name]).argmax())]
            declared = "" if any(name in file.fields for file in files) else "; no header declares it"
            raise DnabertError(f"{name}: no allele has a value of it; most often: {why}{declared}")
    return replace(alleles, reasons=tuple(reasons.words)), scores


def _chosen(files: Sequence[AlleleFile], asked: Sequence[Score]) -> tuple[list[Score], list[list[str]]]:
    """The scores to judge, and which fields are read from each file."""
    holds: dict[str, int] = {}
    scores = list(asked)
    for number, file in enumerate(files):
        for name in file.fields:
            if not (match := _OURS.fullmatch(name)):
                continue
            if name in holds:
                raise FormatError(
                    f"{name} is in {files[holds[name]].path} and in {file.path}; give models names with "
                    "`variants --model NAME=DIR`"
                )
            holds[name] = number
            if name not in {score.field for score in asked}:
                scores.append(Score(name, _USUAL[match[2]]))
    for score in asked:
        having = [number for number, file in enumerate(files) if score.field in file.fields]
        having += [number for number, file in enumerate(files) if file.may_have(score.field)]
        if not having:
            raise DnabertError(f"--score {score.field}: no file has it")
        holds[score.field] = having[0]
    if not scores:
        shown = ", ".join(str(file.path) for file in files)
        raise DnabertError(f"{shown}: no field of a score (DNABERT_DIFF, ...); name others with --score FIELD")
    return scores, [[name for name, at in holds.items() if at == number] for number in range(len(files))]


def _read_first(
    file: AlleleFile, truth: Truth, fields: Sequence[str], reasons: Reasons, progress: Progress
) -> tuple[JudgedAlleles, bool]:
    """The file whose alleles are judged, and whether it says or shows that it has the field of the truth."""
    contigs: dict[str, int] = {}
    advance = progress("reading", "alleles", None)
    parts, has_truth = [], truth.field in file.fields
    for unit in file:
        numbers = np.array([contigs.setdefault(name, len(contigs)) for name in unit.contigs], np.int32)
        change, bases = changes_of(unit.position, unit.ref, unit.alt)
        told = unit.values(truth.field)
        has_truth |= bool(told.texts.lengths.any())
        known, untold = truth.of(_strings(told.texts))
        for row in np.flatnonzero(told.misfit).tolist():
            untold[row] = _MISFIT
        found = {name: _numbers(unit, name, file, reasons) for name in fields}
        part = JudgedAlleles(
            contigs=(),
            contig=numbers[unit.contig],
            position=unit.position,
            name=unit.name,
            ref=unit.ref,
            alt=unit.alt,
            kind=allele_types(change.deleted, change.inserted.lengths, bases),
            start=change.start,
            end=change.start + np.maximum(change.deleted, 1),
            truth=known,
            untold=reasons.of(untold),
            values={name: values for name, (values, _) in found.items()},
            missing={name: why for name, (_, why) in found.items()},
            reasons=(),
        )
        parts.append(part)
        advance(len(part), file.share)
    if not parts:
        raise FormatError(f"{file.path}: no alleles")
    return _whole(parts, tuple(contigs)), has_truth


def _whole(parts: Sequence[JudgedAlleles], contigs: tuple[str, ...]) -> JudgedAlleles:
    """The alleles of all parts, in order."""
    columns: dict[str, Any] = {}
    for name in (part.name for part in dataclass_fields(JudgedAlleles)):
        column = [getattr(part, name) for part in parts]
        if isinstance(column[0], Windows):
            columns[name] = Windows.concatenate(column)
        elif isinstance(column[0], dict):
            columns[name] = {key: np.concatenate([one[key] for one in column]) for key in column[0]}
        elif isinstance(column[0], np.ndarray):
            columns[name] = np.concatenate(column)
    return JudgedAlleles(contigs=contigs, reasons=(), **columns)


def _strings(texts: Windows) -> list[str]:
    letters = texts.bases.tobytes()
    return [letters[a:b].decode("utf-8", "replace") for a, b in pairwise(texts.offsets.tolist())]


def _numbers(unit: AlleleUnit, name: str, file: AlleleFile, reasons: Reasons) -> tuple[F64, I32]:
    """A field's numbers, and why those that are missing are: the flags of our own scores, where there are some."""
    found = unit.values(name)
    values = as_numbers(found.texts, name, str(file.path))
    rows = np.flatnonzero(np.isnan(values))
    words = np.where(found.misfit[rows], _MISFIT, "no value").astype(object)
    if (ours := _OURS.fullmatch(name)) and len(rows):
        own = f"{ours[1]}_FLAG"  # of a model that ran alone; several have one field of flags
        flags = np.array(_strings(unit.values(own if own in file.fields else _FLAG).texts), object)[rows]
        words = np.where((flags == "") | (flags == "."), words, flags)
    why = np.zeros(len(values), np.int32)
    why[rows] = reasons.of([str(word) for word in words])
    return values, why


def same_contigs(names: Sequence[str], known: Sequence[str]) -> I32:
    """Which of the `known` names each name means, or -1, i32[n]; chr1, 1 and NC_000001.11 are one."""
    number = {name: i for i, name in enumerate(known)}
    aliases = AliasTable()
    found = [
        next((number[other] for other in (name, *aliases.candidates(name)) if other in number), -1) for name in names
    ]
    return np.array(found, np.int32)


def _join(
    alleles: JudgedAlleles, file: AlleleFile, fields: Sequence[str], reasons: Reasons, progress: Progress
) -> None:
    """Add fields of another file to the alleles, which are told by contig, place and change."""
    change, _ = changes_of(alleles.position, alleles.ref, alleles.alt)
    keys, which = np.unique(identities(alleles.contig, change), return_inverse=True)
    values = {name: np.full(len(keys), np.nan) for name in fields}
    absent = int(reasons.of([f"not in {file.path.name}"])[0])
    missing = {name: np.full(len(keys), absent, np.int32) for name in fields}
    advance = progress(f"reading {file.path.name}", "alleles", None)
    for unit in file:
        numbers = same_contigs(unit.contigs, alleles.contigs)[unit.contig]
        found = identities(numbers, changes_of(unit.position, unit.ref, unit.alt)[0])
        at = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
        rows = np.flatnonzero((keys[at] == found) & (numbers >= 0))[::-1]  # backwards, so that the first one counts
        for name in fields:
            given, why = _numbers(unit, name, file, reasons)
            new = rows[missing[name][at[rows]] == absent]
            values[name][at[new]], missing[name][at[new]] = given[new], why[new]
        advance(len(numbers), file.share)
    for name in fields:
        alleles.values[name] = values[name][which]
        alleles.missing[name] = missing[name][which]
