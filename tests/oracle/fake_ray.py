"""As much of Ray as a run of shards asks for, in one thread: actors step in an order that is drawn, fail and die."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """See Ray."""


class RayTaskError(RayError):
    """See Ray: `cause` was raised in the actor."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class RayActorError(RayError):
    """See Ray."""


class Ref:
    """What a call will give."""

    def __init__(self, actor: Actor, name: str, given: tuple[Any, ...]) -> None:
        self.actor, self.name, self.given = actor, name, given
        self.done = False
        self.value: Any = None
        self.error: RayError | None = None


class Call:
    """A method of an actor."""

    def __init__(self, actor: Actor, name: str) -> None:
        self._actor, self._name = actor, name

    def options(self, *, concurrency_group: str) -> Call:
        assert concurrency_group == "ask"
        return self

    def remote(self, *given: Any) -> Ref:
        return self._actor.call(self._name, given)


class Actor:
    """An object whose calls wait until the cluster steps it."""

    def __init__(self, ray: FakeRay, made: Callable[[], Any]) -> None:
        self.ray, self.made = ray, made
        self.resident: Any = None
        self.queue: deque[Ref] = deque()
        self.dead = False

    def __getattr__(self, name: str) -> Call:
        return Call(self, name)

    def call(self, name: str, given: tuple[Any, ...]) -> Ref:
        ref = Ref(self, name, given)
        if self.dead:
            ref.done, ref.error = True, RayActorError("The actor is dead because it was asked too late.")
        elif name == "items":
            ref.done, ref.value = True, self.resident.items()
        else:
            self.queue.append(ref)
            held = sum(of.name == "run" for of in self.queue)
            self.ray.most_held = max(self.ray.most_held, held)
        return ref

    def step(self) -> None:
        """Do the next call, or die in it."""
        ref = self.queue[0]
        if self.ray.dies(ref):
            self.die(self.ray.said)
            return
        self.queue.popleft()
        ref.done = True
        try:
            if self.resident is None:
                self.resident = self.made()
            ref.value = getattr(self.resident, ref.name)(*ref.given)
        except Exception as error:
            ref.error = RayTaskError(error)

    def die(self, why: str) -> None:
        self.dead = True
        for ref in self.queue:
            ref.done, ref.error = True, RayActorError(why)
        self.queue.clear()


class FakeRay:
    """Stands in for the module `ray`; `dies` says in which calls an actor is lost."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, draw: random.Random, dies: Callable[[Ref], bool] = lambda ref: False) -> None:
        self.draw, self.dies = draw, dies
        self.actors: list[Actor] = []
        self.most_held = 0
        self.said = "The actor is dead because its worker process has died. And more."

    def remote(self, **options: Any) -> Callable[[type], Any]:
        def kind(of: type) -> Any:
            def make(*given: Any) -> Actor:
                self.actors.append(Actor(self, lambda: of(*given)))
                return self.actors[-1]

            return SimpleNamespace(remote=make)

        return kind

    def wait(self, refs: Sequence[Ref], *, num_returns: int = 1, timeout: float) -> tuple[list[Ref], list[Ref]]:
        while timeout and not any(ref.done for ref in refs):
            able = [actor for actor in self.actors if actor.queue]
            assert able, "nobody has anything to do: the run hangs"
            self.draw.choice(able).step()
        ready = [ref for ref in refs if ref.done][:num_returns]
        return ready, [ref for ref in refs if ref not in ready]

    def get(self, ref: Ref) -> Any:
        assert ref.done
        if ref.error is not None:
            raise ref.error
        return ref.value

    def kill(self, actor: Actor) -> None:
        actor.die("killed")
