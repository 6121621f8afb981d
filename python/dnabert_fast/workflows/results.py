"""`evaluate --results`: a table of metrics by set and model in, the models compared over the sets out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DnabertError, FormatError
from ..evaluate.battery import Overall, compare
from ..evaluate.packages import need
from ..io.atomic import writing
from ..io.text_table import TextTable, read_text_table
from ..report.page import Block, Heading, Notes, Table, Text
from ..seq.types import F64
from .reports import PAIRED, number, p_value, pairs_table, plain, results_folder, write_page

__all__ = ["compare_results"]

_METRIC = "mcc"


def compare_results(results: str | Path, *, output: str | Path, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """Compare models over many sets by a table with a row a set and model, and a column a metric.

    results: csv or tsv with columns set, model and at least one of numbers. `metrics` are the columns to go by
    (default: mcc, or the only one there is). Writes report.html, report.md and metrics.json into the folder `output`;
    returns what metrics.json holds. Raises FormatError for a set and model that come twice.
    """
    began = time.monotonic()
    need("scipy.stats")
    table = read_text_table(results, ("set", "model"))
    chosen = _chosen(table, metrics)
    sets, models = (list(dict.fromkeys(table.columns[name])) for name in ("set", "model"))
    if len(models) < 2:
        raise FormatError(f"{results}: one model alone ({models[0]}); comparing takes two")
    folder = results_folder(output, [results])
    numbers = {name: _square(table, name, sets, models) for name in chosen}
    found = {name: compare(models, numbers[name]) for name in chosen}
    notes = []
    for name in chosen:
        missing = int(np.count_nonzero(np.isnan(numbers[name])))
        if missing:
            notes.append(
                f"{name}: {missing:,} of {numbers[name].size:,} numbers are missing; pairs leave those sets out"
            )
    facts = {
        "verb": "evaluate",
        "results": Path(results).name,
        "sets": len(sets),
        "models": models,
        "metrics": {name: _facts(models, numbers[name], found[name]) for name in chosen},
        "notes": notes,
        "seconds": round(time.monotonic() - began, 1),
    }
    blocks: list[Block] = [Notes(tuple(notes))] if notes else []
    for name in chosen:
        blocks += _blocks(name, models, numbers[name], found[name])
    lead = f"{len(models):,} models  ·  {len(sets):,} sets"
    write_page(folder, f"Models compared over the sets of {Path(results).name}", lead, blocks)
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


def _chosen(table: TextTable, metrics: Sequence[str]) -> list[str]:
    there = [name for name in table.columns if name not in ("set", "model")]
    for name in metrics:
        if name.lower() not in there:
            raise DnabertError(f"--metric {name}: {table.path} has {', '.join(there) or 'no column of numbers'}")
    if metrics:
        return list(dict.fromkeys(name.lower() for name in metrics))
    if _METRIC in there:
        return [_METRIC]
    if len(there) == 1:
        return there
    raise DnabertError(f"{table.path}: which column is to go by? give --metric, one of {', '.join(there) or 'none'}")


def _square(table: TextTable, metric: str, sets: Sequence[str], models: Sequence[str]) -> F64:
    """The numbers of a metric, float64 [sets, models]; NaN where there is none."""
    values = table.numbers(metric, may_miss=True)
    row_of, column_of = ({name: i for i, name in enumerate(names)} for names in (sets, models))
    square = np.full((len(sets), len(models)), np.nan)
    line_of: dict[tuple[int, int], int] = {}
    for row, (a, b) in enumerate(zip(table.columns["set"], table.columns["model"], strict=True)):
        at = row_of[a], column_of[b]
        if at in line_of:
            raise table.wrong(row, f"set {a!r} and model {b!r} are on line {table.line[line_of[at]]} too")
        line_of[at] = row
        square[at] = values[row]
    return square


def _facts(models: Sequence[str], square: F64, found: Overall) -> dict[str, Any]:
    return {
        "medians": plain(dict(zip(models, _medians(square), strict=True))),
        "kruskal": plain({"h": found.h, "p": found.p}),
        "pairs": [plain(vars(pair)) for pair in found.pairs],
    }


def _medians(square: F64) -> list[float]:
    columns = [square[~np.isnan(square[:, i]), i] for i in range(square.shape[1])]
    return [float(np.median(column)) if len(column) else float("nan") for column in columns]


def _blocks(metric: str, models: Sequence[str], square: F64, found: Overall) -> list[Block]:
    spread = []
    for i, name in enumerate(models):
        column = square[~np.isnan(square[:, i]), i]
        quartiles = np.quantile(column, [0, 0.25, 0.5, 0.75, 1]) if len(column) else np.full(5, np.nan)
        spread.append((name, f"{len(column):,}", *(number(float(value)) for value in quartiles)))
    return [
        Heading(metric),
        Table(("", "sets", "lowest", "quarter", "median", "three quarters", "highest"), tuple(spread)),
        pairs_table(found),
        Text(
            f"{PAIRED}. All models together, Kruskal and Wallis: H = {number(found.h, 2)}, "
            f"p = {p_value(found.p)}; that test does not know that the sets are the same."
        ),
    ]
