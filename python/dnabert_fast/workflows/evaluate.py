"""The verb `evaluate`: a labelled table in, and how well models and other tools answer it, as one report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.prom_scan import REDUCTIONS
from ..errors import DnabertError, FormatError
from ..evaluate.bootstrap import METHODS
from ..evaluate.judge import Answers, Judged, Judgement, judge
from ..evaluate.packages import need
from ..io import open_table
from ..io.atomic import writing
from ..report.style import house_style
from ..seq.types import F32, F64, I64
from .common import check_seed
from .evaluation_report import curves_of, describe
from .predictors import Asked, Predictor, calls_of, ensemble, from_file, names_of, open_models, with_thresholds
from .progress import Progress, silent
from .reports import plain, results_folder, write_page
from .rows import Grouping, Rows, group_rows, read_rows, some_rows

__all__ = ["check_settings", "evaluate"]


def evaluate(
    table: str | Path,
    *,
    models: Sequence[str] = (),
    predictions: Sequence[str] = (),
    output: str | Path,
    together: bool = False,
    calibrate: str | Path | None = None,
    thresholds: Sequence[str] = (),
    overlap: float = 0.5,
    group: str | None = None,
    max_missing: float = 0.05,
    resamples: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    strand: str = "+",
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    seed: int = 42,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Judge models ([NAME=]DIR) and other tools' predictions ([NAME=]FILE) by the labels of a table.

    table: csv or tsv with columns sequence, label; where predictions are regions (BED) or rows are judged in groups,
    with contig, start, end, strand too. `together` adds the mean of all models as "ensemble". `calibrate` is a table on
    which each model's temperature is fitted, and then written into its folder. `thresholds` are NAME=SCORE, from which
    on class 1 is called. A region answers for a row by the share `overlap` (see `evaluate.overlap`). `group` judges
    stretches of 1,000 bases in place of their windows, by the "max", "mean" or "second-max" of their scores. Rows that
    a predictor leaves without an answer are left out for all; more than `max_missing` of them raise DnabertError.

    Writes report.html, report.md, metrics.json, predictions.tsv and pictures (PNG, SVG) into the folder `output`;
    returns what metrics.json holds.
    """
    began = time.monotonic()
    check_seed(seed)
    check_settings(interval=interval, resamples=resamples, level=level, overlap=overlap, max_missing=max_missing)
    if group is not None and group not in REDUCTIONS:
        raise DnabertError(f"--group {group}: choose one of {', '.join(REDUCTIONS)}")
    named, files = names_of(models, "--model"), names_of(predictions, "--predictions")
    _check_names(named, files, together, calibrate)
    folder = results_folder(output, [table, calibrate, *(path for _, path in (*named, *files))])
    asked = Asked(strand, precision, device, threads, progress)
    answered = _answer(table, named, files, asked, together, calibrate, overlap)
    predictors = with_thresholds(answered.predictors, thresholds, answered.classes)
    kept, left_out = _answered(answered.rows, predictors, max_missing)
    rows, predictors = some_rows(answered.rows, kept), [one.some(kept) for one in predictors]
    grouping = group_rows(rows, group)
    labels = rows.labels if grouping is None else grouping.labels
    if not rows.of_values and len(np.unique(labels)) < 2:
        raise DnabertError(f"{table}: what is left to judge by is of one class alone; metrics need two")
    answers = [_answers(one, grouping, rows.of_values) for one in predictors]
    found = judge(
        labels,
        answers,
        resamples=resamples,
        level=level,
        method=interval,
        seed=seed,
        tick=progress("drawing resamples", "resamples", resamples),
    )
    how = {"method": interval, "level": level, "resamples": resamples, "seed": seed}
    told = _facts(rows, left_out, grouping, labels, answered, how, predictors, found)
    facts = {"verb": "evaluate", "table": Path(table).name, **told, "seconds": round(time.monotonic() - began, 1)}
    _write_answers(folder / "predictions.tsv", rows, grouping, labels, answers, answered.classes)
    pictures = curves_of(folder, found, labels, answers, answered.classes)
    write_page(folder, *describe(facts, found, pictures))
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


