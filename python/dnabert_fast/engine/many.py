"""Several models as one job asks them: those of one encoder together, and of each device's process all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..nn.encoder import Encoder
from ..nn.many import many_headed, on_encoder
from .fleet import Fleet
from .model import Model, load
from .requests import Request

__all__ = ["Encoders", "Recipe", "Together", "joined", "together"]


@dataclass(frozen=True)
class Together:
    """Models of one encoder, asked as one: `model` gives the logits of all, and columns[i] are those of the i-th."""

    model: Model
    columns: tuple[slice, ...]


@dataclass(frozen=True)
class Recipe:
    """How a process makes what `together` made: the folders of models of one encoder, and their precision."""

    folders: tuple[str, ...]
    precision: str
    exceptions: tuple[str, ...]


class Encoders:
    """Holds each encoder once, however many of the models have it."""

    def __init__(self) -> None:
        self._held: dict[object, Encoder] = {}

    def shared(self, model: Model, key: object) -> Model:
        """The model on the encoder that is held under a key; the first of a key lends its own.

        What the encoders of the others took, and their prepared weights, is free when nobody else holds it.
        """
        held = self._held.get(key)
        if held is None:
            self._held[key] = model.network.encoder
            return model
        return replace(model, network=on_encoder(model.network, held))


def together(models: Sequence[Model]) -> Together:
    """Models that share an encoder (see `Encoders`) as one; a model alone stays as it is."""
    if len(models) == 1:
        return Together(models[0], (slice(None),))
    if any(model.network.encoder is not models[0].network.encoder for model in models):
        raise ValueError("models asked as one share their encoder")
    network, columns = many_headed([model.network for model in models])
    return Together(replace(models[0], network=network), columns)


def joined(groups: Sequence[Together], recipes: Sequence[Recipe], threads: int) -> list[Together]:
    """The groups on one runner; on several devices in one process each, which holds all of them.

    `threads` are those of all devices' processes together.
    """
    first = groups[0].model
    if first.fleet is None:
        return [replace(group, model=replace(group.model, runner=first.runner)) for group in groups]
    devices = first.fleet.devices
    share = max(1, threads // len(devices))
    fleet = Fleet(partial(_panel, recipes=tuple(recipes), threads=share), devices)
    return [
        replace(group, model=replace(group.model, runner=first.runner, fleet=_Share(fleet, number)))
        for number, group in enumerate(groups)
    ]


class _Share(Fleet):
    """What one of several models has of a fleet."""

    def __init__(self, whole: Fleet, number: int) -> None:
        self.devices = whole.devices
        self._whole, self._number = whole, number

    def __reduce__(self) -> tuple[Any, ...]:
        return _Share, (self._whole, self._number)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._whole.notes

    def ask(self, request: Any, tick: Callable[[float], None]) -> Future[Any]:
        return self._whole.ask((self._number, request), tick)

    def stop(self) -> None:
        self._whole.stop()


@dataclass(frozen=True)
class _Panel:
    """All models of a job in a process of a device; see `Fleet`."""

    models: tuple[Model, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for model in self.models for note in model.notes))

    def begin(self, request: tuple[int, Request], tick: Callable[[float], None]) -> Callable[[], Any]:
        number, of_model = request
        return of_model.begin(self.models[number], tick)


def _panel(device: str, recipes: tuple[Recipe, ...], threads: int) -> _Panel:
    made: list[Model] = []
    for recipe in recipes:
        encoders = Encoders()
        models = []
        for folder in recipe.folders:
            model = load(
                folder, device=device, precision=recipe.precision, threads=threads, exceptions=recipe.exceptions
            )
            models.append(encoders.shared(model, recipe))
        made.append(together(models).model)
    return _Panel(tuple(replace(model, runner=made[0].runner) for model in made))
