"""`evaluate --variants`: scored alleles and what is known of them in, and how well each score tells it out."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DnabertError
from ..evaluate.cross_validated import CLASSIFIERS, CrossValidated, by_blocks, by_groups, cross_validated, features_of
from ..evaluate.judge_scores import FEWEST, JudgedStratum, Stratum, judge_scores
from ..evaluate.variant_truth import TYPES, Features, Truth, bin_names, bins_of, distances
from ..io.atomic import writing
from ..io.bed import read_bed
from ..seq.types import F64, I32, I64, Bool
from .common import check_seed
from .evaluate import check_settings
from .judge_variants_outputs import FILES, stratum_facts, write_alleles, write_results
from .judge_variants_report import draw_pictures, variants_report
from .predictors import names_of
from .progress import Progress, silent
from .reports import REPORT_FILES, plain, results_folder, write_page
from .variant_scores import JudgedAlleles, Reasons, asked_scores, read_alleles, same_contigs

__all__ = ["DISTANCES", "judge_variants"]

DISTANCES = "100,1000,10000"
"""Upper ends of the bins of distances to features, in bases."""


def judge_variants(
    variants: Sequence[str | Path],
    *,
    truth: str,
    output: str | Path,
    scores: Sequence[str] = (),
    features: Sequence[str] = (),
    bins: str | None = None,
    classifiers: Sequence[str] = CLASSIFIERS[:1],
    max_missing: float = 0.05,
    resamples: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    seed: int = 42,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Judge scores of alleles by what is known of the alleles.

    `variants`: VCFs, BCFs or tables of alleles; those of the first are judged, the others add scores of them. `truth`:
    FIELD=A,B:C,D (values of class 1 and of class 0), FIELD=A,B (against all else), or FIELD of 0 and 1, or of numbers;
    ID, QUAL and FILTER are fields too. `scores`: FIELD[:sign|neg|abs], beside DNABERT_*_DIFF, _LOGOR and _LLR.
    `features`: [NAME=]FILE.bed, distances to which are told apart by `bins` (DISTANCES). `classifiers`, of CLASSIFIERS,
    learn from all scores together; "none" is none. Alleles that one of the scores lacks are left out for all; where
    they are more than `max_missing` of those that have a score, DnabertError is raised.

    Writes report.html, report.md, metrics.json, results.tsv, alleles.tsv.gz and pictures into the folder `output`;
    returns what metrics.json holds.
    """
    began = time.monotonic()
    check_seed(seed)
    check_settings(interval=interval, resamples=resamples, level=level, max_missing=max_missing)
    condition, asked, kinds = Truth.parse(truth), asked_scores(scores), _kinds(classifiers)
    edges = _edges(DISTANCES if bins is None else bins)
    if bins is not None and not features:
        raise DnabertError(f"--bins {bins}: are distances to features; give --features FILE.bed too")
    beds = _features(features)
    folder = results_folder(output, [*variants, *(path for _, path in beds)], (*REPORT_FILES, *FILES))
    alleles, chosen = read_alleles(variants, condition, asked, progress)
    near = {name: _distances(alleles, name, path) for name, path in beds}
    account = _account(alleles, list(alleles.values))
    _check_missing(alleles, account, max_missing)
    kept = account.kept
    labels = alleles.truth[kept]
    of_classes = condition.of_classes or set(np.unique(labels).tolist()) <= {0.0, 1.0}
    _check_rest(labels, of_classes, truth, account)
    judged = {score.name: score.of(alleles.values[score.field][kept]) for score in chosen}
    learned, notes = _learn(alleles, kept, labels == 1, kinds, seed) if of_classes else ({}, [])
    judged |= {name: found.scores for name, (_, found) in learned.items()}
    strata = _strata(alleles, kept, near, edges)
    found = judge_scores(
        labels,
        of_classes,
        judged,
        strata,
        resamples=resamples,
        level=level,
        method=interval,
        seed=seed,
        tick=progress("drawing resamples", "resamples", resamples * len(strata)),
    )
    facts = {
        "verb": "evaluate",
        "variants": [Path(path).name for path in variants],
        "truth": truth,
        "of_classes": of_classes,
        **account.facts(len(alleles)),
        "positives": int(np.count_nonzero(labels == 1)) if of_classes else None,
        "scores": {score.name: {"field": score.field, "direction": score.direction} for score in chosen},
        "classifiers": {name: {"folds_are": by, "folds": _folds(one)} for name, (by, one) in learned.items()},
        "features": {name: Path(path).name for name, path in beds},
        "interval": {"method": interval, "level": level, "resamples": resamples, "seed": seed},
        "strata": [stratum_facts(one) for one in found],
        "notes": [*notes, *_wrong_way(found[0])],
        "seconds": round(time.monotonic() - began, 1),
    }
    write_results(folder / "results.tsv", found)
    answers = {name: one.scores for name, (_, one) in learned.items()}
    write_alleles(folder / "alleles.tsv.gz", alleles, account.words(), kept, near, answers)
    pictures = draw_pictures(folder, labels, of_classes, judged, found)
    write_page(folder, *variants_report(facts, pictures))
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