@dataclass(frozen=True)
class _Answered:
    """The rows of a table, their classes, and what every predictor says of them."""

    rows: Rows
    classes: tuple[str, ...]
    predictors: list[Predictor]
    notes: list[str]


def _answer(
    table: str | Path,
    named: Sequence[tuple[str, str]],
    files: Sequence[tuple[str, str]],
    asked: Asked,
    together: bool,
    calibrate: str | Path | None,
    overlap: float,
) -> _Answered:
    """Read the rows and have models answer them, then their mean, then files."""
    opened, classes, kind = open_models(named, asked)
    rows = read_rows(table, max((model.k for _, _, model in opened), default=1), kind, classes)
    if not rows.of_values:
        classes = _fitting(classes, rows, table)
    others = [from_file(name, path, rows, classes, overlap) for name, path in files]
    predictors, notes = [], []
    for name, path, model in opened:
        one, told = asked.answer(name, path, model, rows, calibrate)
        predictors.append(one)
        notes += told
    if calibrate is not None and os.path.realpath(calibrate) == os.path.realpath(table):
        notes.append("the temperature was fitted on the set that is judged, which makes Brier and ECE look too good")
    if together:
        predictors.append(ensemble(predictors))
    return _Answered(rows, classes, [*predictors, *others], notes)


def _facts(
    rows: Rows,
    left_out: int,
    grouping: Grouping | None,
    labels: I64 | F32 | F64,
    answered: _Answered,
    how: dict[str, Any],
    predictors: Sequence[Predictor],
    found: Judgement,
) -> dict[str, Any]:
    """What was judged, how well it answers, and what to know of it, as JSON can hold it."""
    counts = (
        np.bincount(labels.astype(np.int64), minlength=len(answered.classes)) if not rows.of_values else np.empty(0)
    )
    return {
        "rows": len(rows),
        "rows_left_out": left_out,
        "group": None if grouping is None else {"by": grouping.how, "groups": len(labels)},
        "classes": list(answered.classes),
        "by_class": counts.tolist(),
        "interval": how,
        "predictors": {
            one.name: predictor.facts | _about(one) for predictor, one in zip(predictors, found.predictors, strict=True)
        },
        "tests": [plain(vars(test)) for test in found.tests],
        "notes": answered.notes + [f"{one.name}: {note}" for one in predictors for note in one.notes],
    }


def check_settings(*, interval: str, resamples: int, level: float, max_missing: float, overlap: float = 0.5) -> None:
    """Raise DnabertError for settings that cannot be, and MissingExtra for packages that the end of the work needs."""
    if interval not in METHODS:
        raise DnabertError(f"--interval {interval}: choose {' or '.join(METHODS)}")
    if resamples < 2:
        raise DnabertError(f"--resamples {resamples}: an interval needs two or more")
    if not 0 < level < 1:
        raise DnabertError(f"--level {level:g} must lie between 0 and 1, as in 0.95")
    for flag, share in (("--overlap", overlap), ("--max-missing", max_missing)):
        if not 0 <= share <= 1:
            raise DnabertError(f"{flag} {share:g} must lie between 0 and 1")
    for module in ("scipy.stats", "sklearn.metrics"):
        need(module)
    with house_style():
        pass


