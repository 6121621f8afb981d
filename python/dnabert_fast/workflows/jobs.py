"""What verbs share of `--work`: a run writes its outputs straight, or a part for each shard that is not done yet."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from .. import __version__
from ..engine.fingerprints import remembered
from ..engine.jobs import Job, Receipt, add_counts, now, open_job, shard_range
from ..engine.model import Model
from ..engine.runs import alone
from ..io.atomic import clear_leftovers, publish, publish_first
from ..io.parts import replay
from .outputs import Output, join, open_part, open_sink, suffix_of, try_sink
from .precision import device_name
from .progress import Progress, silent
from .work import Work

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Results", "Task", "begun", "joined"]

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Task(Generic[Result]):
    """A verb's work as a job: what its results depend on, and where they go.

    `options` change results; `settings` are what facts are told of. Both are JSON. `run_notes`: what users should know
    of how the models have run. `units` counts them, or sections of them, of which `Work.shard_size` make a shard.
    """

    verb: str
    inputs: Mapping[str, str | Path | None]
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    outputs: Sequence[Output[Result]]
    counts_of: Callable[[Result], Mapping[str, Any]]
    run_notes: Callable[[], Sequence[str]]
    units: Callable[[], int]


class Results(Generic[Result]):
    """Where the results of a verb's units go, in order: straight to its outputs, or to parts in a work folder.

    `with` closes what is open. With a work folder, results that are whole shards stay whatever comes; when all shards
    of the job are wanted, leaving the block well joins them to the outputs. `counts` and `notes` are complete then.
    """

    def __init__(
        self,
        task: Task[Result],
        work: Work | None,
        model: Model,
        job: Job | None,
        shards: range | None = None,
        progress: Progress = silent,
    ) -> None:
        """`job` is that of `begun`; without `shards`, those that the work asks for are wanted.

        Those are this run's alone while the block runs: DnabertError where another run computes one of them. `progress`
        is told of what takes long once all results are there.
        """
        self.counts: dict[str, Any] = {}
        self.notes: list[str] = []
        self.settings = dict(task.settings)
        self.wanted: Sequence[int] | None = None
        self.job = job
        self._task = task
        self._stack = ExitStack()
        self._model = model
        self._progress = progress
        self._coming: deque[tuple[int, bool]] = deque()
        self._left: deque[int] = deque()
        self._whole = work is None or work.shard is None
        self.shard_size = 1 if work is None else work.shard_size
        if work is None or job is None:
            with ExitStack() as stack:
                opened = (open_sink(of.sink, of.path, progress=progress) for of in task.outputs)
                self._sinks = [stack.enter_context(sink) for sink in opened]
                self._stack = stack.pop_all()
            return
        self.settings = job.about["settings"]
        self._share = shard_range(work.shard, job.count) if shards is None else shards
        with ExitStack() as stack:
            if shards is None:  # else somebody hands them out, and has all
                self.notes += stack.enter_context(alone(job.folder, self._share))
            self._receipts, damaged = job.survey(self._share)
            self._stack = stack.pop_all()
        self.notes += [f"{work.folder}: {what}; it was computed anew" for what in damaged.values()]
        self.wanted = [shard for shard in self._share if shard not in self._receipts]
        self._left.extend(self.wanted)
        self._shard: _Shard[Result] | None = None
        self._since = time.monotonic()

    def facts(self, began: float, output: str | Path) -> dict[str, Any]:
        """What every summary ends with: seconds, and the output or, where shards alone were wanted, which."""
        seconds = round(time.monotonic() - began, 3)
        if self.job is None or self._whole:
            return {"seconds": seconds, "output": str(output)}
        shards = {"first": self._share.start + 1, "last": self._share.stop, "of": self.job.count}
        return {"seconds": seconds, "output": str(self.job.folder), "shards": shards}

    def values(self, name: str) -> Iterator[list[Any]]:
        """What each result has put into an output of values, in order, out of the parts of these shards."""
        assert self.job is not None
        for shard in self._share:
            yield from replay(self.job.part(self._receipts[shard], name))

    def doing(self, what: str) -> str:
        """`what` is done, and how much of it was there before, for those who watch."""
        if self.wanted is None or len(self.wanted) == len(self._share):
            return what
        return f"{what}, {len(self._share) - len(self.wanted):,} of {len(self._share):,} shards are there"

    @property
    def first(self) -> int:
        """The number of the first unit of a shard that is wanted."""
        return self.wanted[0] * self.shard_size if self.wanted else 0

    def of_shards(self, units: Iterable[tuple[int, Unit]]) -> Iterator[tuple[int, Unit]]:
        """Those units, of numbered ones in order, whose shards are wanted, each with its shard; none behind is read."""
        if self.wanted is None:
            yield from units
            return
        wanted = set(self.wanted)
        end = (max(wanted) + 1) * self.shard_size if wanted else 0
        for number, unit in units if wanted else ():
            if (shard := number // self.shard_size) in wanted:
                yield shard, unit
            if number + 1 >= end:
                return

    def follow(self, units: Iterable[tuple[int, Unit]]) -> Iterator[Unit]:
        """The units, once it is noted which shard each belongs to and which is a shard's last."""
        if self.job is None:
            for _, unit in units:
                yield unit
            return
        before: tuple[int, Unit] | None = None
        for shard, unit in units:
            if before is not None:
                self._coming.append((before[0], shard != before[0]))
                yield before[1]
            before = shard, unit
        if before is not None:
            self._coming.append((before[0], True))
            yield before[1]

    def write(self, result: Result) -> None:
        """Write the result of the next unit."""
        if self.job is None:
            for output, sink in zip(self._task.outputs, self._sinks, strict=True):
                output.put(sink, result)
            add_counts(self.counts, self._task.counts_of(result))
            return
        shard, last = self._coming.popleft()
        self._skip_to(shard)
        if self._shard is None:
            self._shard = _Shard(self.job, shard, self._task)
        self._shard.write(result)
        if last:
            self._finish()

    def _skip_to(self, shard: int | None) -> None:
        """Shards before this one have no units: no record begins in them."""
        assert self.job is not None
        while self._left and self._left[0] != shard:
            self._shard = _Shard(self.job, self._left[0], self._task)
            self._finish()

    def _finish(self) -> None:
        assert self._shard is not None
        device = f"{device_name(self._model.network.backend.device)}, {self._model.max_tokens:,} tokens a batch"
        after = time.monotonic()
        shard, self._shard = self._shard, None
        self._receipts[shard.number] = shard.finish(after - self._since, device)
        self._since = after
        self._left.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self.job is None:
            self._stack.__exit__(kind, error, trace)
            if error is None:
                self.notes += [*_notes_of(self._sinks), *self._task.run_notes()]
            return
        with self._stack:
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        """Write what a job still lacks, or let go of what is half done."""
        assert self.job is not None
        if error is not None:
            if self._shard is not None:
                self._shard.abandon(error)
            if isinstance(error, Exception) and self._left:
                self.job.failed(self._left[0], error)
            return
        self._skip_to(None)
        receipts = [self._receipts[shard] for shard in self._share]
        if self._whole:
            paths = {of.name: of.path for of in self._task.outputs if of.sink["kind"] != "values"}
            counts, notes = joined(self.job, receipts, paths, self._progress)
        else:
            counts, notes = _told(receipts)
        self.counts = counts
        self.notes += notes


