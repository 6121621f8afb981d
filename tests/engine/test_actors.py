"""Shards on actors that fail and die: each is run, whatever happens; what cannot be is told in one line."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.fake_ray import FakeRay, Ref

from dnabert_fast.engine.actors import run_shards
from dnabert_fast.engine.cluster import Offer, connected, offered
from dnabert_fast.errors import DnabertError, MissingExtra


class Watched:
    """What a run tells, and the shards that it is to run."""

    def __init__(self, shards: Sequence[int]) -> None:
        self.shards = shards
        self.items = 0
        self.share = 0.0
        self.lost_shards: list[int] = []

    def begun(self) -> Sequence[int]:
        return self.shards

    def advanced(self, items: int, share: float) -> None:
        assert items >= 0
        assert 0 <= share <= 1
        self.items += items
        self.share = share

    def lost(self, shard: int, why: str) -> None:
        assert why == "an actor was lost: its worker process has died"
        self.lost_shards.append(shard)


class Work:
    """Opened work, of which a shard n has n + 1 items; keeps what it ran."""

    def __init__(self, fails: Callable[[int], Exception | None] = lambda shard: None) -> None:
        self.done: list[int] = []
        self.opened: list[tuple[str, int]] = []
        self.closed = 0
        self._fails = fails

    @contextmanager
    def __call__(self, device: str, threads: int) -> Iterator[Any]:
        self.opened.append((device, threads))
        yield self
        self.closed += 1

    def run(self, shard: int, tick: Callable[[int], None]) -> None:
        if (error := self._fails(shard)) is not None:
            raise error
        for _ in range(shard + 1):
            tick(1)
        self.done.append(shard)


@given(
    seed=st.integers(0, 1 << 30),
    actors=st.integers(1, 5),
    shards=st.sets(st.integers(0, 40), max_size=25),
    deaths=st.integers(0, 4),
    failures=st.integers(0, 2),
)
def test_every_shard_is_run_whatever_fails(
    seed: int, actors: int, shards: set[int], deaths: int, failures: int
) -> None:
    draw = random.Random(seed)
    left = {"deaths": deaths, "failures": failures}

    def happens(what: str) -> bool:
        if not left[what] or draw.random() < 0.7:
            return False
        left[what] -= 1
        return True

    def dies(ref: Ref) -> bool:
        return ref.name == "run" and happens("deaths")

    ray, watch = FakeRay(draw, dies), Watched(sorted(shards))
    work = Work(lambda shard: DnabertError("a disk was away") if happens("failures") else None)
    notes = run_shards(ray, Offer(actors, "cpu", 3), work, watch)
    assert sorted(work.done) == sorted(shards)
    assert watch.items >= sum(shard + 1 for shard in shards)
    assert watch.share == (1.0 if shards else 0.0)
    assert len(watch.lost_shards) == deaths - left["deaths"]
    assert bool(notes) == (left != {"deaths": deaths, "failures": failures})
    assert ray.most_held <= 2
    assert set(work.opened) == {("cpu", 3)}
    assert work.closed >= 1
    assert all(actor.dead for actor in ray.actors)


def test_one_actor_opens_first_and_the_others_as_there_is_work() -> None:
    opened: list[int] = []
    work = Work()
    ray = FakeRay(random.Random(0))

    class Begun(Watched):
        def begun(self) -> Sequence[int]:
            opened.append(len(work.opened))
            return super().begun()

    run_shards(ray, Offer(8, "cuda", 2), work, Begun([4, 7, 9]), threads=5)
    assert opened == [1]
    assert work.opened == [("cuda", 5)] * 3
    run_shards(FakeRay(random.Random(0)), Offer(8, "cpu", 1), none := Work(), Watched([]))
    assert len(none.opened) == 1


@pytest.mark.parametrize("kind", [DnabertError, RuntimeError])
def test_a_shard_that_fails_everywhere_ends_the_run_with_its_error(kind: type[Exception]) -> None:
    tries: Counter[int] = Counter()

    def fails(shard: int) -> Exception | None:
        tries[shard] += 1
        return kind("in.vcf:7: REF is A\nand more") if shard == 2 else None

    ray = FakeRay(random.Random(1))
    with pytest.raises(DnabertError, match=r"shard 3 failed on 3 actors, the last on node \S+: .*in.vcf:7: REF is A"):
        run_shards(ray, Offer(2, "cpu", 1), Work(fails), Watched(range(6)))
    assert tries[2] == 3
    assert all(actor.dead for actor in ray.actors)


def test_a_shard_that_always_fails_otherwise_ends_the_run_too() -> None:
    tries = 0

    def fails(shard: int) -> Exception:
        nonlocal tries
        tries += 1
        return ValueError(f"try {tries}")

    with pytest.raises(DnabertError, match="ValueError: try 6"):
        run_shards(FakeRay(random.Random(1)), Offer(2, "cpu", 1), Work(fails), Watched([0]))


def test_a_shard_that_kills_its_actors_ends_the_run() -> None:
    ray = FakeRay(random.Random(1), lambda ref: ref.name == "run" and ref.given == (3,))
    watch = Watched(range(9))
    with pytest.raises(DnabertError, match=r"shard 4 failed on 5 actors, .*: its worker process has died"):
        run_shards(ray, Offer(3, "cpu", 1), Work(), watch)
    assert watch.lost_shards == [3] * 5


def test_work_that_cannot_be_opened_is_one_line() -> None:
    @contextmanager
    def closed(device: str, threads: int) -> Iterator[Any]:
        raise DnabertError("g.fa: no such file")
        yield

    with pytest.raises(DnabertError, match=r"^on node \S+: g.fa: no such file$"):
        run_shards(FakeRay(random.Random(0)), Offer(2, "cpu", 1), closed, Watched([1]))

    @contextmanager
    def broken(device: str, threads: int) -> Iterator[Any]:
        raise ValueError("no driver")
        yield

    with pytest.raises(DnabertError, match="no actor can be started: ValueError: no driver"):
        run_shards(FakeRay(random.Random(0)), Offer(2, "cpu", 1), broken, Watched([1]))
    bare = FakeRay(random.Random(0), lambda ref: True)
    bare.said = "The actor died because of an error raised in its creation task, ray::x\nModuleNotFoundError: No module"
    with pytest.raises(DnabertError, match="no actor can be started: ModuleNotFoundError: No module"):
        run_shards(bare, Offer(2, "cpu", 1), Work(), Watched([1]))


def test_a_place_where_no_actor_starts_is_left_out() -> None:
    work = Work()
    ray = FakeRay(random.Random(0), lambda ref: ref.name == "open" and len(work.opened) == 1)
    notes = run_shards(ray, Offer(2, "cpu", 1), work, Watched(range(7)))
    assert sorted(work.done) == list(range(7))
    assert notes == ["an actor could not be started (its worker process has died); the others did its work"]


class Nodes:
    """A cluster of nodes with such resources."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        self._nodes = nodes

    def nodes(self) -> list[dict[str, Any]]:
        gone = {"Alive": False, "Resources": {"CPU": 99.0, "GPU": 9.0}}
        return [{"Alive": True, "Resources": node} for node in self._nodes] + [gone]


def test_what_a_cluster_offers() -> None:
    head, small, large = {"memory": 1.0}, {"CPU": 4.0}, {"CPU": 9.0}
    assert offered(Nodes(head, small, large), "auto", None) == Offer(3, "cpu", 4)
    assert offered(Nodes(head, small, large), "cpu", 1) == Offer(13, "cpu", 1)
    gpus = {"CPU": 16.0, "GPU": 8.0}
    assert offered(Nodes(head, small, gpus), "auto", None) == Offer(8, "cuda", 2)
    assert offered(Nodes(small, gpus, {"CPU": 8.0, "GPU": 1.0}), "cuda", 4) == Offer(5, "cuda", 4)
    assert offered(Nodes(small, gpus), "cpu", None) == Offer(5, "cpu", 4)
    for nodes, device, cores in [((head,), "auto", None), ((small,), "cuda", None), ((small,), "cpu", 5)]:
        with pytest.raises(DnabertError, match="no node of the cluster has"):
            offered(Nodes(*nodes), device, cores)


def test_without_ray_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    line = r"--ray needs ray; install it with: pip install 'dnabert-fast\[cluster\]'"
    with pytest.raises(MissingExtra, match=line), connected("auto"):
        pass
