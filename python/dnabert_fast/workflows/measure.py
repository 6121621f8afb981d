"""How fast a job runs here: real units through its real path for a few seconds. Knows no files and no verb."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

import numpy as np

from ..analysis.variants import Asked, Scorer
from ..engine.model import Model
from ..engine.predict import Prepared
from ..engine.together import Run
from ..seq.types import F64
from ..seq.variants import Placed

__all__ = ["Job", "Measured", "Sample", "Score", "Tally", "Watch", "count", "lanes", "measure", "spread"]

Unit = TypeVar("Unit")
Work = TypeVar("Work")
Result = TypeVar("Result")

_PLACES = 8
"""Places of the input that a measurement is taken from, where units are large."""

_FULL = 0.95  # of the tokens of the batches asked for: a few windows more would begin another batch
_ENOUGH = 0.7  # of the time asked for: the first large run pays for memory that the next ones have


@dataclass
class Tally:
    """What models were given to read: windows, passes (pieces that differ, each encoded once) and their tokens.

    `largest`: bytes of the largest unit's tokens.
    """

    windows: int = 0
    passes: int = 0
    tokens: int = 0
    largest: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, prepared: Sequence[Prepared]) -> None:
        """Count the windows of a unit as `Model.prepare` gives them, one entry a strand; for several threads."""
        with self._lock:
            for side in prepared:
                self.windows += side.n_windows
                self.passes += len(side.distinct.first)
                self.tokens += int(side.batch.lengths[side.distinct.first].sum(dtype=np.int64))
            self.largest = max(self.largest, sum(_bytes(side.batch) + _bytes(side.distinct) for side in prepared))


def _bytes(arrays: Any) -> int:
    """Bytes of the arrays that a dataclass holds."""
    values = (getattr(arrays, each.name) for each in fields(arrays))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


@dataclass(frozen=True)
class Watch:
    """Stands in for what a job asks, and counts what is read for it; where it is not `real`, nothing is asked."""

    tally: Tally
    real: bool

    def model(self, model: Model) -> Model:
        """The same model, for jobs that it runs itself."""
        held = {each.name: getattr(model, each.name) for each in fields(Model)}
        return _CountingModel(**held, watch=self)

    def scorer(self, scorer: Scorer) -> Scorer:
        """The same scorer; its models run under `run`."""
        return _CountingScorer(scorer, self.tally)

    def run(self, run: Run) -> Run:
        """The same way to run a job; reads alone where nothing is asked."""
        return run if self.real else _read_only


def _read_only(units: Iterable[Unit], read: Callable[[Unit], object], *rest: Any, **more: Any) -> None:
    """See `Run`; nothing is computed."""
    for unit in units:
        read(unit)


@dataclass(frozen=True, kw_only=True)
class _CountingModel(Model):
    watch: Watch = field(compare=False)

    def prepare(self, *args: Any, **given: Any) -> list[Prepared]:
        """See `Model.prepare`."""
        prepared = super().prepare(*args, **given)
        self.watch.tally.add(prepared)
        return prepared

    def prepare_spans(self, *args: Any, **given: Any) -> list[Prepared]:
        """See `Model.prepare_spans`."""
        prepared = super().prepare_spans(*args, **given)
        self.watch.tally.add(prepared)
        return prepared

    @property
    def run(self) -> Run:
        """See `Model.run`."""
        return self.watch.run(super().run)


@dataclass(frozen=True)
class _CountingScorer:
    scorer: Scorer
    tally: Tally

    @property
    def name(self) -> str:
        """See `Scorer`."""
        return self.scorer.name

    @property
    def meanings(self) -> dict[str, str]:
        """See `Scorer`."""
        return self.scorer.meanings

    def prepare(self, placed: Placed) -> Asked:
        """See `Scorer`."""
        asked = self.scorer.prepare(placed)
        self.tally.add(asked.prepared)
        return asked

    def begin(self, asked: Asked, tick: Callable[[float], None]) -> Callable[[], dict[str, F64]]:
        """See `Scorer`."""
        return self.scorer.begin(asked, tick)


@dataclass(frozen=True)
class Sample(Generic[Unit]):
    """Units of a job, in the order of the input and spread over it, or all of them.

    `size` says how many items (records, bases, sequences) a unit has, and `part` gives its first so many.
    """

    units: Sequence[Unit]
    size: Callable[[Unit], int]
    part: Callable[[Unit, int], Unit]


Score = Callable[[Watch, Iterable[Unit]], int]
"""Runs units through the real path of a job under a watch; returns the bytes that were written."""


@dataclass(frozen=True)
class Job(Generic[Unit]):
    """A job that can be counted and measured: its model (of several the first), units of its input, its real path."""

    model: Model
    sample: Sample[Unit]
    score: Score[Unit]


@dataclass(frozen=True)
class Measured:
    """A run of some items: its seconds, what was read, and the bytes that were written."""

    items: int
    seconds: float
    tally: Tally
    written: int

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tally.tokens / max(self.seconds, 1e-9)


def spread(n: int) -> Iterator[int]:
    """0 to n - 1 in an order whose first few, however many, lie spread evenly (van der Corput's, in base 2)."""
    bits = max(1, (n - 1).bit_length())
    for i in range(1 << bits):
        place = int(f"{i:0{bits}b}"[::-1], 2)
        if place < n:
            yield place


def lanes(model: Model) -> int:
    """Batches that the model's devices run at one time."""
    devices = 1 if model.fleet is None else len(model.fleet.devices)
    return max(model.runner.workers.threads, devices)


def count(job: Job[Unit], seconds: float) -> dict[int, Tally]:
    """What units have to be read, by their place in the sample: spread ones, all where the time is enough."""
    began, found = time.monotonic(), {}
    for place in spread(len(job.sample.units)):
        found[place] = _read(job, job.sample.units[place])
        if time.monotonic() - began > seconds:
            break
    return found


def measure(job: Job[Unit], counted: dict[int, Tally], seconds: float) -> tuple[Measured, Measured]:
    """The first few items, which pay for all that is done once, and a run of about so many seconds after them.

    That run is of whole units, or of the beginnings of some, spread over the input: of the places that were `counted`,
    one of which has tokens. Where a batch for each core takes longer, that is what is run.
    """
    dense = {place: tally for place, tally in counted.items() if tally.tokens}
    place = next(iter(dense))
    first = found = _run(job, [_part(job, place, dense[place], 1)[0]])
    least = goal = lanes(job.model) * job.model.max_tokens * _FULL
    for _ in range(3):
        former, found = found, _run(job, _parts(job, dense, goal, least))
        if found.seconds > _ENOUGH * seconds or found.tally.tokens <= former.tally.tokens:
            break
        goal = max(least, found.rate * seconds)
    return first, found


def _read(job: Job[Unit], unit: Unit) -> Tally:
    """What a unit has to be read for."""
    tally = Tally()
    job.score(Watch(tally, real=False), [unit])
    return tally


def _run(job: Job[Unit], units: Sequence[Unit]) -> Measured:
    tally = Tally()
    began = time.perf_counter()
    written = job.score(Watch(tally, real=True), units)
    return Measured(sum(map(job.sample.size, units)), time.perf_counter() - began, tally, written)


def _part(job: Job[Unit], place: int, tally: Tally, tokens: float) -> tuple[Unit, float]:
    """The beginning of a unit that has about so many tokens, and how many it has.

    Where there are fewer at the beginning than elsewhere, as in a run of unknown bases, it is longer.
    """
    unit = job.sample.units[place]
    size = job.sample.size(unit)
    items = max(1, round(size * tokens / tally.tokens))
    while items < size:
        part = job.sample.part(unit, items)
        there = _read(job, part).tokens
        if there > min(tokens, tally.tokens) / 2:
            return part, there
        items *= 2
    return unit, tally.tokens


def _parts(job: Job[Unit], dense: dict[int, Tally], goal: float, least: float) -> list[Unit]:
    """Parts of together about `goal` tokens, each of whole rounds of batches, in the order of the input."""
    each = max(least, goal / min(_PLACES, len(dense)) // least * least)
    chosen, tokens = {}, 0.0
    for place, tally in dense.items():
        chosen[place], there = _part(job, place, tally, each)
        tokens += there
        if tokens > goal - each / 2:
            break
    return [chosen[place] for place in sorted(chosen)]
