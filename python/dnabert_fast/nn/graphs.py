"""CUDA graphs for small batches, whose work is shorter than its launches. Knows what a layout is, and no weights.

A graph is recorded for a bucket of shapes. What varies from batch to batch is copied into the arrays it was recorded
with: tokens up to the bucket's number belong to no piece, pieces up to its number are empty, and kernels skip both.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .packed import Layout

__all__ = ["MOST_TOKENS", "Bucket", "CudaRecorder", "Graphs", "Recorder", "bucket_of"]

MOST_TOKENS = 8192
"""Tokens up to which a batch is run as a graph: 3 ms at 2.5 M tokens a second, in which the host has to launch a
hundred kernels."""

_FEWEST_TOKENS, _FEWEST_PIECES, _SHORTEST = 256, 16, 64
"""The smallest bucket: below it, the work is next to nothing whatever its size."""

Run = Callable[[Layout], Tensor]


@dataclass(frozen=True)
class Bucket:
    """Shapes that share a graph: tokens, pieces, the longest piece, the ids' dtype, whether [CLS] alone is wanted."""

    tokens: int
    pieces: int
    max_len: int
    dtype: torch.dtype
    cls: bool


def bucket_of(layout: Layout, positions: int) -> Bucket | None:
    """The bucket of a layout, whose pieces have as many tokens as there are `positions` at most.

    None where it is too large, or has what graphs do not take: they take ids of type 0, of which all rows are wanted,
    or one of each piece.
    """
    tokens, pieces = layout.bounds[-1], len(layout.lengths)
    if layout.ids is None or layout.types is not None or layout.key_bias is not None or tokens > MOST_TOKENS:
        return None
    cls = layout.rows is not None
    if layout.rows is not None and (len(layout.rows) != pieces or layout.max_rows != 1):
        return None
    longest = min(positions, max(_SHORTEST, _power(layout.max_len)))
    return Bucket(_tokens(tokens), max(_FEWEST_PIECES, _power(pieces)), longest, layout.ids.dtype, cls)


class Recorder(Protocol):
    """What records work on a device."""

    def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Run `work` until all it needs is made, then record it; the call of what is returned does it again."""


class Graphs:
    """Runs layouts in their buckets, and as graphs from the second time on that a bucket is asked for.

    The bits do not depend on what was asked before: products have the bucket's shapes with and without a graph. Keeps
    the `most` buckets used last. `reason` says why nothing is recorded any more; None where all is well.
    """

    def __init__(self, run: Run, recorder: Recorder, positions: int, most: int = 16) -> None:
        self.reason: str | None = None
        self._run = run
        self._recorder = recorder
        self._positions = positions
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Bucket, _Bucketed] = OrderedDict()

    def __call__(self, layout: Layout) -> Tensor:
        """As `run`: the states of the wanted rows."""
        bucket = bucket_of(layout, self._positions)
        if bucket is None:
            return self._run(layout)
        with self._lock:
            kept = self._kept.pop(bucket, None)
            if kept is None:
                # One batch of a shape, such as the last of a file, would not repay a recording.
                kept = _Bucketed(self._run, bucket, layout.cu_seqlens.device)
                if len(self._kept) == self._most:
                    self._kept.popitem(last=False)
            elif self.reason is None:
                try:
                    kept.record(self._recorder, layout)
                except RuntimeError as error:
                    self.reason = str(error).partition("\n")[0]
            self._kept[bucket] = kept
            return kept(layout)


class _Bucketed:
    """A bucket's arrays, and the work on them: done anew each time, or recorded."""

    def __init__(self, run: Run, bucket: Bucket, device: torch.device) -> None:
        self._bucket = bucket
        with torch.inference_mode(False):  # they are written in that mode and outside of it
            self._ids = torch.zeros(bucket.tokens, dtype=bucket.dtype, device=device)
            self._cu_seqlens = torch.zeros(bucket.pieces + 1, dtype=torch.int32, device=device)
            self._rows = torch.zeros(bucket.pieces, dtype=torch.int64, device=device)
            self._row_bounds = torch.zeros(bucket.pieces + 1, dtype=torch.int32, device=device)
        self._work = partial(run, self._layout())
        self._replay: Callable[[], Tensor] | None = None

    def record(self, recorder: Recorder, layout: Layout) -> None:
        """Record the work, unless it has been."""
        if self._replay is None:
            self._fill(layout)
            self._replay = recorder.record(self._work)

    def __call__(self, layout: Layout) -> Tensor:
        self._fill(layout)
        wanted = len(layout.lengths) if self._bucket.cls else layout.bounds[-1]
        if self._replay is None:
            return self._work()[:wanted]
        return self._replay()[:wanted].clone()  # the next replay writes to the same place

    def _fill(self, layout: Layout) -> None:
        tokens, pieces = layout.bounds[-1], len(layout.lengths)
        assert layout.ids is not None
        self._ids[:tokens].copy_(layout.ids)
        self._cu_seqlens[: pieces + 1].copy_(layout.cu_seqlens)
        self._cu_seqlens[pieces + 1 :].fill_(tokens)
        if layout.rows is not None and layout.row_bounds is not None:
            self._rows[:pieces].copy_(layout.rows)
            self._rows[pieces:].fill_(0)  # any row that is there
            self._row_bounds[: pieces + 1].copy_(layout.row_bounds)
            self._row_bounds[pieces + 1 :].fill_(pieces)

    def _layout(self) -> Layout:
        """The arrays as kernels take them. What varies is on the device alone, so there are no bounds on the host."""
        bucket = self._bucket
        return Layout(
            ids=self._ids,
            bases=None,
            lengths=np.empty(0, np.int64),
            types=None,
            cu_seqlens=self._cu_seqlens,
            max_len=bucket.max_len,
            bounds=[],
            groups=(),
            rows=self._rows if bucket.cls else None,
            row_bounds=self._row_bounds if bucket.cls else None,
            max_rows=1 if bucket.cls else bucket.max_len,
            restore=None,
            restore_tokens=None,
            key_bias=None,
        )


class CudaRecorder:
    """Records on a CUDA device. All recordings share one pool of memory, for they run one after the other."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._pool: Any = None
        self._aside: Any = None

    def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        with torch.cuda.device(self._device):
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
                # One stream for all: libraries keep a workspace for each that they have seen.
                self._aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            now, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
            # Left whatever happens: torch does not restore the stream where a recording cannot be ended.
            with torch.cuda.stream(self._aside):
                # Kernels are compiled and libraries take their workspaces now: a recording may do neither.
                self._aside.wait_stream(now)
                for _ in range(2):
                    work()
                now.wait_stream(self._aside)
                # torch's own stream for recordings is on the device that was recorded on first, so that on another
                # one nothing would be recorded. Other threads may wait for events meanwhile.
                with torch.cuda.graph(graph, self._pool, self._aside, capture_error_mode="thread_local"):
                    result = work()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


def _power(n: int) -> int:
    """The power of two from n on."""
    return 1 << (n - 1).bit_length()


def _tokens(n: int) -> int:
    """The next of 256, 384, 512, 768, 1024, ...: a third is padding at most."""
    above = max(_FEWEST_TOKENS, _power(n))
    return 3 * above // 4 if above > _FEWEST_TOKENS and n <= 3 * above // 4 else above
