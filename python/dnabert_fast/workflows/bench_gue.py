"""`bench gue`: models fine-tuned on the sets of GUE, or so already, beside the figures that were published."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.model import load
from ..errors import DnabertError
from ..evaluate.calibration import softmax
from ..evaluate.metrics import class_metrics
from ..io.atomic import writing
from ..io.labelled import read_labelled
from ..report.page import Block, Notes, Table, to_markdown
from .battery import battery
from .battery_results import Results
from .common import made_folder
from .predictors import model_logits, names_of
from .progress import Progress, silent

__all__ = ["PUBLISHED", "gue", "known_set"]

PUBLISHED = Path(__file__).parent.parent / "figures" / "gue.json"

_TESTS = ("test.csv.gz", "test.tsv.gz", "test.csv", "test.tsv")


def gue(
    sets: str | Path,
    *,
    output: str | Path,
    models: Sequence[str] = (),
    networks: Sequence[str] = (),
    baselines: Sequence[str] = (),
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
    **flags: Any,
) -> dict[str, Any]:
    """Set the MCC of models on the test sets of a folder laid out as GUE beside published figures.

    Each of `models`, [NAME=]FOLDER, is fine-tuned on every set that has train, dev and test (see `battery.battery`,
    which takes `networks`, `baselines`, `flags` too, and goes on where it was stopped). A folder that holds a model for
    each set, in folders named as the sets (as `battery` leaves them), is evaluated as it is. Writes bench.md and
    bench.json into the folder `output`, beside what the battery writes; returns what bench.json holds. A set is known
    by the end of its name (see `known_set`); MCC is times 100, of several seeds the mean. Raises DnabertError where
    nothing is to be compared.
    """
    began = time.monotonic()
    named = names_of(models, "--model")
    there = _tests(Path(sets))
    tuned = {name: places for name, path in named if (places := _tuned(Path(path), there))}
    pretrained = [f"{name}={path}" for name, path in named if name not in tuned]
    if not (tuned or pretrained or networks or baselines):
        raise DnabertError("bench gue: give --model, --network or --baseline")
    folder = made_folder(output, [sets, *(path for _, path in named)])
    found: dict[str, dict[str, list[float]]] = {}
    failed: list[Mapping[str, Any]] = []
    if pretrained or networks or baselines:
        run = battery(
            sets, output=folder, models=pretrained, networks=networks, baselines=baselines, device=device,
            threads=threads, progress=progress, say=say, **flags,
        )  # fmt: skip
        failed = run["failed"]
        found = _of_battery(run, folder, there)
    for model, of_sets in tuned.items():
        for name, folders in of_sets.items():
            for place in folders:
                mcc = _evaluated(place, there[name], device, threads, progress)
                found.setdefault(model, {}).setdefault(name, []).append(mcc)
                say(f"{name}  {model}  mcc {mcc:.4f}")
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    rows = [_row(name, found, published, Path(sets)) for name in there if any(name in of for of in found.values())]
    notes = _notes(rows, failed)
    facts = {
        "verb": "bench gue",
        "sets": Path(sets).name,
        "metric": "mcc",
        "models": list(found),
        "fine_tuned_here": [name for name in found if name not in tuned],
        "published": {name: published[name] for name in ("what", "source", "models")},
        "rows": rows,
        "means": _means(rows, list(found), published["models"]),
        "failed": list(failed),
        "notes": notes,
        "seconds": round(time.monotonic() - began, 1),
    }
    with writing(folder / "bench.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    with writing(folder / "bench.md") as partial:
        partial.write_text(_page(facts), encoding="utf-8")
    return facts | {"output": str(output)}


def _of_battery(run: Mapping[str, Any], folder: Path, sets: Collection[str]) -> dict[str, dict[str, list[float]]]:
    """The MCCs of a battery's runs on these sets, one a seed, by model and set."""
    found: dict[str, dict[str, list[float]]] = {}
    seeds = range(run["seed"], run["seed"] + run["seeds"])
    for (name, model, seed), row in Results(folder / "results.tsv").rows.items():
        if model in run["models"] and name in sets and seed in seeds and row["status"] == "done":
            found.setdefault(model, {}).setdefault(name, []).append(float(row["mcc"]))
    return found


