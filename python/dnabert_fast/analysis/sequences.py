"""Probabilities and embeddings of sequences that come in units. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..engine.given import check_lengths
from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..seq.batch import Windows
from ..seq.types import F32, I64

__all__ = ["HasWindows", "answer_units", "embed_sequences", "predict_sequences"]


class HasWindows(Protocol):
    """A unit of sequences; what else it holds (labels) is its maker's business."""

    @property
    def names(self) -> list[str]:
        """What the sequences are called where one of them is wrong."""
        ...

    @property
    def windows(self) -> Windows:
        """The sequences' bases."""
        ...

    @property
    def second(self) -> Windows | None:
        """The other sequences, where they are pairs."""
        ...


Unit = TypeVar("Unit", bound=HasWindows)


@dataclass(frozen=True)
class _Work(Generic[Unit]):
    unit: Unit
    rows: I64
    prepared: list[Prepared] | None


def answer_units(
    model: Model,
    units: Iterable[Unit],
    ask: Callable[[list[Prepared], Callable[[float], None]], Callable[[], F32]],
    width: int,
    write: Callable[[Unit, F32], None],
    progress: Callable[[int], None],
    along_bases: bool = False,
) -> int:
    """Answer the sequences (pairs) that have at least one k-mer (each); the others get NaN and are counted.

    `ask` begins to answer prepared sequences: rows [n, width], or with `along_bases` [B, width].
    """
    too_short = 0
    progress = in_turn(progress)

    def read(unit: Unit) -> _Work[Unit]:
        long = unit.windows.lengths >= model.k
        if unit.second is not None:
            long &= unit.second.lengths >= model.k
        rows = np.flatnonzero(long)
        if not len(rows):
            return _Work(unit, rows, None)
        second = None if unit.second is None else unit.second.take(rows)
        return _Work(unit, rows, model.prepare(unit.windows.take(rows), second=second))

    def compute(work: _Work[Unit]) -> Callable[[], tuple[Unit, F32]]:
        nonlocal too_short
        n = len(work.unit.windows)
        meter = Meter(n, progress)
        too_short += n - len(work.rows)
        answers = None if work.prepared is None else ask(work.prepared, meter.tick)

        def finish() -> tuple[Unit, F32]:
            windows = work.unit.windows
            table = np.full((len(windows.bases) if along_bases else n, width), np.nan, np.float32)
            if answers is not None:
                table[windows.places(work.rows) if along_bases else work.rows] = answers()
            meter.close()
            return work.unit, table

        return finish

    model.run(units, read, compute, lambda result: write(*result))
    return too_short


def predict_sequences(
    model: Model,
    units: Iterable[Unit],
    write: Callable[[Unit, F32], None],
    progress: Callable[[int], None] = lambda sequences: None,
) -> int:
    """Hand each unit with its probabilities float32 [n, C] (values for a regression) to `write`, in order.

    A model that labels bases gives a row a base of the unit, [B, C], NaN for those that no k-mer speaks of. Returns how
    many sequences are shorter than k; their rows are NaN. Raises DnabertError, naming it, for a sequence of a length
    that the model does not score.
    """
    model.need_head()

    def ask(prepared: list[Prepared], tick: Callable[[float], None]) -> Callable[[], F32]:
        logits = model.begin(prepared, tick)
        return lambda: model.probabilities(logits())

    return answer_units(
        model, _fitting(model, units), ask, max(1, len(model.labels)), write, progress, model.labels_bases
    )


def _fitting(model: Model, units: Iterable[Unit]) -> Iterator[Unit]:
    """The units, of which every sequence that has a k-mer is checked to be one that the head scores."""
    for unit in units:
        if unit.second is None:
            long = np.flatnonzero(unit.windows.lengths >= model.k)
            called = [f"sequence {unit.names[row]}" for row in long]
            check_lengths(model.network.config, unit.windows.lengths[long], called.__getitem__)
        yield unit


def embed_sequences(
    model: Model,
    units: Iterable[Unit],
    write: Callable[[Unit, F32], None],
    pooling: str = "mean",
    progress: Callable[[int], None] = lambda sequences: None,
) -> int:
    """Hand each unit with its vectors float32 [n, H] (see `Model.embed`) to `write`, in order.

    Returns how many sequences are shorter than k; their rows are NaN.
    """
    width = model.network.config.encoder.hidden_size

    def ask(prepared: list[Prepared], tick: Callable[[float], None]) -> Callable[[], F32]:
        return model.begin(prepared, tick, pooling)

    return answer_units(model, units, ask, width, write, progress)