class _Shard(Generic[Result]):
    """A shard that is being written."""

    def __init__(self, job: Job, number: int, task: Task[Result]) -> None:
        self.number = number
        self._job = job
        self._task = task
        self._counts: dict[str, Any] = {}
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._parts = [open_part(output, lambda name: job.place(number, name)) for output in task.outputs]
            for _, sink in self._parts:
                stack.enter_context(sink)
            self._stack = stack.pop_all()

    def write(self, result: Result) -> None:
        for output, (_, sink) in zip(self._task.outputs, self._parts, strict=True):
            output.put(sink, result)
        add_counts(self._counts, self._task.counts_of(result))

    def finish(self, seconds: float, device: str) -> Receipt:
        """Have the disk hold the parts, then write the receipt."""
        self._stack.close()
        states = {of.name: (path, sink.state) for of, (path, sink) in zip(self._task.outputs, self._parts, strict=True)}
        notes = tuple(self._task.run_notes())
        receipt = Receipt(self.number, self._counts, {}, round(seconds, 3), now(), socket.gethostname(), device, notes)
        return self._job.finish(receipt, states, publish)

    def abandon(self, error: BaseException) -> None:
        self._stack.__exit__(type(error), error, error.__traceback__)


def joined(
    job: Job, receipts: Sequence[Receipt], paths: Mapping[str, str | Path], progress: Progress = silent
) -> tuple[dict[str, Any], list[str]]:
    """Join the parts of all shards to the outputs at `paths`; the counts of all, and notes."""
    sinks = []
    for name, path in paths.items():
        if str(path) != "-":
            for suffix in ("", ".tbi", ".csi"):
                clear_leftovers(Path(path).parent, Path(path).name + suffix)
        parts = ((job.part(receipt, name), receipt.parts[name].state) for receipt in receipts)
        sinks.append(join(job.about["outputs"][name]["sink"], path, parts, progress))
    counts, notes = _told(receipts)
    return counts, _notes_of(sinks) + notes


