"""Results of a battery: the table with a row a run, and what it says of the models over the sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtra
from ..evaluate.battery import Overall, compare
from ..io.atomic import writing
from ..io.text_table import MISSING, read_text_table
from ..report.page import Block, Heading, Notes, Table, Text, to_markdown
from ..report.violins import violins_picture
from ..seq.types import F64
from .battery_plan import Run
from .reports import PAIRED, number, pairs_table, plain

__all__ = ["Results", "summarise"]

Key = tuple[str, str, int]

_BEFORE = ("set", "model", "seed", "status")
_AFTER = (
    "dev_mcc", "dev_loss", "sequences", "parameters", "steps", "best_step", "seconds", "settings", "folder", "reason",
    "warning",
)  # fmt: skip
_METRICS = (
    "mcc",
    "auroc",
    "auprc",
    "accuracy",
    "f1",
    "precision",
    "recall",
    "pearson",
    "spearman",
    "r2",
    "rmse",
    "loss",
)
# So many runs are named in a note.
_NAMED = 5
# What models are compared by; those of classes, then those of values.
_COMPARED = ("mcc", "auroc", "pearson", "spearman")
_NAMES = {"mcc": "MCC", "auroc": "AUROC", "pearson": "Pearson's r", "spearman": "Spearman's rho"}


class Results:
    """results.tsv: a row a run, written whole after each; "." is what a run has no value for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[Key, dict[str, str]] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        table = read_text_table(self.path, (*_BEFORE, "settings"))
        seeds = table.integers("seed")
        for row, seed in enumerate(seeds.tolist()):
            fields = {name: values[row] for name, values in table.columns.items()}
            self.rows[fields["set"], fields["model"], seed] = fields

    def done(self, key: Key) -> bool:
        """Whether a run is there and did not fail."""
        return key in self.rows and self.rows[key]["status"] == "done"

    def add(self, run: Run, folder: str, facts: Mapping[str, Any]) -> None:
        """Add what `finetune` says of a run, and write the table."""
        test, dev = facts["test"], facts["dev"]
        row = {name: test.get(name) for name in _METRICS}
        row |= {f"dev_{name}": dev.get(name) for name in ("mcc", "loss")}
        row |= {name: facts.get(name) for name in ("parameters", "steps", "best_step", "seconds", "warning")}
        row |= {"sequences": facts["data"]["train"]["sequences"], "folder": folder}
        self._put(run, "done", row)

    def fail(self, run: Run, reason: str) -> None:
        """Add why a run failed, and write the table."""
        self._put(run, "failed", {"reason": " ".join(reason.split())})

    def _put(self, run: Run, status: str, facts: Mapping[str, Any]) -> None:
        name, model, seed = run.key
        row = {"set": name, "model": model, "seed": seed, "status": status, "settings": run.hash, **facts}
        self.rows[run.key] = {column: _text(row.get(column)) for column in (*_BEFORE, *_METRICS, *_AFTER)}
        _write_table(self.path, (*_BEFORE, *_METRICS, *_AFTER), list(self.rows.values()))


