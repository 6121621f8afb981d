"""Ctrl-C and SIGTERM as a wish that a run fulfils when it can, between two steps. Knows nothing of training."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping"]

# Ctrl-C reaches a process of torchrun twice: from the terminal and from torchrun.
_ONE_WISH = 2.0


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Gives what tells whether this process was asked to stop; asked again some seconds later, it stops at once.

    Only the main thread can be asked so; elsewhere the answer is always no.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[float] = []
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(time.monotonic())
        if asked[-1] - asked[0] > _ONE_WISH:
            restore()
            os.kill(os.getpid(), number)

    def restore() -> None:
        for each, handler in former.items():
            signal.signal(each, handler)

    for number in former:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    finally:
        restore()
