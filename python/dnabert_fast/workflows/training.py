"""What `finetune` does before and after training, whatever is trained: recipes, sets, folders, logs and facts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DnabertError
from ..nn.checkpoint import read_network
from ..nn.config import PRESETS as NETWORKS
from ..nn.config import NetworkConfig
from ..nn.weights import PICKLE, SAFETENSORS
from ..train.journal import Journal
from ..train.loop import Event
from ..train.presets import PRESETS, Recipe
from ..train.recipes import check_positive
from ..train.sets import NO_LABEL, LabelledSet, shared
from ..train.subsample import subsample
from .common import made_folder
from .labelled import Source, read_set
from .progress import Advance

__all__ = ["about_sets", "drawn", "model_folder", "network_of", "numbers", "read_sets", "recipe_of", "teller"]

_TASK_OF = {"classes": "classes", "values": "regression", "tokens": "tokens"}
_POSITIVE = ("epochs", "batch", "window", "evaluations", "patience", "lora", "lora_alpha")


def recipe_of(preset: str, given: Mapping[str, Any]) -> Recipe:
    """A preset with the fields replaced that are given."""
    if preset not in PRESETS:
        raise DnabertError(f"--preset {preset}: choose one of {', '.join(PRESETS)}")
    known = {name: value for name, value in given.items() if value is not None}
    weights = known.get("class_weights")
    if weights is not None and weights != "balanced":
        words = weights.split(",") if isinstance(weights, str) else weights
        known["class_weights"] = numbers("--class-weights", words)
    check_positive(**{name: known[name] for name in _POSITIVE if name in known})
    recipe = replace(PRESETS[preset], **known)
    if recipe.lora is not None and recipe.freeze_encoder:
        raise DnabertError("--lora trains adapters of the encoder and --freeze-encoder nothing of it; give one of them")
    if recipe.lora is None and recipe.lora_alpha is not None:
        raise DnabertError("--lora-alpha belongs to --lora; give the rank too")
    if recipe.classes is not None and len(set(recipe.classes)) < len(recipe.classes):
        raise DnabertError(f"--classes {','.join(recipe.classes)}: each class needs a name of its own")
    if not 0 <= recipe.weight_decay < math.inf:
        raise DnabertError(f"--weight-decay {recipe.weight_decay} must not be below 0")
    for name in ("dropout", "warm_up"):
        value = getattr(recipe, name)
        if value is not None and not 0 <= value < 1:
            raise DnabertError(f"--{name.replace('_', '-')} {value} must be from 0 to below 1")
    return recipe


def network_of(name: str) -> NetworkConfig:
    """The shape of a row of `nn.config.PRESETS`, or that of a model folder without its head."""
    if name in NETWORKS:
        return NETWORKS[name]
    if Path(name).is_dir():
        return read_network(name, backend="reference").config.with_head("none")
    raise DnabertError(f"--network {name}: choose one of {', '.join(NETWORKS)}, or a model folder for its shape")


def numbers(flag: str, words: Sequence[float | str]) -> tuple[float, ...]:
    """The numbers of a flag; raises DnabertError for anything that is not greater than 0."""
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(number) and number > 0 for number in found):
        raise DnabertError(f"{flag} {','.join(map(str, words))}: give numbers greater than 0 with commas between them")
    return found


def read_sets(
    paths: Mapping[str, str | Path], k: int, source: Source, recipe: Recipe
) -> tuple[dict[str, LabelledSet], Recipe]:
    """The sets, of which the training set says what labels are, and the recipe with the classes that files name."""
    sets: dict[str, LabelledSet] = {}
    of_files: tuple[str, ...] = ()
    for name, path in paths.items():
        sets[name], classes = read_set(path, k, source)
        if classes is not None:
            of_files = of_files or classes
            if classes != of_files and sorted(classes) == sorted(of_files):
                shown = f"{', '.join(classes)}, but those of --train {', '.join(of_files)}"
                raise DnabertError(f"--{name} {path}: the files' classes are {shown}; give them in one order")
        if name == "train":
            source = replace(source, task=_TASK_OF[sets[name].kind], held_out=True)
            if recipe.classes is None:
                recipe = replace(recipe, classes=classes)
    return sets, recipe


def drawn(data: LabelledSet, most: int | None, seed: int) -> LabelledSet:
    """At most so many sequences of a training set (see `train.subsample`); DnabertError where a class has none left."""
    if most is None:
        return data
    check_positive(max_train=most)
    part = subsample(data, most, seed)
    if data.kind != "values":
        lost = np.setdiff1d(data.labels, np.append(part.labels, NO_LABEL))
        if len(lost):
            raise DnabertError(f"--max-train {most} leaves class {lost[0]} without a sequence; take more")
    return part


def model_folder(output: str | Path, inputs: Sequence[str | Path | None] = (), *, overwrite: bool) -> Path:
    """The folder of a model that is to be trained, made now (see `common.made_folder`).

    Raises DnabertError where it holds a model already, whose files the new one's would replace, unless `overwrite`.
    """
    place = os.path.realpath(output)
    given = {os.path.realpath(path) for path in inputs if path is not None}
    held = any(os.path.exists(os.path.join(place, name)) for name in (SAFETENSORS, PICKLE))
    if held and place not in given and not overwrite:
        raise DnabertError(f"-o {output}: holds a model already; choose another folder, or replace it with --overwrite")
    return made_folder(output, inputs)


def teller(log: Journal, advance: Advance, report: Callable[[Event], None]) -> Callable[[Event], None]:
    """What logs an event, moves the progress on, and passes the event along."""
    done = 0

    def tell(event: Event) -> None:
        nonlocal done
        log.write(event)
        if event["event"] == "step":
            sequences = int(str(event["sequences"]))
            # A run of a sweep counts from 0 again.
            advance(sequences - done if sequences > done else sequences)
            done = sequences
        report(event)

    return tell


def about_sets(
    paths: Mapping[str, str | Path], sets: Mapping[str, LabelledSet], report: Callable[[Event], None]
) -> dict[str, dict[str, Any]]:
    """Facts of the sets by their names; `report` is given a note of each that the training set has sequences of."""
    found = {name: _about_set(name, paths[name], sets) for name in sets}
    for name, facts in found.items():
        if facts.get("also_in_train"):
            line = (
                f"{facts['also_in_train']:,} of the {facts['sequences']:,} {name} sequences stand in the training set "
                "too; what is measured on them says nothing of sequences that the model has not seen"
            )
            report({"event": "note", "step": 0, "note": line})
    return found


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
