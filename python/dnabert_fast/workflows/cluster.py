"""`--ray`: the shards of a verb's job on the nodes of a Ray cluster, joined here."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.actors import run_shards
from ..engine.cluster import Offer, connected, offered
from ..engine.jobs import Job, Receipt, read_job
from ..engine.runs import alone
from ..errors import DnabertError, FormatError
from ..io.atomic import failures, writing
from .jobs import joined
from .progress import Advance, Progress, silent
from .work import Work, try_places

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Cluster", "asked_cluster", "on_cluster"]

Found = TypeVar("Found")

_DEVICES = ("auto", "cpu", "cuda")
_VISIBLE = 90.0  # seconds after which file systems of networks show what other machines wrote


@dataclass(frozen=True)
class Cluster:
    """What --ray, --ray-cpus, --device and --threads asked for, and the work folder."""

    address: str
    cores: int | None
    device: str
    threads: int | None
    work: Work


def asked_cluster(
    ray: str | None,
    cores: int | None,
    work: Work | None,
    outputs: Sequence[str | Path | None],
    *,
    device: str,
    threads: int | None,
    estimate: int | None,
) -> Cluster | None:
    """The cluster that was asked for; None for a run on this machine.

    Raises DnabertError where flags do not go together, and where an output cannot be made here.
    """
    if ray is None:
        if cores is not None:
            raise DnabertError(f"--ray-cpus {cores}: are those of an actor; give --ray auto or an address too")
        return None
    if estimate is not None:
        raise DnabertError(f"--ray {ray}: --estimate is of this machine; leave one of them out")
    if work is None:
        raise DnabertError(f"--ray {ray}: shards are kept in a folder that all nodes see; give --work DIR too")
    if work.shard is not None:
        raise DnabertError(f"--ray {ray}: --shard is of this machine; leave one of them out")
    if device not in _DEVICES:
        raise DnabertError(f"--device {device}: an actor has one device; with --ray give {', '.join(_DEVICES)}")
    if cores is not None and cores < 1:
        raise DnabertError(f"--ray-cpus {cores}: give 1 or more")
    if any(str(path) == "-" for path in outputs):
        raise DnabertError(f"--ray {ray}: what the nodes write is joined into a file; name one with -o")
    try_places(work, outputs)
    return Cluster(ray, cores or threads, device, threads, replace(work, folder=Path(os.path.abspath(work.folder))))


def on_cluster(
    cluster: Cluster,
    opening: Callable[..., AbstractContextManager[Session[Any]]],
    given: Mapping[str, Any],
    facts_of: Callable[[Mapping[str, Any], Mapping[str, Any], list[str]], dict[str, Any]],
    items: str,
    progress: Progress,
) -> dict[str, Any]:
    """Run the shards of a job that are not done on the nodes, and join all of them here; returns the facts of the run.

    `opening` gives the session of a verb by the arguments `given`, in each actor anew; `facts_of` makes facts of the
    job's settings, counts and notes; `items` is what progress counts.
    """
    folder = cluster.work.folder
    with alone(folder, None) as held, connected(cluster.address) as ray, _token(folder) as (place, token):
        offer = offered(ray, cluster.device, cluster.cores)
        work = replace(cluster.work, shard="1/1")  # which joins nothing
        there = _There(opening, {**given, "work": work, "progress": silent}, os.getcwd(), place, token)
        watch = _Watch(folder, offer, items, progress)
        notes = held + run_shards(ray, offer, there, watch, cluster.threads)
    job = read_job(folder)
    receipts = _receipts(job)
    counts, told = joined(job, receipts, {name: given[name] for name in job.about["outputs"]}, progress)
    facts = facts_of(job.about["settings"], counts, watch.notes + told + notes)
    return facts | {"output": str(given["output"])}


@contextmanager
def _token(folder: Path) -> Iterator[tuple[Path, str]]:
    """A file in the work folder by which nodes know that they see the same folder, while the block runs."""
    token = secrets.token_hex(16)
    with writing(folder / "seen") as place:
        with failures(place):
            place.write_text(token)
        yield place, token
        place.unlink(missing_ok=True)


@dataclass(frozen=True)
class _There:
    """Opens the work in an actor: see `engine.actors.Open`."""

    opening: Callable[..., AbstractContextManager[Session[Any]]]
    given: Mapping[str, Any]
    folder: str
    place: Path
    token: str

    @contextmanager
    def __call__(self, device: str, threads: int) -> Iterator[_Shards]:
        with suppress(OSError):  # where paths that are relative would not be found, and that is told
            os.chdir(self.folder)
        try:
            seen = self.place.read_text() == self.token
        except OSError:
            seen = False
        if not seen:
            raise FormatError(
                f"--work {self.place.parent}: is not the folder that the run was started with; it must lie on a file "
                "system that all nodes share"
            )
        with self.opening(**{**self.given, "device": device, "threads": threads}) as session:
            assert session.job is not None  # which is begun or found to be another one
            yield _Shards(session)


@dataclass(frozen=True)
class _Shards:
    """See `engine.actors.Opened`."""

    session: Session[Any]

    def run(self, shard: int, tick: Callable[[int], None]) -> None:
        def begin(what: str, unit: str, total: int | None) -> Advance:
            return lambda done, share=None: tick(done)

        self.session.run(begin, range(shard, shard + 1))


@dataclass
class _Watch:
    """See `engine.actors.Watch`."""

    folder: Path
    offer: Offer
    items: str
    progress: Progress
    notes: list[str] = field(default_factory=list)

    def begun(self) -> list[int]:
        job = _wait_for(lambda: read_job(self.folder))
        done, damaged = job.survey(range(job.count))
        self.notes += [f"{self.folder}: {what}; it was computed anew" for what in damaged.values()]
        there = f", {len(done):,} of {job.count:,} shards are there" if done else ""
        actors = f"{self.offer.actors:,} actor{'s' if self.offer.actors > 1 else ''}"
        self._advance = self.progress(f"{job.identity['verb']} on {actors}{there}", self.items, None)
        self._job = job
        return [shard for shard in range(job.count) if shard not in done]

    def advanced(self, items: int, share: float) -> None:
        self._advance(items, share)

    def lost(self, shard: int, why: str) -> None:
        self._job.failed(shard, DnabertError(why))


def _receipts(job: Job) -> list[Receipt]:
    """The receipts of all shards, once they are to be seen here."""

    def seen() -> list[Receipt]:
        done, damaged = job.survey(range(job.count), whole=False)
        for shard in range(job.count):
            if shard not in done:
                what = damaged.get(shard, f"shard {shard + 1} was done by a node and is not seen here")
                raise DnabertError(f"{job.folder}: {what}; run the same command again")
        return [done[shard] for shard in range(job.count)]

    return _wait_for(seen)


def _wait_for(look: Callable[[], Found]) -> Found:
    """What `look` finds, tried again for as long as file systems of networks may hide what is there."""
    limit = time.monotonic() + _VISIBLE
    while True:
        try:
            return look()
        except DnabertError:
            if time.monotonic() > limit:
                raise
            time.sleep(1.0)