def _check_names(
    named: Sequence[tuple[str, str]], files: Sequence[tuple[str, str]], together: bool, calibrate: str | Path | None
) -> None:
    if not named and not files:
        raise DnabertError("nothing to judge: give --model DIR, --predictions FILE, or both")
    if together and len(named) < 2:
        raise DnabertError(f"--ensemble is the mean of several models, and {len(named)} is given")
    if calibrate is not None and not named:
        raise DnabertError("--calibrate fits the temperature of models; give --model DIR")
    # Looked at before the first of several is written.
    foreign = None if calibrate is None else next((path for _, path in named if not Path(path).is_dir()), None)
    if foreign is not None:
        raise DnabertError(f"--calibrate writes into the model's folder, and {foreign} is none; copy the model first")
    names = [name for name, _ in (*named, *files)] + (["ensemble"] if together else [])
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DnabertError(f"two predictors are named {twice}; tell them apart as in --model {twice}2=PATH")


def _fitting(classes: tuple[str, ...], rows: Rows, table: str | Path) -> tuple[str, ...]:
    """Names of the classes: the models', or the labels' numbers. Raises FormatError for a label beyond them."""
    highest = int(rows.labels.max())
    if not classes:
        return tuple(str(c) for c in range(highest + 1))
    if highest >= len(classes):
        shown = ", ".join(classes)
        raise FormatError(f"{table}: label {highest}, but the models know {len(classes)} classes ({shown})")
    return classes


def _answered(rows: Rows, predictors: Sequence[Predictor], most: float) -> tuple[I64, int]:
    """The rows that all have answered, and how many are left out; raises DnabertError where those are too many."""
    there = np.ones(len(rows), np.bool_)
    for one in predictors:
        missing = np.isnan(one.scores).any(axis=1)
        count = int(np.count_nonzero(missing))
        if count > most * len(rows):
            first = rows.names[int(np.flatnonzero(missing)[0])]
            raise DnabertError(
                f"{one.name} has no answer for {count:,} of {len(rows):,} rows ({first!r} is the first), more than "
                f"--max-missing {most:g}"
            )
        there &= ~missing
    return np.flatnonzero(there), int(np.count_nonzero(~there))


def _answers(one: Predictor, grouping: Grouping | None, of_values: bool) -> Answers:
    """What a predictor says, of rows or of groups of them."""
    if of_values:
        return Answers(one.name, one.scores, None)
    if grouping is None:
        return Answers(one.name, one.scores, calls_of(one), one.probabilities)
    scores = grouping.reduce(one.scores[:, 1])
    if one.called is not None and one.threshold is None:
        called = grouping.any_of(one.called)
    else:
        called = scores >= (0.5 if one.threshold is None else one.threshold)
    return Answers(one.name, np.stack([-scores, scores], axis=1), called.astype(np.int64))


def _about(one: Judged) -> dict[str, Any]:
    facts: dict[str, Any] = {"metrics": {name: plain(vars(value)) for name, value in one.metrics.items()}}
    if one.confusion is not None:
        facts["confusion"] = one.confusion.tolist()
    if one.calibration is not None:
        found = one.calibration
        bins = zip(found.rows.tolist(), found.confidence.tolist(), found.true.tolist(), strict=True)
        facts["reliability"] = [plain({"rows": n, "confidence": c, "true": t}) for n, c, t in bins]
    return facts


def _write_answers(
    path: Path,
    rows: Rows,
    grouping: Grouping | None,
    labels: I64 | F32 | F64,
    answers: Sequence[Answers],
    classes: tuple[str, ...],
) -> None:
    """A row a row (or group): its name, its label, and every predictor's scores and call."""
    names = rows.names if grouping is None else grouping.names(rows)
    columns = [("name", "str"), ("label", "float" if rows.of_values else "int")]
    values: list[Any] = [names, labels]
    for one in answers:
        if one.calls is None:
            columns.append((one.name, "float"))
            values.append(one.scores[:, 0])
            continue
        shown = (1,) if len(classes) == 2 else range(len(classes))
        columns += [(one.name if len(classes) == 2 else f"{one.name}:p_{classes[c]}", "float") for c in shown]
        values += [one.scores[:, c] for c in shown]
        columns.append((f"{one.name}:call", "int"))
        values.append(one.calls)
    with open_table(path, columns) as sink:
        sink.write(values)
