"""The models of a run of `variants`, loaded with each encoder held once and read as one scorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..analysis.changes import SCORES, change_meanings
from ..analysis.panel import Member, PanelScorer
from ..analysis.variants import Scorer
from ..analysis.zeroshot import LikelihoodScorer
from ..engine.given import check_lengths
from ..engine.many import Encoders, Recipe, Together, joined, together
from ..engine.model import Model
from ..engine.scores import Readout
from ..engine.together import Run, run_together
from ..errors import DnabertError
from ..nn.config import NetworkConfig
from ..nn.many import encoder_hash
from ..seq.aliases import AliasTable
from ..seq.batch import PIECE
from ..seq.genome import Genome
from ..seq.variants import Regions
from .asked_models import AskedModel
from .common import read_regions, window_length
from .precision import Choice, load_first
from .progress import Progress, silent

__all__ = [
    "LoadedModel",
    "Panel",
    "load_models",
    "resolve_models",
    "shared_regions",
    "shared_window",
    "window_notes",
]

_NAMES_TOLD = 3  # of models that a note is of


@dataclass(frozen=True)
class LoadedModel:
    """A model that was asked for, and which of its numbers is the score. `encoder`: its hash; "" where it is alone."""

    asked: AskedModel
    model: Model
    readout: Readout
    encoder: str = ""


def load_models(
    asked: Sequence[AskedModel],
    precision: str,
    *,
    device: str,
    threads: int | None,
    strand: str = "+",
    ensemble: str | None = None,
    keys: Sequence[str] = SCORES,
    progress: Progress = silent,
) -> list[LoadedModel]:
    """The models as `load_first` loads them; those of equal encoders share one, so that it is held once.

    Raises DnabertError for a model that does not score windows, or has none of the scores `keys`, and where an
    `ensemble` is wanted of one model, or of classifiers with regressions.
    """
    if ensemble not in (None, "mean"):
        raise DnabertError(f"--ensemble {ensemble}: choose mean")
    if ensemble is not None and len(asked) < 2:
        raise DnabertError(f"--ensemble {ensemble}: is of several models; give --model NAME=DIR for each")
    encoders, found = Encoders(), []
    advance = progress("loading", "models", len(asked)) if len(asked) > 1 else None
    for one in asked:
        try:
            model = load_first(one.folder, precision, device=device, threads=threads, strand=strand)
            zero_shot = _zero_shot(one, len(asked), keys) if model.network.config.head == "mlm" else None
        except DnabertError as error:
            raise one.wrong(error, alone=True) from None
        if zero_shot is not None:
            found.append(LoadedModel(one, model, zero_shot))
            continue
        try:
            readout = model.readout(one.class_name)
        except DnabertError as error:
            raise one.wrong(error, alone=len(asked) == 1) from None
        if not set(change_meanings(readout)) & set(keys):
            raise DnabertError(f"--fields {','.join(keys)}: {one} is a regression, which has REF, ALT and DIFF alone")
        encoder = ""
        if advance is not None:
            encoder = encoder_hash(model.network)
            model = encoders.shared(model, encoder)
            advance(1)
        found.append(LoadedModel(one, model, readout, encoder))
    kinds = {loaded.readout.regression: loaded.asked for loaded in reversed(found)}
    if ensemble is not None and len(kinds) > 1:
        raise DnabertError(
            f"--ensemble {ensemble}: {kinds[True]} is a regression and {kinds[False]} a classifier, which have no "
            "common mean; leave one kind out"
        )
    return found


def _zero_shot(asked: AskedModel, models: int, keys: Sequence[str]) -> Readout:
    """What is read of a masked language model: one likelihood, not of any class.

    Raises DnabertError where more is asked of it.
    """
    what = "--class" if asked.class_name else "--fields" if tuple(keys) != SCORES else None
    if models > 1:
        raise DnabertError(f"{asked} is pre-trained and has no task; score it in a run of its own (DNABERT_LLR)")
    if what is not None:
        raise DnabertError(f"{what}: {asked} is pre-trained and has no task, so it has DNABERT_LLR alone")
    return Readout(0, True, "LLR")


def shared_window(loaded: Sequence[LoadedModel], given: int | None) -> int:
    """The window of all models: as given, or the one they were trained on.

    That of a masked language model is as long as it reads at once. Raises DnabertError, naming two models, where they
    were trained on several; and as `window_length` does.
    """
    config = loaded[0].model.network.config
    if given is None and config.head == "mlm":
        return _at_once(config)
    trained: dict[int, AskedModel] = {}
    for one in loaded:
        if one.model.block is not None:
            trained.setdefault(one.model.block.window, one.asked)
    if given is None and len(trained) > 1:
        (first, asked), (second, other) = list(trained.items())[:2]
        raise DnabertError(
            f"{asked} was trained on windows of {first} bases, {other} on windows of {second}; give --window BASES for "
            "all models, or score them one by one"
        )
    window = next(iter(trained), None)
    lengths = [window_length(given, window, one.model.k, scored_by=one.model.network.config) for one in loaded]
    return lengths[0]


def shared_regions(path: str | Path, loaded: Sequence[LoadedModel], genome: Genome, aliases: AliasTable) -> Regions:
    """The windows of a BED file, each of a length that every model scores; see `read_regions`."""
    configs = {one.model.network.config.window_bases: one.model.network.config for one in loaded}
    first, *others = configs.values()
    regions = read_regions(path, genome, aliases, max(one.model.k for one in loaded), scored_by=first)
    for config in others:
        check_lengths(config, regions.end - regions.start, lambda row: f"{path}: region {row + 1}")
    if first.head == "mlm" and len(long := np.flatnonzero(regions.end - regions.start > _at_once(first))):
        row = int(long[0])
        raise DnabertError(
            f"{path}: region {row + 1}: {regions.end[row] - regions.start[row]:,} bases, but a masked-LM head reads "
            f"{_at_once(first)} at once; give shorter regions"
        )
    return regions


def _at_once(config: NetworkConfig) -> int:
    """Bases that a masked-LM head reads at once."""
    return min(PIECE, config.encoder.max_positions - 2) + config.k - 1


@dataclass(frozen=True)
class Panel:
    """The models of a run in their precisions, as one scorer.

    `keys` are the scores that were asked for. `readouts` and `choices` are those of each of `asked`; `told`: what to
    say of windows that are not those a model was trained on, by model. `ks`: the lengths of their k-mers.
    """

    asked: Sequence[AskedModel]
    readouts: Sequence[Readout]
    choices: Sequence[Choice]
    ks: Sequence[int]
    told: Sequence[Sequence[str]]
    groups: Sequence[Together]
    scorer: Scorer
    keys: Sequence[str]
    ensemble: bool

    @property
    def model(self) -> Model:
        """The model that runs first: of one alone the model, of several that of their first encoder."""
        return self.groups[0].model

    @property
    def run(self) -> Run:
        """The pipeline of all models."""
        return partial(run_together, [group.model for group in self.groups])

    def settings(self, shared: dict[str, Any]) -> dict[str, Any]:
        """What changes results: `shared` by the models, whose own it has of the first (see `variant_settings`).

        Of several models their own follow with the name behind: model_NAME and so on.
        """
        chosen = {"fields": ",".join(self.keys) if tuple(self.keys) != SCORES else None}
        if len(self.asked) == 1:
            return shared | ({} if chosen["fields"] is None else chosen)
        found = {name: value for name, value in shared.items() if name not in self._own(0)}
        found |= {"ensemble": "mean" if self.ensemble else None} | chosen
        for number, one in enumerate(self.asked):
            found |= {f"{name}_{one.name}": value for name, value in self._own(number).items()}
        return found

    def facts(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What a summary tells: the settings, of several models an entry each in `models`."""
        if len(self.asked) == 1:
            return settings | self.choices[0].facts()
        own = {f"{name}_{one.name}" for one in self.asked for name in self._own(0)}
        models = [
            {"name": one.name, **self._own(number), **self.choices[number].facts(), "k": self.ks[number]}
            for number, one in enumerate(self.asked)
        ]
        told = {name: value for name, value in settings.items() if name not in own}
        return told | {"models": models, "encoders": len(self.groups)}

    def _own(self, number: int) -> dict[str, Any]:
        """The settings that are a model's own, by the names that `variant_settings` gives them."""
        choice = self.choices[number]
        return {
            "model": choice.network,
            "class": self.readouts[number].label,
            "precision": choice.precision,
            "precision_exceptions": ",".join(choice.exceptions) or None,
        }

    def run_notes(self) -> list[str]:
        """What users should know of how the models have run."""
        return list(dict.fromkeys(note for group in self.groups for note in group.model.notes))

    def notes(self) -> list[str]:
        """What users should know of the models: their windows and their precisions."""
        found: dict[str, list[str]] = {}
        for one, told, choice in zip(self.asked, self.told, self.choices, strict=True):
            for note in (*told, *choice.notes):
                found.setdefault(note, []).append(one.name)
        return list(found) if len(self.asked) == 1 else [f"{_some(names)}: {note}" for note, names in found.items()]


