"""What is asked of a model that lives in a process of its own (see `Fleet`), and who waits for the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .fleet import Fleet

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Request", "ask_fleet"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Request:
    """A method of Model, the prepared windows that it takes, what else it takes, and the limit of a batch."""

    ask: Callable[..., Callable[[], Any]]
    prepared: Sequence[object]
    options: tuple[object, ...]
    max_tokens: int

    def begin(self, model: Model, tick: Callable[[float], None]) -> Callable[[], Any]:
        """Ask the model of this process; what is returned waits for the answer."""
        return self.ask(replace(model, max_tokens=self.max_tokens), self.prepared, tick, *self.options)


def ask_fleet(fleet: Fleet, request: Request, tick: Callable[[float], None] | None) -> Callable[[], Any]:
    """Ask a process of the fleet; the call of what is returned waits for the answer."""
    return partial(_answered, fleet, fleet.ask(request, tick or _silent))


def _answered(fleet: Fleet, answer: Future[Result]) -> Result:
    """The answer; the fleet is handed along because its processes end when nobody holds it."""
    return answer.result()


def _silent(share: float) -> None:
    """Nobody asks how far it is."""
