"""How a job runs that asks one model or several: a pipeline with a reader and enough units for each device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from .pipeline import pipeline

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Run", "run_together"]

Unit = TypeVar("Unit")
Work = TypeVar("Work")
Result = TypeVar("Result")


class Run(Protocol):
    """How a job runs: `Model.run`, or `run_together` of several models."""

    def __call__(
        self,
        units: Iterable[Unit],
        read: Callable[[Unit], Work],
        compute: Callable[[Work], Callable[[], Result]],
        write: Callable[[Result], None],
        readers: int | None = None,
    ) -> None: ...


def run_together(
    models: Sequence[Model],
    units: Iterable[Unit],
    read: Callable[[Unit], Work],
    compute: Callable[[Work], Callable[[], Result]],
    write: Callable[[Result], None],
    readers: int | None = None,
) -> None:
    """The `pipeline` of a job that asks these models, with a reader and enough units for each device.

    `compute` asks (see `Model.begin`) and returns what waits for the result; that is called where results are written.
    """
    fleets = [model.fleet for model in models if model.fleet is not None]
    devices = max([1, *(len(fleet.devices) for fleet in fleets)])

    def cancel() -> None:
        for fleet in fleets:
            fleet.stop()

    readers, depth = readers or devices, max(4, 3 * devices)
    began, before = time.perf_counter(), [model.busy for model in models]
    pipeline(units, read, compute, lambda wait: write(wait()), readers=readers, depth=depth, cancel=cancel)
    took = time.perf_counter() - began
    for model, at_first in zip(models, before, strict=True):
        if at_first is not None and (at_last := model.busy) is not None:
            model.runner.share = (at_last - at_first) / took