def resolve_models(
    loaded: list[LoadedModel],
    resolve: Callable[[Model, str], tuple[Model, Choice]],
    *,
    window: int | None,
    ensemble: str | None = None,
    keys: Sequence[str] = SCORES,
) -> Panel:
    """The models as `resolve` gives each, those of one encoder and precision asked together.

    `resolve` takes a model that was loaded and its folder; `window` is that of the run. `loaded` is emptied, so that
    what a check has prepared of one model is not held through those of the others.
    """
    encoders = Encoders()
    asked, readouts, choices, told, ks = [], [], [], [], []
    groups: dict[tuple[str, str, tuple[str, ...]], list[Model]] = {}
    members: list[Member] = []
    folders: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    while loaded:
        one = loaded.pop(0)
        model, choice = resolve(one.model, one.asked.folder)
        key = one.encoder, choice.precision, choice.exceptions
        if one.encoder:
            model = encoders.shared(model, key)
        told.append(window_notes(model, window))
        asked.append(one.asked)
        readouts.append(one.readout)
        choices.append(choice)
        ks.append(model.k)
        name = one.asked.name if one.encoder else ""
        together_with = groups.setdefault(key, [])
        members.append(Member(name, one.readout, list(groups).index(key), len(together_with)))
        together_with.append(model)
        folders.setdefault(key, []).append(one.asked.folder)
    asked_as_one = [together(models) for models in groups.values()]
    if len(asked) > 1:
        recipes = [Recipe(tuple(folders[key]), *key[1:]) for key in groups]
        asked_as_one = joined(asked_as_one, recipes, torch.get_num_threads())
    scorer: Scorer = PanelScorer(asked_as_one, members, ensemble is not None, keys)
    if asked_as_one[0].model.network.config.head == "mlm":
        scorer = LikelihoodScorer(asked_as_one[0].model)
    return Panel(asked, readouts, choices, ks, told, asked_as_one, scorer, keys, ensemble is not None)


def window_notes(
    model: Model, window: int | None, instead: str = "give such windows with --windows FILE.bed"
) -> list[str]:
    """Where centred windows of this length are not what the model was trained on, and what to do `instead`."""
    block = model.block
    if block is None or window is None:
        return []
    notes = []
    if block.anchor not in ("any", "centre"):
        notes.append(
            f"the model was trained on windows anchored at: {block.anchor}; a window centred on a variant is another "
            f"kind of input; {instead}"
        )
    if window != block.window:
        notes.append(f"the model was trained on windows of {block.window} bases, not {window}")
    return notes


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_TOLD
    return ", ".join(names[:_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