def known_set(name: str, folder: str, published: Sequence[str]) -> str | None:
    """The published set of a name such as GUE_tf_0: the longest that it ends with; "0" of a folder tf is tf_0."""
    for text in (name, f"{folder}_{name}"):
        fitting = [known for known in published if text == known or text.endswith(f"_{known}")]
        if fitting:
            return max(fitting, key=len)
    return None


def _tests(folder: Path) -> dict[str, Path]:
    """The test sets of a folder, by the names that `battery_plan.read_sets` gives sets."""
    found = {}
    for place in sorted({path.parent for path in folder.rglob("test.*")}):
        test = next((place / name for name in _TESTS if (place / name).is_file()), None)
        if test is not None:
            found["_".join(place.relative_to(folder).parts) or place.name] = test
    if not found:
        raise DnabertError(f"{folder}: no folder in it holds test as .csv or .tsv (plain or .gz)")
    return found


def _tuned(folder: Path, sets: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The models that a folder holds for sets, one for each seed; none where the folder is a model itself."""
    if (folder / "config.json").is_file() or not folder.is_dir():
        return {}
    found = {}
    for name in sets:
        places = [folder / name, *sorted((folder / name).glob("seed-*"))]
        if models := [place for place in places if (place / "config.json").is_file()]:
            found[name] = models
    return found


def _evaluated(model: Path, test: Path, device: str, threads: int | None, progress: Progress) -> float:
    """The MCC of a fine-tuned model on a test set."""
    loaded = load(model, device=device, threads=threads)
    config = loaded.network.config
    if config.regression:
        raise DnabertError(f"{model}: a regression has no MCC; give models of classes")
    table = read_labelled(test, loaded.k, classes=loaded.labels, held_out=True)
    if (most := int(table.labels.max())) >= len(loaded.labels):
        raise DnabertError(f"{test}: label {most}, but {model} has {len(loaded.labels)} classes")
    logits = model_logits(loaded, table.windows, table.second, progress, f"predicting with {model.name}")
    return class_metrics(table.labels.astype(np.int64), softmax(logits.astype(np.float64)))["mcc"]


def _row(
    name: str, found: Mapping[str, Mapping[str, Sequence[float]]], published: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    known = known_set(name, folder.resolve().name, list(published["sets"]))
    figures = [None] * len(published["models"]) if known is None else published["sets"][known]
    ours = {model: round(100 * float(np.mean(of[name])), 2) for model, of in found.items() if name in of}
    theirs = dict(zip(published["models"], figures, strict=True))
    return {"set": name, "known_as": known, "mcc": ours, "published": theirs}


def _means(rows: Sequence[Mapping[str, Any]], ours: Sequence[str], theirs: Sequence[str]) -> dict[str, Any]:
    """Means over the sets that all models and all published figures have."""
    both = [
        {**row["mcc"], **row["published"]}
        for row in rows
        if row["known_as"] is not None and all(name in row["mcc"] for name in ours)
    ]
    means = {name: float(np.mean([row[name] for row in both])) if both else None for name in (*ours, *theirs)}
    return {"sets": len(both), **{name: None if mean is None else round(mean, 2) for name, mean in means.items()}}


def _notes(rows: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = [f"{row['set']}: no figure was published of a set of this name" for row in rows if row["known_as"] is None]
    return notes + [f"{row['model']} on {row['set']} failed: {row['reason']}" for row in failed]


def _page(facts: Mapping[str, Any]) -> str:
    ours, theirs = facts["models"], facts["published"]["models"]

    def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple("" if row.get(name) is None else f"{row[name]:.2f}" for name in (*ours, *theirs))

    rows = [(row["set"], *cells({**row["mcc"], **row["published"]})) for row in facts["rows"]]
    rows.append((f"mean of {facts['means']['sets']} sets", *cells(facts["means"])))
    blocks: list[Block] = [Table(("MCC x 100", *ours, *theirs), tuple(rows))]
    blocks += [Notes(tuple(facts["notes"]))] if facts["notes"] else []
    return to_markdown("GUE", f"{facts['published']['what']}: {facts['published']['source']}", blocks)
