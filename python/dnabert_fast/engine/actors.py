"""Actors of a Ray cluster, a device each, which the shards of a job go to as they get free. Knows nothing of the work.

Ray places, starts and watches the actors. One that is lost or that fails in a shard is replaced by a fresh one, and its
shards go to whichever is free: a shard is whole or not there, so it may be begun any number of times.
"""

from __future__ import annotations

import heapq
import re
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias

from ..errors import DnabertError
from .cluster import Offer, first_line

__all__ = ["Open", "Opened", "Watch", "run_shards"]

_AHEAD = 2
"""Shards an actor holds: one that it runs, and the next."""

_SAME = 3
"""Fresh actors on which a shard fails with the same words, and seats' attempts to open, before that is believed."""

_LOST = 5
"""Actors that may be lost with a shard."""

_TURN = 1.0  # seconds between looks at how far actors are
_PATIENCE = 10.0  # seconds that actors have to let go of what they opened


class Opened(Protocol):
    """What an actor holds."""

    def run(self, shard: int, tick: Callable[[int], None]) -> None:
        """Have the disk hold a shard; `tick` is told of items as they are done."""


Open: TypeAlias = Callable[[str, int], "AbstractContextManager[Opened]"]
"""Opens the work on a device with so many threads. Picklable; it is called in the actor, wherever that is."""


class Watch(Protocol):
    """Who is told how the run goes."""

    def begun(self) -> Sequence[int]:
        """An actor has opened the work, the others have not begun: the shards to run."""

    def advanced(self, items: int, share: float) -> None:
        """So many more items are done, and so much of the whole."""

    def lost(self, shard: int, why: str) -> None:
        """A shard has to be run again."""


class _Runner:
    """What an actor is: the work, opened once, and its shards one after the other."""

    def __init__(self, opening: Open) -> None:
        self._opening = opening  # whose modules are imported now
        self._stack = ExitStack()
        self._opened: Opened | None = None
        self._items = 0

    def open(self, device: str, threads: int) -> str:
        """Open the work; returns the name of the machine. What is wrong there is raised with that name."""
        host = socket.gethostname()
        try:
            self._opened = self._stack.enter_context(self._opening(device, threads))
        except DnabertError as error:
            raise DnabertError(f"on node {host}: {error}") from None
        return host

    def run(self, shard: int) -> int:
        """Run a shard; returns the items that it had."""
        assert self._opened is not None
        self._items = 0
        try:
            self._opened.run(shard, self._tick)
        except DnabertError as error:
            raise DnabertError(str(error)) from None  # some kinds cannot be sent
        return self._items

    def items(self) -> int:
        """Items that are done of the shard that runs; asked while it does."""
        return self._items

    def close(self) -> None:
        """Let go of what is open."""
        self._stack.close()

    def _tick(self, items: int) -> None:
        self._items += items


@dataclass
class _Seat:
    """A place for an actor, the actor that has it, and the shards which that was given."""

    actor: Any
    host: str = ""
    opening: Any = None
    failed: int = 0  # times in a row that it could not be opened
    given: deque[tuple[Any, int]] = field(default_factory=deque)
    asked: Any = None
    items: int = 0

    @property
    def is_open(self) -> bool:
        return self.opening is None and bool(self.host)


def run_shards(ray: Any, offer: Offer, opening: Open, watch: Watch, threads: int | None = None) -> list[str]:
    """Run the shards that `watch` names on the offered actors; returns notes. `threads` None: those of the cores.

    One actor opens the work before the others do. Raises DnabertError where the work cannot be opened, and where a
    shard fails again and again.
    """
    run = _Run(ray, offer, opening, watch, threads or offer.cores)
    try:
        run.all()
        run.close()
    finally:
        run.end()
    return list(run.notes)


