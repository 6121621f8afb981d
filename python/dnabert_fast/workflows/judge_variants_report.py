"""The report of `evaluate --variants`: which tables, pictures and words, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluate.curves import precision_recall, roc
from ..evaluate.judge import Judged
from ..evaluate.judge_scores import AREAS, CORRELATIONS, FEWEST, JudgedStratum
from ..report.curves import curves_picture
from ..report.forest import MOST, ForestRow, forest_picture
from ..report.page import Block, Figures, Heading, Notes, Picture, Table, Text
from ..seq.types import F64
from .reports import number, p_value

__all__ = ["draw_pictures", "variants_report"]

_TITLES = {"auroc": "AUROC", "auprc": "AUPRC", "spearman": "Spearman", "kendall": "Kendall τ-b"}
_REASONS = 25  # that are named one by one
_PAIRS = 60


def draw_pictures(
    folder: Path, labels: F64, of_classes: bool, scores: Mapping[str, F64], strata: Sequence[JudgedStratum]
) -> dict[str, Picture]:
    """Draw curves of two classes, and the first metric of every stratum, into the folder; by what they show.

    Of many scores those farthest from chance are drawn.
    """
    metric, chance = ("auroc", 0.5) if of_classes else ("spearman", 0.0)
    whole = strata[0].metrics
    apart = {name: abs(whole[name][metric].value - chance) for name in scores}
    shown = sorted(scores, key=lambda name: -np.nan_to_num(apart[name], nan=-1.0))[:MOST]
    shown = [name for name in scores if name in shown]
    few = f" The {len(shown)} farthest from chance of {len(scores)} scores." if len(shown) < len(scores) else ""
    pictures = {}
    if of_classes:
        positive = labels == 1
        judged = [
            Judged(name, whole[name], None, None, {1: roc(positive, scores[name])},
                   {1: precision_recall(positive, scores[name])})
            for name in shown
        ]  # fmt: skip
        _, svg = curves_picture(folder / "curves.png", judged, ("0", "1"), {1: float(positive.mean())})
        pictures["curves"] = _picture(svg, f"Grey lines: chance.{few}")
    rows, by = [], ""
    for stratum in strata:
        if not stratum.metrics:
            continue
        values = [stratum.metrics[name][metric] for name in shown]
        label = (
            stratum.name
            if stratum.by in ("all", "type")
            else f"{stratum.by.removeprefix('distance to ')}: {stratum.name}"
        )
        parted = bool(by) and stratum.by != by
        rows.append(
            ForestRow(
                f"{label} ({stratum.rows:,})",
                parted,
                tuple((one.value, one.low, one.high) for one in values),
            )
        )
        by = stratum.by
    _, svg = forest_picture(folder / "strata.png", rows, shown, _TITLES[metric], chance)
    pictures["strata"] = _picture(
        svg, f"{_TITLES[metric]} with intervals, in all and by stratum (alleles in brackets). Grey line: chance.{few}"
    )
    return pictures


def _picture(svg: Path, caption: str) -> Picture:
    return Picture(svg.read_text(encoding="utf-8"), svg.with_suffix(".png").name, caption)


def variants_report(facts: Mapping[str, Any], pictures: Mapping[str, Picture]) -> tuple[str, str, list[Block]]:
    """Title, first line and blocks of the report."""
    strata = facts["strata"]
    blocks: list[Block] = [Figures(_figures(facts))]
    blocks += [Notes(tuple(facts["notes"]))] if facts["notes"] else []
    blocks += [Heading("Scores"), _scores(facts, strata[0]), Text(_intervals(facts))]
    if "curves" in pictures:
        blocks.append(pictures["curves"])
    if len(strata) > 1:
        blocks += [Heading("Strata"), pictures["strata"], _by_stratum(facts, strata[1:])]
        blocks.append(Text(f"{_few(facts)} are counted and not judged."))
    if facts["classifiers"]:
        blocks += [Heading("Classifiers"), *_classifiers(facts)]
    if strata[0]["tests"]:
        blocks += [Heading("Pairs"), *_pairs(strata[0]["tests"])]
    blocks += _left_out(facts)
    title = f"How well scores of {facts['variants'][0]} tell {facts['truth'].partition('=')[0]}"
    return title, f"truth: {facts['truth']}", blocks


def _figures(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    share = facts["judged"] / max(1, facts["alleles"])
    found = [("ALT alleles", f"{facts['alleles']:,}"), ("judged", f"{facts['judged']:,}\n{share:.1%} of the alleles")]
    if facts["of_classes"]:
        positives = facts["positives"]
        found.append(("of class 1", f"{positives:,}\n{positives / facts['judged']:.1%}, the AUPRC of chance"))
    for name, key in (("without truth", "without_truth"), ("without any score", "without_score")):
        found.append((name, f"{sum(facts[key].values()):,}"))
    return tuple(found)


def _scores(facts: Mapping[str, Any], whole: Mapping[str, Any]) -> Table:
    measures = AREAS if facts["of_classes"] else CORRELATIONS
    rows = [
        (score, _meaning(facts, score), *(_with_interval(metrics[name]) for name in measures))
        for score, metrics in whole["metrics"].items()
    ]
    return Table(("score", "ranks", *(_TITLES[name] for name in measures)), tuple(rows), left=2)


def _meaning(facts: Mapping[str, Any], score: str) -> str:
    about = facts["scores"].get(score)
    if about is None:
        return "larger log-odds higher, each learnt from other folds"
    words = {"sign": "larger values higher", "neg": "smaller values higher", "abs": "larger sizes higher, either sign"}
    return words[about["direction"]]


def _with_interval(value: Mapping[str, float | None]) -> str:
    interval = "" if value["low"] is None else f"\n({number(value['low'], 3)} to {number(value['high'], 3)})"
    return f"{number(value['value'], 3)}{interval}"


def _intervals(facts: Mapping[str, Any]) -> str:
    how = facts["interval"]
    kind = {"percentile": "percentile", "bca": "bias-corrected and accelerated (BCa)"}[how["method"]]
    within = " within each class" if facts["of_classes"] else ""
    return (
        f"In brackets: {how['level']:.0%} {kind} intervals of {how['resamples']:,} bootstrap resamples{within} "
        f"(seed {how['seed']}), as if alleles were independent, which neighbours are not. All scores are judged on the "
        "same alleles, those that have all of them. |X|: by size; -X: turned round."
    )


def _few(facts: Mapping[str, Any]) -> str:
    of = "of a class" if facts["of_classes"] else "in all"
    return f"Strata with fewer than {FEWEST} alleles {of}"


def _by_stratum(facts: Mapping[str, Any], strata: Sequence[Mapping[str, Any]]) -> Table:
    measures = AREAS if facts["of_classes"] else CORRELATIONS
    counts = ("alleles", "class 1") if facts["of_classes"] else ("alleles",)
    rows: list[tuple[str, ...]] = []
    for stratum in strata:
        label = stratum["name"] if stratum["by"] == "type" else f"{stratum['by']}: {stratum['name']}"
        size = [f"{stratum['alleles']:,}"] + ([f"{stratum['positives']:,}"] if facts["of_classes"] else [])
        if not stratum["metrics"]:
            rows.append((label, "–", *size, *["–"] * len(measures)))
        for score, metrics in stratum["metrics"].items():
            rows.append((label, score, *size, *(_with_interval(metrics[name]) for name in measures)))
    return Table(("stratum", "score", *counts, *(_TITLES[name] for name in measures)), tuple(rows), left=2)


def _classifiers(facts: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for name, about in facts["classifiers"].items():
        rows = [
            (str(at), f"{fold['alleles']:,}", f"{fold['positives']:,}", number(fold["auroc"], 3))
            for at, fold in enumerate(about["folds"], 1)
        ]
        blocks.append(Table(("fold", "alleles", "class 1", "AUROC"), tuple(rows), caption=name))
    by = next(iter(facts["classifiers"].values()))["folds_are"]
    fields = len({about["field"] for about in facts["scores"].values()})
    blocks.append(
        Text(
            f"Each allele is answered by a classifier that has learnt from the other {by} alone, out of the values of "
            f"{fields} field{'s' if fields > 1 else ''} and their sizes; classes weigh the same. The answers of all "
            "folds together are judged as one score."
        )
    )
    return blocks


def _pairs(tests: Sequence[Mapping[str, Any]]) -> list[Block]:
    ordered = sorted(tests, key=lambda test: 2.0 if test["p"] is None else test["p"])[:_PAIRS]
    rows = [
        (
            f"{test['one']} – {test['other']}",
            f"{test['difference']:+.4f}",
            p_value(test["p"]),
            p_value(test["adjusted"]),
        )
        for test in ordered
    ]
    few = f" The {_PAIRS} of the lowest p of {len(tests):,} pairs; results.tsv has all." if len(tests) > _PAIRS else ""
    return [
        Table(("DeLong: AUROC", "difference", "p", "adjusted p"), tuple(rows)),
        Text(
            "DeLong's test compares AUROCs on the same alleles, two-sided, adjusted over the pairs by Benjamini and "
            f"Hochberg.{few}"
        ),
    ]


def _left_out(facts: Mapping[str, Any]) -> list[Block]:
    rows = []
    for what, reasons in (
        ("no truth", facts["without_truth"]),
        ("no score", facts["without_score"]),
        *((f"no {name}", reasons) for name, reasons in facts["without_one_score"].items()),
    ):
        named = list(reasons.items())
        rows += [(what, reason, f"{count:,}") for reason, count in named[:_REASONS]]
        if len(named) > _REASONS:
            rest = sum(count for _, count in named[_REASONS:])
            rows.append((what, f"{len(named) - _REASONS:,} other reasons", f"{rest:,}"))
    if not rows:
        return [Heading("Left out"), Text("No allele is left out.")]
    told = Text("alleles.tsv.gz has every allele of the file, and says of those that are left out why.")
    return [Heading("Left out"), Table(("", "reason", "alleles"), tuple(rows), left=2), told]
