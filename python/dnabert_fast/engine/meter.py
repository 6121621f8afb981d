"""Turns shares of a unit into whole items done, for those who watch. Knows nothing of what is done."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Meter", "in_turn"]


class Meter:
    """Tells `progress` of the n items of a unit, a few at a time as its shares come in; the rest at the end."""

    def __init__(self, n: int, progress: Callable[[int], None]) -> None:
        self._n = n
        self._progress = progress
        self._share = 0.0
        self._told = 0

    def tick(self, share: float) -> None:
        """`share` of the unit, 0 to 1, has been done since the last call."""
        self._share += share
        self._tell(min(self._n, int(self._share * self._n)))

    def close(self) -> None:
        """The whole unit has been done."""
        self._tell(self._n)

    def _tell(self, items: int) -> None:
        if items > self._told:
            self._progress(items - self._told)
            self._told = items


def in_turn(progress: Callable[[int], None]) -> Callable[[int], None]:
    """`progress` for several threads, one call at a time."""
    lock = threading.Lock()

    def told(items: int) -> None:
        with lock:
            progress(items)

    return told