class _Run:
    """A run of shards on actors."""

    def __init__(self, ray: Any, offer: Offer, opening: Open, watch: Watch, threads: int) -> None:
        self.notes: dict[str, None] = {}
        self._ray = ray
        self._watch = watch
        self._how = offer.device, threads
        gpus = 1 if offer.device == "cuda" else 0
        # The answer to `items` must not wait for the shard that runs.
        kind = ray.remote(num_cpus=offer.cores, num_gpus=gpus, concurrency_groups={"ask": 1})(_Runner)
        self._make = partial(kind.remote, opening)
        self._seats = [_Seat(self._make()) for _ in range(offer.actors)]
        self._waiting: list[int] = []
        self._left = 0
        self._shards = 0
        self._done_items = 0
        self._told = 0
        self._errors: dict[int, list[str]] = {}
        self._losses: Counter[int] = Counter()

    def all(self) -> None:
        """Run all shards."""
        self._open(self._seats[0])
        begun = False
        while not begun or self._left:
            refs = [seat.opening for seat in self._seats if seat.opening is not None]
            refs += [seat.given[0][0] for seat in self._seats if seat.given]
            ready, _ = self._ray.wait(refs, num_returns=1, timeout=_TURN)
            for seat in list(self._seats):
                if seat.opening is not None and seat.opening in ready:
                    self._opened(seat)
                elif seat.given and seat.given[0][0] in ready:
                    self._answered(seat)
            if not begun and any(seat.is_open for seat in self._seats):
                begun = True
                self._begin(self._watch.begun())
            self._hand_out()
            self._look()

    def _begin(self, shards: Sequence[int]) -> None:
        """Have as many actors as there is work for open it."""
        self._waiting = sorted(shards)
        self._left = self._shards = len(shards)
        seats = sorted(self._seats, key=lambda seat: not seat.is_open)
        self._seats, spare = seats[: max(1, len(shards))], seats[max(1, len(shards)) :]
        for seat in spare:
            self._ray.kill(seat.actor)
        for seat in self._seats:
            if not seat.is_open and seat.opening is None and shards:
                self._open(seat)

    def close(self) -> None:
        """Have the actors let go of what they opened."""
        refs = [seat.actor.close.remote() for seat in self._seats if seat.is_open]
        if refs:
            self._ray.wait(refs, num_returns=len(refs), timeout=_PATIENCE)

    def end(self) -> None:
        """Stop the actors, whatever they do."""
        for seat in self._seats:
            self._ray.kill(seat.actor)

    def _open(self, seat: _Seat) -> None:
        seat.opening = seat.actor.open.remote(*self._how)

    def _opened(self, seat: _Seat) -> None:
        try:
            seat.host = self._ray.get(seat.opening)
            seat.opening, seat.failed = None, 0
        except self._ray.exceptions.RayError as error:
            cause = _cause(error)
            if isinstance(cause, DnabertError):
                raise cause from error
            seat.failed += 1
            if seat.failed < _SAME:
                self._replace(seat)
                return
            self.notes[f"an actor could not be started ({_why(error)}); the others did its work"] = None
            self._seats.remove(seat)
            self._ray.kill(seat.actor)
            if not self._seats:
                raise DnabertError(f"--ray: no actor can be started: {_why(error)}") from error
            if not any(other.is_open or other.opening for other in self._seats):
                self._open(self._seats[0])

    def _answered(self, seat: _Seat) -> None:
        ref, shard = seat.given[0]
        try:
            items = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._failed(seat, shard, error)
            return
        seat.given.popleft()
        seat.items = 0
        self._done_items += items
        self._left -= 1

    def _failed(self, seat: _Seat, shard: int, error: Exception) -> None:
        """Give the shards of a seat back; raise where this one has failed too often."""
        why = _why(error)
        if isinstance(error, self._ray.exceptions.RayTaskError):
            said = self._errors.setdefault(shard, [])
            said.append(why)
            count, most = said.count(why), _SAME
        else:
            self._watch.lost(shard, f"an actor was lost: {why}")
            self._losses[shard] += 1
            count, most = self._losses[shard], _LOST
        if count >= most or len(self._errors.get(shard, ())) >= 2 * _SAME:
            where = f"on {count} actors, the last on node {seat.host}"
            raise DnabertError(f"shard {shard + 1} failed {where}: {why}") from error
        self.notes[f"an actor on node {seat.host} was replaced ({why}); its shards were run again"] = None
        for _, given in seat.given:
            heapq.heappush(self._waiting, given)
        self._replace(seat)

    def _replace(self, seat: _Seat) -> None:
        """Put a fresh actor where one was lost; it waits for room where its node is gone."""
        self._ray.kill(seat.actor)
        seat.given.clear()
        seat.host, seat.asked, seat.items = "", None, 0
        seat.actor = self._make()
        self._open(seat)

    def _hand_out(self) -> None:
        """Give each open seat a shard, then the next ones while there are more than seats, so that all end together."""
        for depth in range(1, _AHEAD + 1):
            for seat in self._seats:
                if not self._waiting or (depth > 1 and len(self._waiting) <= len(self._seats)):
                    return
                if seat.is_open and len(seat.given) < depth:
                    shard = heapq.heappop(self._waiting)
                    seat.given.append((seat.actor.run.remote(shard), shard))

    def _look(self) -> None:
        """Tell how far it is."""
        for seat in self._seats:
            if seat.asked is not None and self._ray.wait([seat.asked], timeout=0)[0]:
                with suppress(self._ray.exceptions.RayError):  # of an actor that is lost, as its shard will tell
                    seat.items = self._ray.get(seat.asked)
                seat.asked = None
            if seat.asked is None and seat.given:
                seat.asked = seat.actor.items.options(concurrency_group="ask").remote()
        if not self._shards:
            return
        items = self._done_items + sum(seat.items for seat in self._seats)
        self._watch.advanced(max(0, items - self._told), self._share())
        self._told = max(items, self._told)

    def _share(self) -> float:
        """How much of all is done, where a shard that runs is as large as the mean of those that are done."""
        done = self._shards - self._left
        mean = self._done_items / done if done else 0
        parts = sum(min(1.0, seat.items / mean) for seat in self._seats if seat.given) if mean else 0.0
        return min(1.0, (done + parts) / self._shards)


def _cause(error: BaseException) -> BaseException:
    """What was raised in the actor."""
    return getattr(error, "cause", None) or error


def _why(error: BaseException) -> str:
    """Why an actor failed or is gone, on one line."""
    cause = _cause(error)
    if isinstance(cause, DnabertError):
        return str(cause)
    if cause is not error and isinstance(cause, Exception):
        return f"{type(cause).__name__}: {first_line(cause)}"
    text = str(error).strip()
    if found := re.search(r"^[\w.]+(?:Error|Exception): .*\Z", text, re.MULTILINE):  # the end of a traceback
        return found[0]
    found = re.search(r"actor (?:is dead|died) because (.+?)[.:\n]", text)
    return found[1] if found else first_line(error)
