"""`finetune --baseline`: labelled sequences in, a trained convolutional baseline with its test predictions out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import DnabertError
from ..evaluate.calibration import softmax
from ..io.atomic import writing
from ..io.rows import read_rows
from ..nn.backends import choose
from ..nn.weights import write_tensors
from ..seq.types import F64
from ..train.baselines import BASELINE_RATE, BaselineNetwork, OneHotLearner
from ..train.baselines import baseline as made_baseline
from ..train.criterion import collapse_warning, measure
from ..train.finetune import Scale
from ..train.journal import Journal
from ..train.loop import Event, Trained, evaluate
from ..train.loop import train as train_loop
from ..train.presets import Recipe
from ..train.recipes import check_positive
from ..train.sets import LabelledSet
from .common import check_seed
from .labelled import Source
from .progress import Advance, Progress, silent
from .reports import plain
from .training import about_sets, drawn, model_folder, read_sets, recipe_of, teller

__all__ = ["NETWORK_ONLY", "train_baseline"]

NETWORK_ONLY = ("head", "dropout", "lora", "lora_alpha", "freeze_encoder", "kmer", "precision", "learning_rates")
"""Flags of `finetune` that are about DNABERT's network, which a baseline has none of."""

_BOTH_STRANDS = {True: "both", False: "+"}


def train_baseline(
    *,
    baseline: str,
    train: str | Path,
    dev: str | Path,
    output: str | Path,
    test: str | Path | None = None,
    labels: str | Path | None = None,
    genome: str | Path | None = None,
    task: str = "auto",
    preset: str = "general",
    learning_rate: float | None = None,
    seed: int = 42,
    device: str = "auto",
    threads: int | None = None,
    max_train: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    report: Callable[[Event], None] = lambda event: None,
    **given: Any,
) -> dict[str, Any]:
    """Train a row of `train.baselines.BASELINES` on labelled sets, as `finetune` trains DNABERT.

    The recipe is the preset's with what is `given`, but for the learning rate, which is `BASELINE_RATE` unless it is
    given. Writes into the folder model.safetensors, config.json (which says what the weights are: no model folder of
    the engine), metrics.json (also returned), log.jsonl and, with a test set, predictions.tsv, which `evaluate
    --predictions` reads: `name` and `score`, the probability of class 1 or the value, or p_CLASS of more classes.
    Raises DnabertError for settings of DNABERT's network, pairs and labels of bases and, unless `overwrite`, for a
    folder that holds a model, FormatError for a set that cannot be used.
    """
    began = time.monotonic()
    _check_flags(given)
    check_seed(seed)
    rate = BASELINE_RATE if learning_rate is None else learning_rate
    check_positive(learning_rate=rate)
    recipe = recipe_of(preset, {**given, "learning_rate": rate})
    if threads is not None:
        torch.set_num_threads(threads)
    paths = {"train": train, "dev": dev} | ({} if test is None else {"test": test})
    sets, recipe = read_sets(paths, 1, Source(task, recipe.classes, labels, genome), recipe)
    classes = _classes(sets, recipe)
    whole = len(sets["train"])
    sets["train"] = drawn(sets["train"], max_train, seed)
    folder = model_folder(output, overwrite=overwrite)
    data = about_sets(paths, sets, report)
    network = made_baseline(baseline, len(classes), seed, choose("auto", device).device)
    learner = OneHotLearner(network)
    advance = progress("training", "sequences", len(sets["train"]) * recipe.epochs)
    outcome = _fit(learner, sets, recipe, seed, folder / "log.jsonl", advance, report)
    metrics = {"dev": plain(evaluate(learner, sets["dev"]))}
    if "test" in sets:
        answers = learner.answers(sets["test"])
        metrics["test"] = plain(measure(answers, sets["test"]))
        names = _names(paths["test"], genome)
        _write_predictions(folder / "predictions.tsv", names, answers.astype(np.float64), classes)
    facts = {"verb": "finetune", "preset": preset, "baseline": baseline, **_about_run(recipe, seed, network, outcome)}
    facts |= {"max_train": max_train, "drawn_from": whole, "data": data}
    facts |= {"seconds": round(time.monotonic() - began, 1), **metrics}
    _write(folder, network, baseline, recipe, classes, sets["train"])
    _write_json(folder / "metrics.json", facts)
    return facts | {"output": str(output)}


