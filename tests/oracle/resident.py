"""What lives in the processes of tests: answers at once, late, never, or with a failure."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from dnabert_fast.errors import BackendUnavailable, MissingExtra


class Echo:
    """Answers (device, process, request) after as many seconds as asked for."""

    def __init__(self, device: str) -> None:
        if device == "missing":
            raise BackendUnavailable("no device named missing")
        self.device = device
        self.notes: tuple[str, ...] = ()

    def begin(self, request: tuple[Any, ...], tick: Callable[[float], None]) -> Callable[[], Any]:
        what, value, *_ = request
        if what == "fail":
            raise ValueError(f"bad {value}")
        tick(0.5)
        if what == "note":
            self.notes = (value,)
        if what == "die":
            os._exit(value)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "lock":
            return threading.Lock
        if what == "extra":
            return lambda: (_ for _ in ()).throw(MissingExtra("a", "b", "c"))
        if what == "sleep":
            time.sleep(value)
        tick(0.5)
        return lambda: (self.device, os.getpid(), value)