def _told(receipts: Sequence[Receipt]) -> tuple[dict[str, Any], list[str]]:
    """The counts of shards, and what users should know of how they were made."""
    counts: dict[str, Any] = {}
    for receipt in receipts:
        add_counts(counts, receipt.counts)
    notes = list(dict.fromkeys(note for receipt in receipts for note in receipt.notes))
    devices = list(dict.fromkeys(receipt.device for receipt in receipts))
    if len(devices) > 1:
        notes.append(
            f"shards were computed in {len(devices)} ways ({'; '.join(devices)}), between which scores agree within "
            "tolerance, not to the byte"
        )
    return counts, notes


def _notes_of(sinks: Iterable[Any]) -> list[str]:
    unsorted = any(getattr(sink, "unsorted", False) for sink in sinks)
    return ["the input is not sorted by position, so the output has no index"] if unsorted else []


def begun(task: Task[Any], work: Work | None) -> Job | None:
    """The job of the work folder, begun or gone on with, when its outputs can be made; None without a folder."""
    if work is None:
        return None
    job = _opened(task, work, -(-task.units() // work.shard_size))
    for output in task.outputs:
        try_sink(output, job.folder / f"try{suffix_of(output.path)}" if work.shard else output.path)
    return job


def _opened(task: Task[Any], work: Work, shards: int) -> Job:
    """The job of the folder, begun or gone on with."""
    clear_leftovers(work.folder)
    for folder in ("inputs", *(f"shards/{i:03d}" for i in range(shards // 1000 + 1))):
        clear_leftovers(work.folder / folder)
    inputs = {name: path for name, path in task.inputs.items() if path is not None}
    identity = {
        "dnabert_fast": __version__,
        "torch": torch.__version__,
        "verb": task.verb,
        "inputs": {name: remembered(work.folder, path, publish) for name, path in inputs.items()},
        "options": dict(task.options),
        "outputs": {output.name: suffix_of(output.path) for output in task.outputs},
        "shard_size": work.shard_size,
        "shards": shards,
    }
    about = {
        "inputs": {name: os.path.abspath(path) for name, path in inputs.items()},
        "outputs": {
            output.name: {"path": _absolute(output.path), "sink": output.sink} for output in task.outputs
        },
        "settings": dict(task.settings),
    }  # fmt: skip
    return open_job(work.folder, identity, about, publish_first)


def _absolute(path: str | Path) -> str:
    return "-" if str(path) == "-" else os.path.abspath(path)
