"""Threads that each run whole batches on one core. Knows nothing of what a batch is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

__all__ = ["Workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """`threads` threads with one core each, started when they are first needed.

    One batch a core beats one batch on all cores: small operations do not wait for each other at barriers (5 times as
    fast for a small network on a busy machine), and what a batch gives does not depend on the number of threads.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def __reduce__(self) -> tuple[type[Workers], tuple[int]]:
        # Threads can neither be copied nor pickled: a copy starts its own.
        return Workers, (self.threads,)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`work` of every item, in order; each runs in one thread, in inference mode.

        A single item runs here, on all cores. Abandoning the iterator leaves what has not begun undone.
        """
        if self.threads == 1 or len(items) < 2:
            yield from map(work, items)
            return
        if self._pool is None:
            one_core = partial(torch.set_num_threads, 1)
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="batch", initializer=one_core)
        # MKL's number of threads is the process's; the batches' threads must find it at 1.
        torch.set_num_threads(1)
        futures = [self._pool.submit(_inferring, work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
            torch.set_num_threads(self.threads)


@torch.inference_mode()
def _inferring(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
