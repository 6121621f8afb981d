"""Per-base tracks as bigWig through pybigtools. Knows nothing of how the values came about."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from pathlib import Path

import pybigtools

from ..errors import FormatError
from ..seq.types import F32, I64
from .atomic import WrittenAside
from .runs import GenomeOrder, runs

__all__ = ["BigWigSink"]

_LONGEST = (1 << 32) - 1  # the format's coordinates are 32 bits wide
_UNITS_WAITING = 2
_POLL_SECONDS = 0.1


class BigWigSink(WrittenAside):
    """A track as bigWig: runs of equal float32 values; bases without a value (NaN) are not in the file.

    `contigs` gives the length of every contig. pybigtools takes one iterator for the whole file, so it runs in a thread
    of its own and is fed over a bounded queue: at most a few stretches are in memory. Raises FormatError for a
    contig of 2^32 bases or more, for a file without any value (bigWig cannot hold none), and when writing fails.
    """

    def __init__(self, path: str | Path, contigs: Mapping[str, int]) -> None:
        for name, length in contigs.items():
            if length > _LONGEST:
                raise FormatError(f"{path}: {name} has {length} bases, more than bigWig can hold; write .bedgraph.gz")
        super().__init__(path)
        self._aside = self.partial.with_suffix(".partial.bw")  # pybigtools looks at the name
        self._stack.callback(self._aside.unlink, missing_ok=True)
        self._contigs = dict(contigs)
        self._order = GenomeOrder(contigs)
        self._units: queue.Queue[Iterable[tuple[str, int, int, float]] | None] = queue.Queue(_UNITS_WAITING)
        self._stopped = False
        self._covered = 0
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def write(self, contig: str, start: int, values: F32) -> None:
        """Write values f32[L] of the bases from `start` on; stretches come in genome order."""
        self.write_runs(contig, start, len(values), *runs(start, values))

    def write_runs(self, contig: str, start: int, length: int, begins: I64, ends: I64, value: F32) -> None:
        """Write the `length` bases from `start` on by their runs of one value each, as `runs` gives them."""
        self._order.check(contig, start, length)
        if not len(begins):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bigwig", daemon=True)
            self._thread.start()
        self._covered += int((ends - begins).sum())
        self._put(zip(repeat(contig), begins.tolist(), ends.tolist(), value.tolist(), strict=False))

    def _put(self, unit: Iterable[tuple[str, int, int, float]] | None) -> None:
        assert self._thread is not None
        while self._thread.is_alive():
            try:
                self._units.put(unit, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue
        raise self._failed()

    def _failed(self) -> FormatError:
        reason = self._failure or "pybigtools stopped"
        return FormatError(f"{self.path}: cannot be written ({reason}); is the disk full?")

    def _received(self) -> Iterator[Iterable[tuple[str, int, int, float]]]:
        # pybigtools prints what goes wrong in an iterator, and that a file is empty. So a job given up ends like one
        # that is done, and after its first unit at the earliest.
        while (unit := self._units.get()) is not None:
            yield unit
            if self._stopped:
                return

    def _run(self) -> None:
        try:
            pybigtools.open(str(self._aside), "w").write(self._contigs, chain.from_iterable(self._received()))
        except BaseException as error:  # pybigtools panics with a BaseException; the sink's owner is told
            self._failure = error

    def _finish(self, afterwards: ExitStack) -> None:
        if self._thread is None:
            raise FormatError(f"{self.path}: no base has a value, and a bigWig cannot be empty; was any window scored?")
        self._put(None)
        self._thread.join()
        if self._failure is not None or self._written() != self._covered:
            raise self._failed()
        os.replace(self._aside, self.partial)

    def _written(self) -> int:
        """Bases the finished file holds: pybigtools reports some failures only by a file that lacks values."""
        try:
            with pybigtools.open(str(self._aside)) as reader:
                return int(reader.info()["summary"]["basesCovered"])
        except Exception as error:
            self._failure = error
            return -1

    def _abandon(self) -> None:
        self._stopped = True
        if self._thread is not None:
            with suppress(queue.Full):  # then the thread has a unit to take, and stops after it
                self._units.put_nowait(None)
            self._thread.join()
