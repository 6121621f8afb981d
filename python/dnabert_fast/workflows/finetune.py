"""The verb `finetune`: labelled sequences in, a model folder with its metrics and log out."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from ..errors import DnabertError, FormatError
from ..io.atomic import writing
from ..nn.checkpoint import write_network
from ..nn.config import PRESETS as NETWORKS
from ..nn.config import NetworkConfig
from ..train.criterion import collapse_warning
from ..train.finetune import starting_network
from ..train.fitting import check_fits
from ..train.loop import Event
from ..train.presets import PRESETS, Recipe
from ..train.sets import NO_LABEL, LabelledSet, shared
from ..train.sweep import Swept, spread, sweep
from .labelled import Source, read_set
from .progress import Advance, Progress, silent

__all__ = ["finetune"]

_TASK_OF = {"classes": "classes", "values": "regression", "tokens": "tokens"}


def finetune(
    *,
    train: str | Path,
    dev: str | Path,
    output: str | Path,
    test: str | Path | None = None,
    labels: str | Path | None = None,
    genome: str | Path | None = None,
    task: str = "auto",
    preset: str = "general",
    model: str | None = None,
    network: str | None = None,
    kmer: int | None = None,
    learning_rate: float | None = None,
    learning_rates: Sequence[float | str] = (),
    seed: int = 42,
    seeds: int = 1,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    progress: Progress = silent,
    report: Callable[[Event], None] = lambda event: None,
    **given: Any,
) -> dict[str, Any]:
    """Train a model on labelled sets and write it as a model folder.

    The sets are read as `labelled.read_set` says, with `labels`, `genome` and `task`. `preset` is a row of
    `train.presets`; what is `given` besides replaces its fields of that name (`train.presets.Recipe`). `model` is a
    pre-trained folder or hub name; without it the preset's network starts from random weights, or the one of
    `nn.config.PRESETS` named `network`, for k-mers of `kmer` bases. Several `learning_rates`, and `seeds` from `seed`
    on, are runs from the same start (see `train.sweep`). The folder gets, beside the model that was best on `dev`,
    metrics.json (dev and test metrics, runs, data, recipe; also returned), log.jsonl, one JSON object for each step
    and evaluation, written as they come, and with LoRA adapter.safetensors. `report` is given each event. Raises
    FormatError for a set that cannot be used, naming its line, and DnabertError for settings that do not fit.
    """
    began = time.monotonic()
    rates = _rates(learning_rate, learning_rates)
    recipe = _recipe(preset, {**given, "network": _network(network, model)})
    rates = rates or (recipe.learning_rate,)
    _check_positive({"seeds": seeds, "learning-rate": min(rates)})
    if threads is not None:
        torch.set_num_threads(threads)
    base = starting_network(model, recipe, seed, device=device, precision=precision, k=kmer)
    paths = {"train": train, "dev": dev} | ({} if test is None else {"test": test})
    sets, recipe = _read(paths, base.config.k, Source(task, recipe.classes, labels, genome), recipe)
    for name in sets.keys() - {"train"}:
        check_fits(sets["train"], sets[name], base.config.k, name)
    folder = _folder(output)
    runs = len(rates) + seeds - 1
    advance = progress("training", "sequences", len(sets["train"]) * recipe.epochs * runs)
    with open(folder / "log.jsonl", "w", encoding="utf-8", buffering=1) as log:
        tell = _teller(log, advance, report)
        swept = sweep(base, sets, recipe, rates, range(seed, seed + seeds), tell)
    facts = {"verb": "finetune", "preset": preset, "model": model, **_about_run(recipe, swept)}
    facts["data"] = {name: _about_set(name, paths[name], sets) for name in sets}
    facts |= {"seconds": round(time.monotonic() - began, 1), **_metrics(swept)}
    _write(swept, folder, recipe)
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


def _read(
    paths: Mapping[str, str | Path], k: int, source: Source, recipe: Recipe
) -> tuple[dict[str, LabelledSet], Recipe]:
    """The sets, of which the training set says what labels are, and the recipe with the classes that files name."""
    sets: dict[str, LabelledSet] = {}
    for name, path in paths.items():
        sets[name], classes = read_set(path, k, source)
        if name == "train":
            source = replace(source, task=_TASK_OF[sets[name].kind])
            if recipe.classes is None:
                recipe = replace(recipe, classes=classes)
    return sets, recipe


def _teller(log: TextIO, advance: Advance, report: Callable[[Event], None]) -> Callable[[Event], None]:
    """What logs an event as a line of JSON, moves the progress on, and passes the event along."""
    done = 0

    def tell(event: Event) -> None:
        nonlocal done
        log.write(json.dumps(_plain(event)) + "\n")
        if event["event"] == "step":
            sequences = int(str(event["sequences"]))
            # A run of a sweep counts from 0 again.
            advance(sequences - done if sequences > done else sequences)
            done = sequences
        report(event)

    return tell


def _rates(one: float | None, several: Sequence[float | str]) -> tuple[float, ...]:
    if one is not None and several:
        raise DnabertError("--learning-rate is one rate and --learning-rates are several to choose from; give one flag")
    return _numbers("--learning-rates", several) or (() if one is None else (one,))


def _numbers(flag: str, words: Sequence[float | str]) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(number) and number > 0 for number in found):
        raise DnabertError(f"{flag} {','.join(map(str, words))}: give numbers greater than 0 with commas between them")
    return found


def _recipe(preset: str, given: Mapping[str, Any]) -> Recipe:
    """A preset with the fields replaced that are given."""
    if preset not in PRESETS:
        raise DnabertError(f"--preset {preset}: choose one of {', '.join(PRESETS)}")
    known = {name: value for name, value in given.items() if value is not None}
    weights = known.get("class_weights")
    if weights is not None and weights != "balanced":
        words = weights.split(",") if isinstance(weights, str) else weights
        known["class_weights"] = _numbers("--class-weights", words)
    _check_positive({name: known[name] for name in _POSITIVE if name in known})
    recipe = replace(PRESETS[preset], **known)
    if recipe.lora is not None and recipe.freeze_encoder:
        raise DnabertError("--lora trains adapters of the encoder and --freeze-encoder nothing of it; give one of them")
    if recipe.lora is None and recipe.lora_alpha is not None:
        raise DnabertError("--lora-alpha belongs to --lora; give the rank too")
    for name in ("dropout", "warm_up"):
        value = getattr(recipe, name)
        if value is not None and not 0 <= value < 1:
            raise DnabertError(f"--{name.replace('_', '-')} {value} must be from 0 to below 1")
    return recipe


_POSITIVE = ("epochs", "batch", "window", "evaluations", "patience", "lora", "lora_alpha")


def _check_positive(given: Mapping[str, float]) -> None:
    for name, value in given.items():
        if not value > 0:
            raise DnabertError(f"--{name.replace('_', '-')} {value} must be greater than 0")


def _network(name: str | None, model: str | None) -> NetworkConfig | None:
    if name is None:
        return None
    if model is not None:
        raise DnabertError("--model continues a trained network and --network starts a new one; give one of them")
    if name not in NETWORKS:
        raise DnabertError(f"--network {name}: choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


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


def _write(swept: Swept, folder: Path, recipe: Recipe) -> None:
    """The model, and the adapters beside it; those of a former run in the folder go."""
    import safetensors.torch

    write_network(swept.tuned.network, folder)
    adapter = folder / "adapter.safetensors"
    if swept.tuned.adapters is None:
        adapter.unlink(missing_ok=True)
        return
    alpha = 2.0 * (recipe.lora or 0) if recipe.lora_alpha is None else recipe.lora_alpha
    with writing(adapter) as partial:
        about = {"rank": str(recipe.lora), "alpha": f"{alpha:g}"}
        safetensors.torch.save_file(swept.tuned.adapters, partial, metadata=about)


def _about_run(recipe: Recipe, swept: Swept) -> dict[str, Any]:
    outcome, network = swept.best.outcome, swept.tuned.network
    assert outcome is not None
    settings = {name: value for name, value in asdict(recipe).items() if name not in ("network", "classes", "anchor")}
    return settings | {
        "seed": swept.best.seed,
        "learning_rate": swept.best.learning_rate,
        "head": network.config.head,
        "device": network.backend.device,
        "precision": network.backend.precision,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "stopped_early": outcome.stopped_early,
        "warning": collapse_warning(outcome.dev),
    }


def _about_set(name: str, path: str | Path, sets: Mapping[str, LabelledSet]) -> dict[str, Any]:
    """A set's files, sequences, labels and, where it is held out, how many of them are in the training set too."""
    data = sets[name]
    files = ",".join(Path(part).name for part in str(path).split(","))
    held_out = {} if name == "train" else {"also_in_train": shared(sets["train"], data)}
    if data.kind == "values":
        values = data.labels.astype(np.float64)
        about: dict[str, Any] = {"mean": float(values.mean()), "sd": float(values.std())}
    else:
        about = {"by_class": np.bincount(data.labels[data.labels != NO_LABEL].astype(np.int64)).tolist()}
    return {"file": files, "sequences": len(data), **about, **held_out}


def _metrics(swept: Swept) -> dict[str, Any]:
    """Metrics of the best run; a table of all runs, and mean and spread over seeds, where there are several."""
    outcome = swept.best.outcome
    assert outcome is not None
    found: dict[str, Any] = {"dev": _plain(outcome.dev)}
    if swept.best.test is not None:
        found["test"] = _plain(swept.best.test)
    if len(swept.runs) > 1:
        rows = [run.facts() for run in swept.runs]
        found["runs"] = [
            {name: _plain(value) if isinstance(value, dict) else value for name, value in row.items()} for row in rows
        ]
    if len(swept.of_chosen_rate) > 1:
        names = ["dev"] + (["test"] if swept.best.test is not None else [])
        found["over_seeds"] = {
            name: {metric: _plain(values) for metric, values in spread(swept.of_chosen_rate, name).items()}
            for name in names
        }
    return found


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON can say them: what is not a number is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in facts.items()}