def _edges(text: str) -> tuple[int, ...]:
    words = text.split(",")
    edges = tuple(int(word) if word.strip().isdecimal() else 0 for word in words)
    if not all(low < high for low, high in zip((0, *edges), edges, strict=False)):
        raise DnabertError(f"--bins {text}: give rising whole numbers of bases, as in {DISTANCES}")
    return edges


def _kinds(classifiers: Sequence[str]) -> tuple[str, ...]:
    wrong = next((kind for kind in classifiers if kind not in (*CLASSIFIERS, "none")), None)
    if wrong is not None:
        raise DnabertError(f"--classifier {wrong}: choose {', '.join(CLASSIFIERS)} or none")
    return tuple(kind for kind in dict.fromkeys(classifiers) if kind != "none")


def _features(given: Sequence[str]) -> list[tuple[str, str]]:
    beds = names_of(given, "--features")
    names = [name for name, _ in beds]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DnabertError(f"two sets of features are named {twice}; tell them apart as in --features {twice}2=PATH")
    return beds


def _distances(alleles: JudgedAlleles, name: str, path: str | Path) -> I64:
    """Bases from each allele's change to the nearest region of a BED file, i64[a]; -1 where its contig has none."""
    bed = read_bed(path)
    contig = same_contigs(bed.contigs, alleles.contigs)
    if (contig < 0).all():
        raise DnabertError(
            f"--features {name}={path}: its contigs ({', '.join(bed.contigs[:3])}) are not the alleles' "
            f"({', '.join(alleles.contigs[:3])})"
        )
    features = Features(contig[bed.contig].astype(np.int64), bed.start, bed.end)
    return distances(alleles.contig.astype(np.int64), alleles.start, alleles.end, features)


@dataclass(frozen=True)
class _Account:
    """Which alleles are judged, `kept` (rows), and why the others are not.

    Alleles are counted by reason: without_truth; without_score of any field; of those with a score of another field by
    the field that lacks it. `scored` counts the alleles with truth and any score; why i32[a]: a row of `reasons`.
    """

    kept: I64
    scored: int
    without_truth: dict[str, int]
    without_score: dict[str, int]
    without_one_score: dict[str, dict[str, int]]
    why: I32
    reasons: Sequence[str]

    def facts(self, alleles: int) -> dict[str, Any]:
        """The counts as JSON can hold them, of so many alleles of the file."""
        return {
            "alleles": alleles,
            "judged": len(self.kept),
            "without_truth": self.without_truth,
            "without_score": self.without_score,
            "without_one_score": self.without_one_score,
        }

    def words(self) -> list[str]:
        """Why each allele is not judged, "." where it is."""
        spelt = [word or "." for word in self.reasons]
        return [spelt[code] for code in self.why.tolist()]


def _account(alleles: JudgedAlleles, fields: Sequence[str]) -> _Account:
    """Say of every allele whether it is judged, and if not, why."""
    why = Reasons()
    found = np.zeros(len(alleles), np.int32)
    missing = np.stack([alleles.missing[name] for name in fields], axis=1)
    told = alleles.untold == 0
    lacks = missing > 0
    of_none, of_some = told & lacks.all(axis=1), told & lacks.any(axis=1) & ~lacks.all(axis=1)

    def spell(rows: Bool, table: I32, say: Any) -> None:
        distinct, which = np.unique(table[rows], axis=0, return_inverse=True)
        if len(distinct):
            found[rows] = why.of([say(row) for row in distinct.tolist()])[which.reshape(-1)]

    def unscored(row: list[int]) -> str:
        return ", ".join(dict.fromkeys(alleles.reasons[code] for code in row))

    def partly(row: list[int]) -> str:
        return ", ".join(f"{name}: {alleles.reasons[code]}" for name, code in zip(fields, row, strict=True) if code)

    spell(~told, alleles.untold[:, None], unscored)
    spell(of_none, missing, unscored)
    spell(of_some, missing, partly)

    def counted(codes: I32, words: Sequence[str]) -> dict[str, int]:
        counts = np.bincount(codes, minlength=len(words)).tolist()
        return dict(Counter({word: n for word, n in zip(words, counts, strict=True) if n}).most_common())

    by_field = {name: counted(alleles.missing[name][of_some & lacks[:, i]], alleles.reasons)
                for i, name in enumerate(fields)}  # fmt: skip
    return _Account(
        np.flatnonzero(told & ~lacks.any(axis=1)),
        int(np.count_nonzero(told & ~lacks.all(axis=1))),
        counted(found[~told], why.words),
        counted(found[of_none], why.words),
        {name: reasons for name, reasons in by_field.items() if reasons},
        found,
        why.words,
    )


