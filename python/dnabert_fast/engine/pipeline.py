"""Read, compute and write as three stages over bounded queues. Knows nothing of genomes, models or files."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["pipeline"]

Unit = TypeVar("Unit")
Work = TypeVar("Work")
Result = TypeVar("Result")


def _nothing() -> None:
    """Nothing has to be told."""


_POLL_SECONDS = 0.05
_GRACE_SECONDS = 1.0


class _Channel(Generic[Result]):
    """A bounded queue whose waits end when the pipeline stops."""

    def __init__(self, depth: int, stopped: threading.Event) -> None:
        self._queue: queue.Queue[Result | None] = queue.Queue(depth)
        self._stopped = stopped

    def put(self, item: Result | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def get(self) -> Result | None:
        while not self._stopped.is_set():
            try:
                return self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
        return None


def pipeline(
    units: Iterable[Unit],
    read: Callable[[Unit], Work],
    compute: Callable[[Work], Result],
    write: Callable[[Result], None],
    *,
    readers: int = 1,
    depth: int = 4,
    cancel: Callable[[], None] = _nothing,
) -> None:
    """Run every unit through read, compute and write, each stage in its own thread, results in the order of the units.

    `read` runs in `readers` threads, `compute` in the calling thread (where Ctrl-C arrives), `write` in one thread.
    At most `depth` units wait before each stage. The first exception of any stage stops all and is raised here;
    `cancel` is called then, so that nobody waits for answers that come from elsewhere.
    """
    stopped = threading.Event()
    failures: list[BaseException] = []
    works: _Channel[Future[Work]] = _Channel(depth, stopped)
    results: _Channel[tuple[Result]] = _Channel(depth, stopped)

    def fail(error: BaseException) -> None:
        failures.append(error)
        stopped.set()
        cancel()

    with ThreadPoolExecutor(readers, thread_name_prefix="read") as pool:

        def feed() -> None:
            try:
                if stopped.is_set():
                    return
                for unit in units:
                    if not works.put(pool.submit(read, unit)):
                        return
                works.put(None)
            except BaseException as error:
                fail(error)

        def drain() -> None:
            try:
                while (item := results.get()) is not None:
                    write(item[0])
            except BaseException as error:
                fail(error)

        feeder = threading.Thread(target=feed, name="feed", daemon=True)
        writer = threading.Thread(target=drain, name="write", daemon=True)
        try:
            feeder.start()  # Ctrl-C may come while a thread starts
            writer.start()
            while (future := works.get()) is not None:
                results.put((compute(future.result()),))
            results.put(None)
            writer.join()
        except BaseException as error:
            fail(error)
        finally:
            if failures:
                stopped.set()
            if writer.is_alive():
                writer.join()
            if feeder.is_alive():
                # A source that waits for its input, as for standard input, ends with the program.
                feeder.join(_GRACE_SECONDS if failures else None)
            pool.shutdown(wait=True, cancel_futures=True)
    if failures:
        cancel()  # of what was asked for while the others were being told
        raise failures[0]
