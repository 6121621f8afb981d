"""Three stages over bounded queues: order, bounds, and an end to everything when one of them fails."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from dnabert_fast.engine.pipeline import pipeline


def nothing(item: int) -> int:
    return item


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    limit = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < limit:
        time.sleep(0.01)
    assert not left


def slow(most: float, seed: int) -> Callable[[int], int]:
    chance = random.Random(seed)

    def stage(item: int) -> int:
        time.sleep(chance.random() * most)
        return item

    return stage


@pytest.mark.parametrize("readers", [1, 2, 4])
@pytest.mark.parametrize("depth", [1, 3])
def test_results_come_in_the_order_of_units(readers: int, depth: int) -> None:
    written: list[int] = []
    compute, write = slow(0.002, 1), slow(0.002, 2)
    pipeline(
        range(60),
        slow(0.005, 0),
        lambda item: compute(item) * 10,
        lambda item: written.append(write(item)),
        readers=readers,
        depth=depth,
    )
    assert written == [10 * item for item in range(60)]


def test_no_units() -> None:
    written: list[int] = []
    pipeline([], nothing, nothing, written.append)
    assert written == []


def test_stages_have_their_threads() -> None:
    names: dict[str, set[str]] = {"read": set(), "compute": set(), "write": set()}

    def stage(name: str) -> Callable[[int], int]:
        def run(item: int) -> int:
            time.sleep(0.005)
            names[name].add(threading.current_thread().name)
            return item

        return run

    written: list[int] = []
    write = stage("write")
    pipeline(range(12), stage("read"), stage("compute"), lambda item: written.append(write(item)), readers=3)
    assert names["compute"] == {threading.current_thread().name}
    assert names["write"] == {"write"}
    assert len(names["read"]) > 1


@pytest.mark.parametrize("slowest", ["compute", "write"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_few_units_wait(slowest: str, depth: int) -> None:
    """Before a stage stand at most `depth` units; one more is in the hands of the stage before, one in its own."""
    given = computed = written = 0
    ahead = {"compute": 0, "write": 0}

    def units() -> Iterator[int]:
        nonlocal given
        for item in range(30):
            given += 1
            ahead["compute"] = max(ahead["compute"], given - computed)
            yield item

    def compute(item: int) -> int:
        nonlocal computed
        time.sleep(0.004 if slowest == "compute" else 0)
        computed += 1
        ahead["write"] = max(ahead["write"], computed - written)
        return item

    def write(item: int) -> None:
        nonlocal written
        time.sleep(0.004 if slowest == "write" else 0)
        written += 1

    pipeline(units(), nothing, compute, write, depth=depth)
    assert (given, computed, written) == (30, 30, 30)
    assert ahead["compute"] <= depth + 3
    assert ahead["write"] <= depth + 3
    assert ahead[slowest] >= depth


@pytest.mark.parametrize("stage", ["units", "read", "compute", "write"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [0, 7])
def test_an_exception_of_any_stage_stops_all(stage: str, error: type[BaseException], at: int) -> None:
    seen: dict[str, list[int]] = {"units": [], "read": [], "compute": [], "write": []}
    written: list[int] = []

    def run(name: str, item: int) -> int:
        if name == stage and item == at:
            raise error(f"in {name}")
        seen[name].append(item)
        return item

    def units() -> Iterator[int]:
        for item in range(10_000):
            yield run("units", item)

    with pytest.raises(error, match=f"in {stage}"):
        pipeline(
            units(),
            lambda item: run("read", item),
            lambda item: run("compute", item),
            lambda item: written.append(run("write", item)),
            readers=2,
        )
    assert written == list(range(len(written)))
    assert len(written) <= at
    assert all(items == sorted(items) for name, items in seen.items() if name != "read")
    assert all(len(items) < 100 for items in seen.values())


def test_the_first_exception_is_the_one_raised() -> None:
    def read(item: int) -> int:
        if item >= 3:
            raise ValueError(f"unit {item}")
        return item

    with pytest.raises(ValueError, match="unit 3"):
        pipeline(range(50), read, nothing, lambda item: None, readers=4)


def test_a_source_that_waits_for_ever_does_not_hold_up_an_interruption() -> None:
    """As standard input does, when nobody writes to it."""
    release = threading.Event()

    def units() -> Iterator[int]:
        yield 0
        release.wait()
        yield 1

    def compute(item: int) -> int:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline(units(), nothing, compute, lambda item: None)
    assert time.monotonic() - began < 5
    release.set()


@pytest.mark.parametrize("name", ["feed", "write"])
def test_an_interruption_while_a_thread_starts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    start = threading.Thread.start
    given: list[int] = []
    written: list[int] = []

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            raise KeyboardInterrupt

    def units() -> Iterator[int]:
        for item in range(10_000):
            given.append(item)
            yield item

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline(units(), nothing, nothing, written.append)
    seen = len(given)
    time.sleep(0.1)
    assert len(given) == seen < 100
    assert written == []


@pytest.mark.parametrize("stage", ["read", "compute"])
def test_whoever_is_waited_for_is_told_of_an_end(stage: str) -> None:
    """As for answers of other processes, that the writer waits for."""
    released = threading.Event()
    waiting = threading.Event()

    def run(name: str, item: int) -> int:
        if name == stage and item == 2:
            assert waiting.wait(20)
            raise ValueError(f"in {name}")
        return item

    def write(item: int) -> None:
        waiting.set()
        assert released.wait(20)

    with pytest.raises(ValueError, match=f"in {stage}"):
        pipeline(
            range(50), lambda item: run("read", item), lambda item: run("compute", item), write, cancel=released.set
        )


def test_what_is_asked_for_while_a_stage_fails_is_cancelled_too() -> None:
    """The writer fails while `compute` is about to ask somebody, such as processes that would be started again."""
    failed, said = threading.Event(), []

    def compute(item: int) -> int:
        if item == 1:
            assert failed.wait(10)
            said.append("asked")
        return item

    def write(item: int) -> None:
        raise ValueError("disk full")

    def cancel() -> None:
        said.append("cancelled")
        failed.set()

    with pytest.raises(ValueError, match="disk full"):
        pipeline(range(9), nothing, compute, write, cancel=cancel)
    assert said == ["cancelled", "asked", "cancelled"]
