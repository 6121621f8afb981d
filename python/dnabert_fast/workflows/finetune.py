"""The verb `finetune`: labelled sequences in, a model folder with its metrics and log out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..errors import DnabertError
from ..io.atomic import writing
from ..nn.checkpoint import write_network
from ..nn.config import NetworkConfig
from ..nn.weights import write_tensors
from ..train.criterion import collapse_warning
from ..train.finetune import starting_network
from ..train.fitting import check_fits
from ..train.journal import Journal
from ..train.loop import Event
from ..train.presets import Recipe
from ..train.recipes import check_positive
from ..train.sweep import Swept, spread, sweep
from .common import check_seed
from .labelled import Source
from .progress import Progress, silent
from .reports import plain
from .training import about_sets, drawn, model_folder, network_of, numbers, read_sets, recipe_of, teller

__all__ = ["finetune"]


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
    max_train: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    report: Callable[[Event], None] = lambda event: None,
    **given: Any,
) -> dict[str, Any]:
    """Train a model on labelled sets and write it as a model folder.

    The sets are read as `labelled.read_set` says, with `labels`, `genome` and `task`. `preset` is a row of
    `train.presets`; what is `given` besides replaces its fields of that name (`train.presets.Recipe`). `model` is a
    pre-trained folder or hub name; without it the preset's network starts from random weights, or the one of
    `nn.config.PRESETS` named `network`, for k-mers of `kmer` bases. Several `learning_rates`, and `seeds` from `seed`
    on, are runs from the same start (see `train.sweep`). Of the training set at most `max_train` sequences are taken,
    drawn by the seed (see `train.subsample`). The folder gets, beside the model that was best on `dev`,
    metrics.json (dev and test metrics, runs, data, recipe; also returned), log.jsonl, one JSON object for each step
    and evaluation, written as they come, and with LoRA adapter.safetensors. `report` is given each event and notes on
    the sets. Raises FormatError for a set that cannot be used, naming its line, DnabertError for settings that do not
    fit and, unless `overwrite`, for a folder that holds a model.
    """
    began = time.monotonic()
    rates = _rates(learning_rate, learning_rates)
    recipe = recipe_of(preset, {**given, "network": _started(network, model)})
    rates = rates or (recipe.learning_rate,)
    check_positive(seeds=seeds, learning_rate=min(rates))
    check_seed(seed, seeds)
    if threads is not None:
        torch.set_num_threads(threads)
    base = starting_network(model, recipe, seed, device=device, precision=precision, k=kmer)
    paths = {"train": train, "dev": dev} | ({} if test is None else {"test": test})
    sets, recipe = read_sets(paths, base.config.k, Source(task, recipe.classes, labels, genome), recipe)
    for name in sets.keys() - {"train"}:
        check_fits(sets["train"], sets[name], base.config.k, name)
    sets["train"] = drawn(sets["train"], max_train, seed)
    folder = model_folder(output, [model, network], overwrite=overwrite)
    data = about_sets(paths, sets, report)
    runs = len(rates) + seeds - 1
    advance = progress("training", "sequences", len(sets["train"]) * recipe.epochs * runs)
    with Journal(folder / "log.jsonl") as log:
        tell = teller(log, advance, report)
        swept = sweep(base, sets, recipe, rates, range(seed, seed + seeds), tell)
    facts = {"verb": "finetune", "preset": preset, "model": model, "max_train": max_train, **_about_run(recipe, swept)}
    facts |= {"data": data, "seconds": round(time.monotonic() - began, 1), **_metrics(swept)}
    _write(swept, folder, recipe)
    with writing(folder / "metrics.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"output": str(output)}


def _rates(one: float | None, several: Sequence[float | str]) -> tuple[float, ...]:
    if one is not None and several:
        raise DnabertError("--learning-rate is one rate and --learning-rates are several to choose from; give one flag")
    return numbers("--learning-rates", several) or (() if one is None else (one,))


def _started(network: str | None, model: str | None) -> NetworkConfig | None:
    """The network that starts from random weights, where one is asked for."""
    if network is not None and model is not None:
        raise DnabertError("--model continues a trained network and --network starts a new one; give one of them")
    return None if network is None else network_of(network)


def _write(swept: Swept, folder: Path, recipe: Recipe) -> None:
    """The model, and the adapters beside it; those of a former run in the folder go."""
    write_network(swept.tuned.network, folder)
    adapter = folder / "adapter.safetensors"
    if swept.tuned.adapters is None:
        adapter.unlink(missing_ok=True)
        return
    alpha = 2.0 * (recipe.lora or 0) if recipe.lora_alpha is None else recipe.lora_alpha
    with writing(adapter) as partial:
        about = {"rank": str(recipe.lora), "alpha": f"{alpha:g}"}
        write_tensors(swept.tuned.adapters, partial, about)


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


def _metrics(swept: Swept) -> dict[str, Any]:
    """Metrics of the best run; a table of all runs, and mean and spread over seeds, where there are several."""
    outcome = swept.best.outcome
    assert outcome is not None
    found: dict[str, Any] = {"dev": plain(outcome.dev)}
    if swept.best.test is not None:
        found["test"] = plain(swept.best.test)
    if len(swept.runs) > 1:
        rows = [run.facts() for run in swept.runs]
        found["runs"] = [
            {name: plain(value) if isinstance(value, dict) else value for name, value in row.items()} for row in rows
        ]
    if len(swept.of_chosen_rate) > 1:
        names = ["dev"] + (["test"] if swept.best.test is not None else [])
        found["over_seeds"] = {
            name: {metric: plain(values) for metric, values in spread(swept.of_chosen_rate, name).items()}
            for name in names
        }
    return found
