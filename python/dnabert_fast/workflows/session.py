"""A verb's work once it is opened: its model and inputs are there, and its shards are run, all or some at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from ..engine.jobs import Job
from ..engine.model import Model
from .jobs import Results, Task, begun
from .progress import Progress
from .work import Work

__all__ = ["Reread", "Session", "those_of"]

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass
class Session(Generic[Result]):
    """What is opened once for a run, or for many of single shards.

    `answer` runs the units that results want and writes them there; `foretell` is `--estimate` on so many machines, in
    shards of so many units.
    """

    task: Task[Result]
    work: Work | None
    model: Model
    answer: Callable[[Results[Result], Progress], None]
    foretell: Callable[[int, int], dict[str, Any]]

    @cached_property
    def job(self) -> Job | None:
        """The job of the work folder, begun when it is first asked for; None without one."""
        return begun(self.task, self.work)

    def run(self, progress: Progress, shards: range | None = None) -> Results[Result]:
        """Run these shards, or all that the work asks for: those of them that are not done yet."""
        with Results(self.task, self.work, self.model, self.job, shards, progress) as results:
            self.answer(results, progress)
        return results


class Reread(Generic[Unit]):
    """Units of a stream by their numbers, again and again; what lies behind the last ones is read on from there."""

    def __init__(self, opened: Callable[[], Generator[Unit, None, None]]) -> None:
        self._opened = opened
        self._stream: Generator[Unit, None, None] | None = None
        self._next = 0

    def units(self, first: int = 0) -> Iterator[tuple[int, Unit]]:
        """Each unit from this number on, with its number."""
        if self._stream is None or first < self._next:
            self.close()
            self._stream, self._next = self._opened(), 0
        try:
            for unit in self._stream:
                number = self._next
                self._next += 1
                if number >= first:
                    yield number, unit
        except Exception:
            self._stream = None  # which would seem to be at its end
            raise

    def close(self) -> None:
        """Let go of the stream."""
        if self._stream is not None:
            with suppress(ValueError):  # a thread that was told to stop still reads, and lets go of it
                self._stream.close()


def those_of(opening: Callable[..., Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function, by name, out of all that a verb was asked for."""
    return {name: asked[name] for name in inspect.signature(opening).parameters}
