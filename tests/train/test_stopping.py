"""A wish to stop is remembered, one that is repeated later is obeyed at once."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from dnabert_fast.train import stopping as module
from dnabert_fast.train.stopping import stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_remembered(number: int) -> None:
    before = signal.getsignal(number)
    with stopping() as asked:
        assert not asked()
        for _ in range(2):  # torchrun passes on what the terminal has sent already
            os.kill(os.getpid(), number)
        assert asked()
    assert signal.getsignal(number) == before


def test_asked_again_later_it_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def work() -> None:
        with stopping() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked()
            now[0] += 5
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("was not stopped")

    with pytest.raises(KeyboardInterrupt):
        work()


def test_other_threads_are_never_asked() -> None:
    found: list[bool] = []

    def work() -> None:
        with stopping() as asked:
            found.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
