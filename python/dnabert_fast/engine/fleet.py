"""Several devices at once: a resident process each, which work goes to as they get free. Knows nothing of the work."""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import signal
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, Protocol

from ..errors import DnabertError

__all__ = ["Fleet", "Resident", "device_names"]

_AHEAD = 2
"""Requests a process holds: one that is answered, and the next, so that its device never waits for a pipe."""

_PATIENCE = 5.0
"""Seconds a process has to end before it is killed."""

_RESTARTS = 3
"""Times that each process is started again where a signal ended it, as when memory is short."""

Tick = Callable[[float], None]


class Resident(Protocol):
    """What lives in a process of a fleet."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know of how it has run so far."""

    def begin(self, request: Any, tick: Tick) -> Callable[[], Any]:
        """Begin to answer a request; the call of what is returned waits for the answer."""


Make = Callable[[str], Resident]


def device_names(device: str) -> list[str]:
    """The devices of a list such as "cuda:0,cuda:1"; "cuda" is every GPU of the machine, if it has several."""
    import torch  # here, so that a process of a fleet does not wait for it

    names = [name.strip() for name in device.split(",")]
    if "" in names:
        raise DnabertError(f"--device {device}: a name is missing in the list")
    if "cuda" not in names or (count := torch.cuda.device_count()) < 2:
        return names
    every = [f"cuda:{index}" for index in range(count)]
    return [one for name in names for one in (every if name == "cuda" else [name])]