def _check_flags(given: dict[str, Any]) -> None:
    """Take what is about DNABERT's network out of the flags; raises DnabertError where one of these was asked for."""
    for name in NETWORK_ONLY:
        if given.pop(name, None) not in (None, False, (), "auto"):
            raise DnabertError(f"--{name.replace('_', '-')} is about DNABERT's network; leave it out with --baseline")


def _fit(
    learner: OneHotLearner,
    sets: Mapping[str, LabelledSet],
    recipe: Recipe,
    seed: int,
    log: Path,
    advance: Advance,
    report: Callable[[Event], None],
) -> Trained:
    """Train on values of mean 0 and standard deviation 1, a line of the log a step, and scale the network back."""
    scale = Scale.of(sets["train"])
    train, dev = (scale.of_set(sets[name]) for name in ("train", "dev"))
    with Journal(log) as lines:
        outcome = train_loop(learner, train, dev, recipe, seed, teller(lines, advance, report))
    scale.back(learner.network.last)
    return outcome


def _about_run(recipe: Recipe, seed: int, network: BaselineNetwork, outcome: Trained) -> dict[str, Any]:
    settings = {name: value for name, value in asdict(recipe).items() if name not in ("network", "classes", "anchor")}
    return settings | {
        "seed": seed,
        "device": next(network.parameters()).device.type,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "stopped_early": outcome.stopped_early,
        "warning": collapse_warning(outcome.dev),
    }


def _classes(sets: Mapping[str, LabelledSet], recipe: Recipe) -> tuple[str, ...]:
    """Names of the outputs; raises DnabertError for sets that a baseline cannot be trained on."""
    data = sets["train"]
    if data.second is not None or data.kind == "tokens":
        what = "pairs of sequences" if data.second is not None else "labels of bases"
        raise DnabertError(f"--baseline answers single sequences as wholes; the training set has {what}")
    for name, other in sets.items():
        if other.kind != data.kind or other.second is not None:
            raise DnabertError(f"the {name} set has {other.kind} for labels, but the training set {data.kind}")
        if data.kind == "classes" and other.labels.max() > data.labels.max():
            raise DnabertError(
                f"the {name} set has label {other.labels.max()}, but the training set's labels end at "
                f"{data.labels.max()}"
            )
    n = 1 if data.kind == "values" else int(data.labels.max()) + 1
    numbers = ("value",) if data.kind == "values" else tuple(map(str, range(n)))
    classes = recipe.classes or numbers
    if len(classes) != n:
        raise DnabertError(f"the training set has {n} classes, but {len(classes)} are named: {', '.join(classes)}")
    return classes


def _names(path: str | Path, genome: str | Path | None) -> list[str] | None:
    """The names of a set's rows, as `evaluate` knows them; None for their numbers."""
    if genome is not None:
        return None
    parts = [path] if Path(path).exists() else str(path).split(",")
    return [row.name for part in parts for row in read_rows(part)]


def _write_predictions(path: Path, names: list[str] | None, answers: F64, classes: tuple[str, ...]) -> None:
    names = names or [str(row) for row in range(1, len(answers) + 1)]
    if len(classes) == 1:
        columns, values = ["score"], answers
    elif len(classes) == 2:
        columns, values = ["score"], softmax(answers)[:, 1:]
    else:
        columns, values = [f"p_{name}" for name in classes], softmax(answers)
    lines = ["\t".join(["name", *columns])]
    lines += ["\t".join([name, *(f"{v:.9g}" for v in row)]) for name, row in zip(names, values.tolist(), strict=True)]
    with writing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write(
    folder: Path, network: BaselineNetwork, name: str, recipe: Recipe, classes: tuple[str, ...], data: LabelledSet
) -> None:
    """The weights, and what they are."""
    about = {
        "architectures": ["OneHotBaseline"],
        "note": "a baseline over one-hot bases, to compare DNABERT with; no model of the engine",
        "baseline": name,
        "shape": asdict(network.shape),
        "alphabet": "ACGT",
        "classes": list(classes),
        "regression": data.kind == "values",
        "window": recipe.window or int(data.windows.lengths.max()),
        "anchor": recipe.anchor,
        "strand": _BOTH_STRANDS[recipe.reverse_complement],
    }
    weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with writing(folder / "model.safetensors") as partial:
        write_tensors(weights, partial, {"format": "pt"})
    _write_json(folder / "config.json", about)


def _write_json(path: Path, facts: Mapping[str, Any]) -> None:
    with writing(path) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