def _text(value: object) -> str:
    if value is None or value == "" or (isinstance(value, float) and not np.isfinite(value)):
        return "."
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    lines = ["\t".join(columns), *("\t".join(row.get(column, ".") for column in columns) for row in rows)]
    with writing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def summarise(folder: Path, runs: Sequence[Run], results: Results, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write sets.tsv, summary.json, summary.md and violins (.png, .svg) of these runs; return what summary.json holds.

    A set's number is the mean over its seeds. Models are compared over the sets that both have by Wilcoxon's
    signed-rank test, p-values adjusted over the pairs of a metric. Without scipy or matplotlib a note says what is not
    there.
    """
    models = list(dict.fromkeys(run.contender.name for run in runs))
    sets = list(dict.fromkeys(run.data.name for run in runs))
    rows = [results.rows[run.key] for run in runs if run.key in results.rows]
    done = [row for row in rows if row["status"] == "done"]
    squares = {name: _square(done, name, sets, models) for name in _METRICS}
    squares = {name: square for name, square in squares.items() if not np.isnan(square).all()}
    _write_sets(folder / "sets.tsv", squares, sets, models)
    compared = [name for name in _COMPARED if name in squares]
    found, notes = _tests(models, {name: squares[name] for name in compared})
    failed = [
        {name: row[name] for name in ("set", "model", "seed", "reason")} for row in rows if row["status"] != "done"
    ]
    if failed:
        notes.append(f"{len(failed):,} of {len(runs):,} runs failed; models are compared over the sets that both have")
    notes += _warned(done)
    both = max((pair.sets for one in found.values() for pair in one.pairs), default=6)
    if both < 6:
        notes.append(f"over {both} sets no signed-rank test can give p below 0.05; six sets are the fewest")
    notes += _picture(folder, models, {name: squares[name] for name in compared[:2]}, sets)
    facts = {**about, "sets": len(sets), "models": models, "runs": len(runs), "done": len(done), "failed": failed}
    facts["metrics"] = {
        name: {
            "models": {model: plain(_spread(square[:, i])) for i, model in enumerate(models)},
            **(_tested(found[name]) if name in found else {}),
        }
        for name, square in squares.items()
    }
    facts["notes"] = notes
    with writing(folder / "summary.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    with writing(folder / "summary.md") as partial:
        partial.write_text(_page(facts, squares, compared, found, sets), encoding="utf-8")
    return facts


def _warned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A line on the runs that fell to one class, if there are any."""
    fallen = [row for row in rows if row.get("warning", ".") != "."]
    if not fallen:
        return []
    named = ", ".join(f"{row['model']} on {row['set']} (seed {row['seed']})" for row in fallen[:_NAMED])
    more = f" and {len(fallen) - _NAMED:,} more, with a warning in results.tsv" if len(fallen) > _NAMED else ""
    return [f"{len(fallen):,} of {len(rows):,} runs ended with one answer for every dev sequence: {named}{more}"]


def _square(rows: Sequence[Mapping[str, str]], metric: str, sets: Sequence[str], models: Sequence[str]) -> F64:
    """Means over seeds, float64 [sets, models]; NaN where no run has a number."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        text = row.get(metric, ".")
        if text.lower() not in MISSING:
            values.setdefault((row["set"], row["model"]), []).append(float(text))
    return np.array([[np.mean(values.get((name, model), [np.nan])) for model in models] for name in sets], np.float64)


def _spread(column: F64) -> dict[str, float]:
    there = column[~np.isnan(column)]
    if not len(there):
        return {"sets": 0}
    low, quarter, median, three, high = np.quantile(there, [0, 0.25, 0.5, 0.75, 1]).tolist()
    sd = float(there.std(ddof=1)) if len(there) > 1 else float("nan")
    return {
        "sets": len(there), "mean": float(there.mean()), "sd": sd, "lowest": low, "quarter": quarter,
        "median": median, "three_quarters": three, "highest": high,
    }  # fmt: skip


def _tests(models: Sequence[str], squares: Mapping[str, F64]) -> tuple[dict[str, Overall], list[str]]:
    if len(models) < 2:
        return {}, []
    try:
        return {name: compare(models, square) for name, square in squares.items()}, []
    except MissingExtra as absent:
        return {}, [f"models are not tested against each other: {absent}"]


def _tested(found: Overall) -> dict[str, Any]:
    return {"kruskal": plain({"h": found.h, "p": found.p}), "pairs": [plain(vars(pair)) for pair in found.pairs]}


def _picture(folder: Path, models: Sequence[str], squares: Mapping[str, F64], sets: Sequence[str]) -> list[str]:
    if not squares:
        return []
    named = {_NAMES[name]: square for name, square in squares.items()}
    try:
        violins_picture(folder / "violins.png", models, named, f"{len(sets):,} test sets, a dot each; bars: medians")
    except MissingExtra as absent:
        return [f"no violins were drawn: {absent}"]
    return []


def _write_sets(path: Path, squares: Mapping[str, F64], sets: Sequence[str], models: Sequence[str]) -> None:
    """A row a set and model, the mean over seeds: what `evaluate --results` reads."""
    rows = []
    for i, name in enumerate(sets):
        for j, model in enumerate(models):
            numbers = {metric: _text(float(square[i, j])) for metric, square in squares.items()}
            rows.append({"set": name, "model": model, **numbers})
    _write_table(path, ("set", "model", *squares), rows)


def _page(
    facts: Mapping[str, Any],
    squares: Mapping[str, F64],
    compared: Sequence[str],
    found: Mapping[str, Overall],
    sets: Sequence[str],
) -> str:
    models = facts["models"]
    blocks: list[Block] = [Notes(tuple(facts["notes"]))] if facts["notes"] else []
    for name in compared:
        spread = [facts["metrics"][name]["models"][model] for model in models]
        columns = ("sets", "mean", "sd", "lowest", "quarter", "median", "three_quarters", "highest")
        rows = [
            (model, f"{row['sets']:,}", *(number(row.get(column)) for column in columns[1:]))
            for model, row in zip(models, spread, strict=True)
        ]
        blocks += [
            Heading(_NAMES[name]),
            Table(("", *(column.replace("_", " ") for column in columns)), tuple(rows)),
        ]
        if name in found:
            blocks += [pairs_table(found[name]), Text(f"{PAIRED}.")]
    if len(sets) <= 40:
        for name in compared[:1]:
            rows = [(a_set, *(number(float(v)) for v in row)) for a_set, row in zip(sets, squares[name], strict=True)]
            blocks += [Heading(f"{_NAMES[name]} of each set"), Table(("set", *models), tuple(rows))]
    if facts["failed"]:
        rows = [(row["set"], row["model"], row["seed"], row["reason"]) for row in facts["failed"]]
        blocks += [Heading("Runs that failed"), Table(("set", "model", "seed", "reason"), tuple(rows))]
    lead = f"{len(models):,} models  ·  {len(sets):,} sets  ·  {facts['seeds']} seed{'s' * (facts['seeds'] > 1)}"
    return to_markdown("Models trained on many sets", lead, blocks, footer="Numbers are those of the test sets.")
