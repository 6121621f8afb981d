"""The verb `finetune`: labelled sequences in, a model folder with its metrics and log out."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from ..errors import DnabertError, FormatError
from ..io.atomic import writing
from ..io.sequences import read_labelled
from ..nn.checkpoint import write_network
from ..nn.config import PRESETS as NETWORKS
from ..nn.config import NetworkConfig
from ..nn.network import Network
from ..train.finetune import check_fits, starting_network
from ..train.finetune import finetune as train_classifier
from ..train.learner import NetworkLearner
from ..train.loop import Event, Trained, collapse_warning, evaluate
from ..train.presets import PRESETS, Recipe
from ..train.sets import LabelledSet, shared
from .progress import Advance, Progress, silent

__all__ = ["finetune"]


def finetune(
    *,
    train: str | Path,
    dev: str | Path,
    output: str | Path,
    test: str | Path | None = None,
    preset: str = "general",
    model: str | None = None,
    network: str | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    window: int | None = None,
    anchor: str | None = None,
    classes: tuple[str, ...] | None = None,
    reverse_complement: bool | None = None,
    seed: int = 42,
    threads: int | None = None,
    progress: Progress = silent,
    report: Callable[[Event], None] = lambda event: None,
) -> dict[str, Any]:
    """Train a classifier on tables of `sequence,label` and write it as a model folder.

    `preset` is a row of `train.presets`; what else is given replaces its fields. `model` is a pre-trained folder or hub
    name; without it the preset's network starts from random weights, or the one of `nn.config.PRESETS` named `network`.
    The folder gets, beside the model that was best on `dev`, metrics.json (dev and test metrics, data, recipe, seed;
    also returned) and log.jsonl, one JSON object for each step and evaluation, written as they come. `report` is given
    each of these. Raises FormatError for a table that cannot be used, naming its line, and DnabertError for settings
    that do not fit.
    """
    began = time.monotonic()
    recipe = _recipe(
        preset,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        window=window,
        anchor=anchor,
        classes=classes,
        reverse_complement=reverse_complement,
        network=_network(network, model),
    )
    if threads is not None:
        torch.set_num_threads(threads)
    base = starting_network(model, recipe, seed)
    paths = {"train": train, "dev": dev} | ({} if test is None else {"test": test})
    sets = {name: _read(path, base.config.k) for name, path in paths.items()}
    if test is not None:
        check_fits(sets["train"], sets["test"], base.config.k, "test")
    folder = _folder(output)
    advance = progress("training", "sequences", len(sets["train"]) * recipe.epochs)
    with open(folder / "log.jsonl", "w", encoding="utf-8", buffering=1) as log:
        tell = _teller(log, advance, report)
        trained, outcome = train_classifier(base, sets["train"], sets["dev"], recipe, seed, tell)
    metrics = {"dev": _plain(outcome.dev)}
    if "test" in sets:
        metrics["test"] = _plain(evaluate(NetworkLearner(trained), sets["test"]))
    facts = {"verb": "finetune", "preset": preset, "model": model, "seed": seed, **_about_run(recipe, trained, outcome)}
    facts["data"] = {name: _about_set(name, paths[name], sets) for name in sets}
    facts |= {"seconds": round(time.monotonic() - began, 1), **metrics}
    write_network(trained, folder)
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


def _teller(log: TextIO, advance: Advance, report: Callable[[Event], None]) -> Callable[[Event], None]:
    """What logs an event as a line of JSON, moves the progress on, and passes the event along."""
    done = 0

    def tell(event: Event) -> None:
        nonlocal done
        log.write(json.dumps(_plain(event)) + "\n")
        if event["event"] == "step":
            sequences = int(str(event["sequences"]))
            advance(sequences - done)
            done = sequences
        report(event)

    return tell


def _recipe(preset: str, **given: Any) -> Recipe:
    """A preset with the fields replaced that are given."""
    if preset not in PRESETS:
        raise DnabertError(f"--preset {preset}: choose one of {', '.join(PRESETS)}")
    for name in ("learning_rate", "epochs", "batch", "window"):
        if given[name] is not None and given[name] <= 0:
            raise DnabertError(f"--{name.replace('_', '-')} {given[name]} must be greater than 0")
    return replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})


def _network(name: str | None, model: str | None) -> NetworkConfig | None:
    if name is None:
        return None
    if model is not None:
        raise DnabertError("--model continues a trained network and --network starts a new one; give one of them")
    if name not in NETWORKS:
        raise DnabertError(f"--network {name}: choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


def _read(path: str | Path, k: int) -> LabelledSet:
    table = read_labelled(path, k)
    return LabelledSet(table.windows, table.labels)


def _folder(output: str | Path) -> Path:
    """The output folder, made now, so that a place that cannot be written is known before hours of training."""
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise FormatError(f"{output}: the folder cannot be made: {wrong.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FormatError(f"{output}: this folder cannot be written; choose another")
    return folder


def _about_run(recipe: Recipe, trained: Network, outcome: Trained) -> dict[str, Any]:
    return {
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "reverse_complement": recipe.reverse_complement,
        "shift": recipe.shift,
        "parameters": sum(parameter.numel() for parameter in trained.parameters()),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "warning": collapse_warning(outcome.dev),
    }


def _about_set(name: str, path: str | Path, sets: Mapping[str, LabelledSet]) -> dict[str, Any]:
    """A set's file, sequences by class and, where it is held out, how many of them are in the training set too."""
    data = sets[name]
    held_out = {} if name == "train" else {"also_in_train": shared(sets["train"], data)}
    return {"file": Path(path).name, "sequences": len(data), "by_class": np.bincount(data.labels).tolist(), **held_out}


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON can say them: what is not a number is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in facts.items()}