def _check_missing(alleles: JudgedAlleles, account: _Account, most: float) -> None:
    """Raise DnabertError where a score would take too many alleles from the others."""
    for name, reasons in account.without_one_score.items():
        count = sum(reasons.values())
        if count > most * account.scored:
            others = np.any([codes == 0 for codes in alleles.missing.values()], axis=0)
            row = int(np.flatnonzero((alleles.untold == 0) & (alleles.missing[name] > 0) & others)[0])
            where, why = f"{alleles.contigs[alleles.contig[row]]}:{alleles.position[row]:,}", next(iter(reasons))
            raise DnabertError(
                f"{name} has no value for {count:,} of {account.scored:,} alleles that have a score ({where} is one; "
                f"most often: {why}), more than --max-missing {most:g}; scores are judged on alleles that all have"
            )


def _check_rest(labels: F64, of_classes: bool, truth: str, account: _Account) -> None:
    positives = int(np.count_nonzero(labels == 1))
    if of_classes and min(positives, len(labels) - positives) >= FEWEST:
        return
    if not of_classes and len(labels) >= FEWEST and len(np.unique(labels)) > 1:
        return
    left = f"{positives:,} of class 1 and {len(labels) - positives:,} of class 0" if of_classes else f"{len(labels):,}"
    reasons = Counter(account.without_truth) + Counter(account.without_score)
    often = "; ".join(f"{reason} ({n:,})" for reason, n in reasons.most_common(3))
    raise DnabertError(
        f"--truth {truth}: the alleles left to judge by are {left}; it takes {FEWEST}"
        f"{' of each' if of_classes else ' that differ'}. Left out: {often or 'none'}"
    )


def _learn(
    alleles: JudgedAlleles, kept: I64, positive: Bool, kinds: Sequence[str], seed: int
) -> tuple[dict[str, tuple[str, CrossValidated]], list[str]]:
    """Classifiers on the values of all fields, by name with what their folds are; and what to say of them."""
    if not kinds:
        return {}, []
    contig = alleles.contig[kept].astype(np.int64)
    notes = []
    by, folds = "chromosomes", by_groups(contig, positive)
    if folds is None:
        by, folds = "stretches", by_blocks(contig, alleles.start[kept], positive)
        present = np.unique(contig)
        why = (
            f"all alleles lie on {alleles.contigs[int(present[0])]}"
            if len(present) == 1
            else "without one of the chromosomes too few alleles of a class are left to learn from"
        )
        notes.append(f"classifiers: {why}, so folds are stretches of the genome, not chromosomes")
    if folds is None:
        return {}, ["no classifier: too few alleles of a class to learn from"]
    values = features_of(np.stack([alleles.values[name][kept] for name in alleles.values], axis=1))
    return {f"{kind} classifier": (by, cross_validated(values, positive, folds, kind, seed)) for kind in kinds}, notes


def _folds(one: CrossValidated) -> list[dict[str, Any]]:
    return [plain({"alleles": n, "positives": ones, "auroc": area}) for n, ones, area in one.folds]


def _strata(alleles: JudgedAlleles, kept: I64, near: Mapping[str, I64], edges: Sequence[int]) -> list[Stratum]:
    """All alleles; those of each type; those of each bin of distances to each kind of features. Empty ones are not."""
    strata = [Stratum("all", "all", np.arange(len(kept)))]
    kind = alleles.kind[kept]
    strata += [Stratum("type", name, np.flatnonzero(kind == code)) for code, name in enumerate(TYPES)]
    for name, distance in near.items():
        bins = bins_of(distance[kept], edges)
        strata += [
            Stratum(f"distance to {name}", spelt, np.flatnonzero(bins == number))
            for number, spelt in enumerate(bin_names(edges))
        ]
    return [stratum for stratum in strata if len(stratum.rows)]


def _wrong_way(whole: JudgedStratum) -> list[str]:
    """A warning of scores that rank class 0 above class 1."""
    backwards = [name for name, metrics in whole.metrics.items() if "auroc" in metrics and metrics["auroc"].high < 0.5]
    if not backwards:
        return []
    return [
        f"{', '.join(backwards)}: class 0 ranks above class 1; directions are as asked for and never turned, "
        "--score FIELD:neg is the other one"
    ]