class Fleet:
    """A process for each of `devices` (one may be named twice), started when first asked and kept until `stop`.

    `make` is called in each process with its device and must be picklable. They end with this object or program. One
    that is killed is started again, a few times, and asked anew for what it had not answered; `notes` say so.
    """

    def __init__(self, make: Make, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        self._make = make
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._notes: dict[str, None] = {}

    def __reduce__(self) -> tuple[type[Fleet], tuple[Make, tuple[str, ...]]]:
        return Fleet, (self._make, self.devices)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the residents have told, each thing once."""
        return tuple(self._notes)

    def ask(self, request: Any, tick: Tick) -> Future[Any]:
        """Hand a request to the process with least to do. `tick` is called in a thread of the fleet.

        The answer raises what the resident raised, or DnabertError where its process ended for good.
        """
        with self._lock:
            if self._running is None or self._running.ended:
                self._running = _Running(self._make, self.devices, self._notes)
                weakref.finalize(self, self._running.end)
            return self._running.ask(request, tick)

    def stop(self) -> None:
        """End all processes; open requests fail. The next request starts new ones."""
        with self._lock:
            if self._running is not None:
                self._running.end()


@dataclass
class _Job:
    number: int
    request: Any
    tick: Tick
    future: Future[Any] = field(default_factory=Future)


class _Member:
    """A process, and the requests it has not answered."""

    def __init__(self, make: Make, device: str, restarts: int = _RESTARTS) -> None:
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.restarts = restarts
        self.jobs: dict[int, _Job] = {}
        self.outbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, device), name=device, daemon=True)
        with _interrupts_held():
            self.process.start()
        theirs.close()
        self.sender: threading.Thread | None = None

    def send(self, fail: Callable[[BaseException], None]) -> None:
        """Send what is in the outbox, until it says that there will be no more; `fail` is told of what cannot be."""
        try:
            while (job := self.outbox.get()) is not None:
                self.connection.send((job.number, job.request))
                del job  # of which this thread must not be the last to know (see `_receive`)
        except OSError:
            pass  # whoever receives finds that the process is gone
        except Exception as error:  # such as too little memory for a copy
            fail(error)

    def how_it_ended(self) -> str:
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"by {name}" + ("; is there enough memory?" if -code == signal.SIGKILL else "")
        return f"with exit code {code}; a script that uses several devices needs `if __name__ == '__main__':`"


class _Running:
    """The processes of a fleet from their start to their end."""

    def __init__(self, make: Make, devices: Sequence[str], notes: dict[str, None]) -> None:
        self.ended = False
        self._make = make
        self._why: BaseException = DnabertError("the work was stopped")
        self._notes = notes
        self._lock = threading.RLock()
        self._waiting: deque[_Job] = deque()
        self._asked = 0
        self._members: list[_Member] = []
        try:
            for device in devices:
                self._members.append(_Member(make, device))
        except BaseException:
            self.end()
            raise
        for member in self._members:
            self._talk_to(member)

    def _talk_to(self, member: _Member) -> None:
        """Start the threads that send to a process and receive from it."""
        to = f"to {member.device}"
        member.sender = threading.Thread(target=member.send, args=(self.end,), name=to, daemon=True)
        member.sender.start()
        threading.Thread(target=self._receive, args=(member,), name=f"from {member.device}", daemon=True).start()

    def ask(self, request: Any, tick: Tick) -> Future[Any]:
        with self._lock:
            self._asked += 1
            job = _Job(self._asked, request, tick)
            if self.ended:  # a process may die at any moment
                job.future.set_exception(self._why)
                return job.future
            self._waiting.append(job)
            self._hand_out()
        return job.future

    def end(self, error: BaseException | None = None) -> None:
        """End the processes; what is open fails with `error`."""
        with self._lock:
            if self.ended:
                return
            self.ended, self._why = True, error or self._why
            left = [*self._waiting, *(job for member in self._members for job in member.jobs.values())]
            self._waiting.clear()
            for member in self._members:
                member.jobs.clear()
        for member in self._members:
            member.process.terminate()
            member.outbox.put(None)
        for member in self._members:
            member.process.join(_PATIENCE)
            if member.process.is_alive():
                member.process.kill()
        for job in left:
            job.future.set_exception(self._why)

    def _hand_out(self) -> None:
        while self._waiting and not self.ended:
            freest = min(self._members, key=lambda member: len(member.jobs))
            if len(freest.jobs) >= _AHEAD:
                return
            job = self._waiting.popleft()
            freest.jobs[job.number] = job
            freest.outbox.put(job)

    def _receive(self, member: _Member) -> None:
        # Between messages this thread holds no job: whoever asked may hang on to one, with models and all. If they were
        # let go of here as the program ends, torch would have Python stop a thread in the middle of it, and abort.
        try:
            while self._take(member, *member.connection.recv()):
                pass
        except (EOFError, OSError):
            if not self.ended:
                self._replace(member)
        except BaseException as error:  # of a tick
            self.end(error)
        finally:
            member.outbox.put(None)
            assert member.sender is not None
            member.sender.join()  # who may be writing, and finds that the process is gone
            member.connection.close()

    def _take(self, member: _Member, kind: str, number: int, *content: Any) -> bool:
        """Act on what a process says; False where there is nothing more to hear from it."""
        if kind == "tick":
            member.jobs[number].tick(*content)
            return True
        if kind == "lost":
            self.end(_raised_there(*content))
            return False
        with self._lock:
            job = member.jobs.pop(number, None)
            if job is None or self.ended:
                return False
            self._hand_out()
        if kind == "failed":
            job.future.set_exception(_raised_there(*content))
        else:
            answer, notes = content
            self._notes.update(dict.fromkeys(notes))
            job.future.set_result(answer)
        return True

    def _replace(self, member: _Member) -> None:
        """Start a process that a signal ended anew, with what it had not answered; else end them all."""
        how = member.how_it_ended()
        said = f"the process of device {member.device} ended {how}"
        code = member.process.exitcode
        if code is None or code >= 0 or not member.restarts:
            self.end(DnabertError(said))
            return
        try:
            with self._lock:
                if self.ended:
                    return
                fresh = _Member(self._make, member.device, member.restarts - 1)
                self._members[self._members.index(member)] = fresh
                self._waiting.extendleft(reversed(list(member.jobs.values())))
                member.jobs.clear()
                self._notes[f"{said}; it was started again"] = None
                self._talk_to(fresh)
                self._hand_out()
        except BaseException as error:  # such as no memory for another process
            self.end(error)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits, in this thread and in a process that it starts, until that is ready to leave it to others."""
    resource_tracker.ensure_running()  # whose own start would let Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _ThereError(Exception):
    """The traceback, as text, of an exception that was raised in another process."""


def _raised_there(error: BaseException, trace: str) -> BaseException:
    error.__cause__ = _ThereError(f"\n{trace}")
    return error


def _portable(error: BaseException) -> tuple[BaseException, str]:
    """An exception and its traceback as they can be sent."""
    trace = "".join(traceback.format_exception(error))
    try:
        return pickle.loads(pickle.dumps(error)), trace
    except Exception:
        known = isinstance(error, DnabertError)
        return (DnabertError(str(error)) if known else RuntimeError(f"{type(error).__name__}: {error}")), trace


def _serve(connection: Connection, make: Make, device: str) -> None:
    """Answer requests in order until the other end is closed; the next is begun before the last one's answer is in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which ends this one
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()

    def send(*message: object) -> None:
        with lock, suppress(OSError):  # the other end is closed, and this process about to end
            connection.send(message)

    try:
        resident = make(device)
    except Exception as error:
        send("lost", 0, *_portable(error))
        return
    begun: queue.Queue[tuple[int, Callable[[], Any]]] = queue.Queue(1)

    def answers() -> None:
        while True:
            number, wait_for = begun.get()
            try:
                send("done", number, wait_for(), resident.notes)
            except Exception as error:
                send("failed", number, *_portable(error))

    threading.Thread(target=answers, daemon=True).start()
    with suppress(EOFError):
        while True:
            number, request = connection.recv()
            begun.put((number, _begun(resident, request, partial(send, "tick", number))))


def _begun(resident: Resident, request: Any, tick: Tick) -> Callable[[], Any]:
    try:
        return resident.begin(request, tick)
    except Exception as error:
        return partial(_fail, error)


def _fail(error: Exception) -> NoReturn:
    raise error


def _end_with_parent() -> None:
    """A process whose parent was killed must not go on alone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    signal.raise_signal(signal.SIGTERM)
