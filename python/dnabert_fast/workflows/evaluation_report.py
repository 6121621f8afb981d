"""The report of `evaluate`: which tables, pictures and words, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluate.bootstrap import Estimate
from ..evaluate.judge import Answers, Judgement
from ..evaluate.weighted import BINS
from ..report.curves import confusion_picture, curves_picture, values_picture
from ..report.page import Block, Heading, Notes, Picture, Table, Text
from ..seq.types import F32, I64
from .reports import number, p_value

__all__ = ["curves_of", "describe"]

_TITLES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "mcc": "MCC",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "r2": "R²",
    "rmse": "RMSE",
}


def curves_of(
    folder: Path,
    found: Judgement,
    labels: I64 | F32,
    answers: Sequence[Answers],
    classes: Sequence[str],
) -> dict[str, Picture]:
    """Draw what there is to draw into the folder, by what it shows."""
    if answers[0].calls is None:
        _, svg = values_picture(folder / "values.png", labels, [(one.name, one.scores[:, 0]) for one in answers])
        return {"values": _picture(svg, "Values found against values measured.")}
    base = {c: float(np.mean(labels == c)) for c in range(len(classes))}
    _, curves = curves_picture(folder / "curves.png", found.predictors, classes, base)
    _, confusion = confusion_picture(folder / "confusion.png", found.predictors, classes)
    return {
        "curves": _picture(
            curves,
            "Grey lines: chance, the precision of calling every row, and perfect calibration. The dots of the "
            "reliability curve weigh as the rows behind them.",
        ),
        "confusion": _picture(
            confusion, "Rows of each true class by what they were called; shade: share of the class."
        ),
    }


def _picture(svg: Path, caption: str) -> Picture:
    return Picture(svg.read_text(encoding="utf-8"), svg.with_suffix(".png").name, caption)


def describe(
    facts: Mapping[str, Any], found: Judgement, pictures: Mapping[str, Picture]
) -> tuple[str, str, list[Block]]:
    """Title, first line and blocks of the report."""
    blocks: list[Block] = [Heading("Metrics"), _metrics(found), Text(_intervals(facts))]
    if facts["notes"] or facts["rows_left_out"]:
        left_out = facts["rows_left_out"]
        first = [f"{left_out:,} rows without an answer of every predictor are left out for all."] if left_out else []
        blocks.insert(0, Notes(tuple(first + facts["notes"])))
    if "values" in pictures:
        blocks += [Heading("Values"), pictures["values"]]
    if "curves" in pictures:
        blocks += [Heading("Curves"), pictures["curves"]]
    calibrated = [one for one in found.predictors if one.calibration is not None]
    if calibrated:
        blocks += [Heading("Calibration"), _calibration(facts, found)]
        blocks.append(
            Text(
                "Brier: mean squared error of the probabilities. ECE: mean gap between probability and truth over "
                f"{BINS} bins of equal width; resampling adds noise to the bins, so its interval lies rather too high."
            )
        )
    if "confusion" in pictures:
        blocks += [Heading("Calls"), pictures["confusion"]]
    if found.tests:
        blocks += [Heading("Pairs"), *_tests(found)]
    blocks += [Heading("Predictors"), _sources(facts)]
    return f"How well {facts['table']} is answered", _lead(facts), blocks


def _lead(facts: Mapping[str, Any]) -> str:
    parts = [f"{facts['rows']:,} rows"]
    if facts["group"] is not None:
        parts.append(f"{facts['group']['groups']:,} stretches, judged by the {facts['group']['by']} of their windows")
    parts += [f"{count:,} {name}" for name, count in zip(facts["classes"], facts["by_class"], strict=False)]
    return "  ·  ".join(parts)


def _metrics(found: Judgement) -> Table:
    names = [name for name in found.predictors[0].metrics if name in _TITLES]
    rows = [(one.name, *(_with_interval(one.metrics[name]) for name in names)) for one in found.predictors]
    return Table(("", *(_TITLES[name] for name in names)), tuple(rows))


def _with_interval(value: Estimate) -> str:
    interval = "" if np.isnan(value.low) else f"\n({number(value.low, 3)} to {number(value.high, 3)})"
    return f"{number(value.value, 3)}{interval}"


def _intervals(facts: Mapping[str, Any]) -> str:
    how = facts["interval"]
    kind = {"percentile": "percentile", "bca": "bias-corrected and accelerated (BCa)"}[how["method"]]
    classes = " within each class" if facts["classes"] else ""
    averaged = (
        " Precision, recall, F1 and AUPRC are means over the classes; AUROC is that of all pairs of classes."
        if len(facts["classes"]) > 2
        else ""
    )
    return (
        f"In brackets: {how['level']:.0%} {kind} intervals of {how['resamples']:,} bootstrap resamples{classes} "
        f"(seed {how['seed']}).{averaged}"
    )


def _calibration(facts: Mapping[str, Any], found: Judgement) -> Table:
    rows = []
    for one in found.predictors:
        if one.calibration is None:
            continue
        about = facts["predictors"][one.name]
        temperature = about.get("temperature")
        cells = [_with_interval(one.metrics["brier"]), _with_interval(one.metrics["ece"]), number(temperature, 3)]
        fitted = about.get("calibrated")
        if fitted is not None:
            cells.append(f"{fitted['former']:.3g}")
            cells += [f"{number(a)} → {number(b)}" for a, b in (fitted["cross_entropy"], fitted["ece"])]
        else:
            cells += ["–"] * 3
        rows.append((one.name, *cells))
    fitted_on = {about["calibrated"]["file"] for about in facts["predictors"].values() if "calibrated" in about}
    columns = ("", "Brier", "ECE", "temperature")
    if not fitted_on:
        return Table(columns, tuple(row[:4] for row in rows))
    where = f"on {', '.join(sorted(fitted_on))}"
    return Table((*columns, "former", f"cross-entropy {where}", f"ECE {where}"), tuple(rows))


def _tests(found: Judgement) -> list[Block]:
    kinds = list(dict.fromkeys(test.test for test in found.tests))
    blocks: list[Block] = []
    for kind in kinds:
        of = [test for test in found.tests if test.test == kind]
        rows = [
            (f"{test.one} – {test.other}", f"{test.difference:+.4f}", p_value(test.p), p_value(test.adjusted))
            for test in of
        ]
        blocks.append(Table((f"{kind}: {of[0].of}", "difference", "p", "adjusted p"), tuple(rows)))
    words = {
        "DeLong": "DeLong's test compares AUROCs on the same rows",
        "McNemar": "McNemar's exact test the rows that only one of a pair called rightly",
        "Wilcoxon": "Wilcoxon's signed-rank test compares absolute errors on the same rows",
    }
    said = ", ".join(words[kind] for kind in kinds)
    blocks.append(Text(f"{said}. All are two-sided; adjusted for the pairs of a test by Benjamini and Hochberg."))
    return blocks


def _sources(facts: Mapping[str, Any]) -> Table:
    rows = []
    for name, about in facts["predictors"].items():
        kind = about["kind"]
        if kind == "model":
            what = f"{about['model']}, k = {about['k']}, strand {about['strand']}, {about['precision']}"
            rows.append((name, f"model {what}", about["hash"][:12]))
        elif kind == "ensemble":
            rows.append((name, f"mean of {', '.join(about['of'])}", ""))
        elif kind == "regions":
            what = f"{about['regions']:,} regions of {about['file']}; {about['rows_with_a_region']:,} rows have one"
            rows.append((name, what, ""))
        else:
            rows.append((name, f"scores by name of {about['file']}", ""))
    return Table(("", "what", "hash"), tuple(rows), left=3)
