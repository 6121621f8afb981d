"""How verbs tell how far they are. Knows nothing of screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

__all__ = ["Advance", "Progress", "silent"]

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of units of work done since the last call."""


class Progress(Protocol):
    """Begins a piece of work and returns what to call as it goes on."""

    def __call__(self, what: str, unit: str, total: int | None) -> Advance:
        """`what` is done in steps of `unit`; `total` of them, or None where nobody knows."""
        ...


def silent(what: str, unit: str, total: int | None) -> Advance:
    """A Progress that shows nothing."""
    return lambda done: None
