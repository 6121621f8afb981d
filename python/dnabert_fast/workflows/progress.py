"""How verbs tell how far they are. Knows nothing of screens."""

from __future__ import annotations

from collections import deque
from typing import Protocol

__all__ = ["Advance", "Follow", "Progress", "duration", "silent"]


class Advance(Protocol):
    """Called as the work goes on."""

    def __call__(self, done: int, share: float | None = None) -> None:
        """`done` units since the last call; `share` of the whole, 0 to 1, is done now, where the total is not known."""
        ...


class Progress(Protocol):
    """Begins a piece of work and returns what to call as it goes on."""

    def __call__(self, what: str, unit: str, total: int | None) -> Advance:
        """`what` is done in steps of `unit`; `total` of them, or None where nobody knows."""
        ...


def silent(what: str, unit: str, total: int | None) -> Advance:
    """A Progress that shows nothing."""
    return lambda done, share=None: None


def duration(seconds: float) -> str:
    """How long something takes, for people."""
    if seconds != seconds:
        return "an unknown time"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


class Follow:
    """Knows how much of the input is done from how much of it had been read when each of its units came in."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._units: deque[tuple[int, float | None]] = deque()
        self._done = 0
        self._before = 0.0

    def unit(self, items: int, share: float | None) -> None:
        """A unit of `items` has been read, and with it `share` of the input; units are done in this order."""
        self._units.append((items, share))

    def __call__(self, items: int) -> None:
        """So many more items are done."""
        self._done += items
        while self._units and self._done >= self._units[0][0]:
            size, share = self._units.popleft()
            self._done -= size
            self._before = self._before if share is None else share
        size, after = self._units[0] if self._units else (1, None)
        share = self._before if after is None else self._before + (after - self._before) * self._done / size
        self._advance(items, share or None)
