"""Runs batches of pieces on a device: cut, staged, encoded, and cut smaller where memory runs out. Knows no windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ..errors import DnabertError
from ..nn.staging import Spans, staging_for
from ..seq.batch import SpanBatch, TokenBatch, cut
from .workers import Workers

if TYPE_CHECKING:
    from ..nn.packed import Packed
    from ..nn.staging import Staging
    from ..seq.types import I32, I64

__all__ = ["Encode", "Job", "Runner"]

Encode = Callable[["Packed"], "torch.Tensor | tuple[torch.Tensor, ...]"]


@dataclass(frozen=True)
class Job:
    """Pieces `chosen` of a batch to encode: `encode` gives vectors of a pack whose `rows` are wanted.

    It gives as many tables as `of_tokens` has entries: a row a piece [m, D], or where that is True a row a token
    [T, D], in the order of the pack.
    """

    batch: TokenBatch | SpanBatch
    chosen: I32
    encode: Encode
    rows: Literal["cls", "all"]
    max_tokens: int
    tick: Callable[[float], None]
    of_tokens: tuple[bool, ...] = (False,)


class Runner:
    """A device and how batches run on it: in `threads` threads of one core each, or one after the other on a GPU.

    A batch that the device's memory does not hold is run in halves, and no later batch is larger than those were.
    `share` is that of the time in which a GPU had work, in the last job that was timed.
    """

    def __init__(self, device: str = "cpu", threads: int = 1, staging: Staging | None = None) -> None:
        self.device = device
        self.workers = Workers(threads)
        self.staging = staging_for(device) if staging is None else staging
        self.share: float | None = None
        self._ceiling: int | None = None
        self._told: dict[str, None] = {}

    def __reduce__(self) -> tuple[type[Runner], tuple[str, int]]:
        # Threads, streams and pinned memory can neither be copied nor pickled: a copy makes its own.
        return Runner, (self.device, self.workers.threads)

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know of how the batches ran."""
        if self._ceiling is None:
            return tuple(self._told)
        return *self._told, f"{self.device} ran out of memory, so batches were cut to {self._ceiling:,} tokens"

    def told(self, notes: tuple[str, ...]) -> None:
        """Keep the notes of a network, each once."""
        self._told.update(dict.fromkeys(notes))

    @contextmanager
    def unit(self, pieces: int, windows: int) -> Iterator[None]:
        """A block in which the device is the current one and a unit of so many pieces is asked of it.

        What a unit keeps there besides a batch cannot be halved: DnabertError where memory does not hold it.
        """
        try:
            with self.staging.scope():
                yield
        except torch.OutOfMemoryError:
            raise DnabertError(
                f"{self.device} has no memory for {windows:,} windows of together {pieces:,} pieces at a time; free "
                "some of it, give shorter windows or sequences, or a larger --stride, or use another device"
            ) from None

    def vectors(self, job: Job) -> tuple[torch.Tensor, I64]:
        """The one table of a job that gives one; see `tables`."""
        [found] = self.tables(job)
        return found

    def tables(self, job: Job) -> list[tuple[torch.Tensor, I64]]:
        """Vectors fp32 [u, D] of the pieces, shortest first, and the row i64 [u] of each piece (its first) among them.

        Pieces are sorted by length and cut into batches of at most `max_tokens` tokens, so nothing is padded. One such
        pair for each table that the job gives; of tokens there are as many vectors as the pieces have together.
        """
        lengths = job.batch.lengths[job.chosen]
        order = np.argsort(lengths, kind="stable")
        parts = cut(lengths[order], job.max_tokens)
        total = int(lengths.sum())
        bounds = [np.zeros(len(order) + 1, np.int64) for _ in job.of_tokens]
        for ends, of_tokens in zip(bounds, job.of_tokens, strict=True):
            np.cumsum(lengths[order] if of_tokens else np.ones_like(order), out=ends[1:])
        codes: torch.Tensor | None = None
        if isinstance(job.batch, SpanBatch) and self.staging.sends_bases:
            codes = self.staging.send(job.batch.codes())
        work = partial(self._encoded, job, codes)
        tables: list[torch.Tensor] = []
        batches = self.workers.map(work, [job.chosen[order[part]] for part in parts])
        for part, found in zip(parts, batches, strict=True):
            if not tables:
                tables = [of.new_empty(int(ends[-1]), of.shape[1]) for of, ends in zip(found, bounds, strict=True)]
            for table, of, ends in zip(tables, found, bounds, strict=True):
                table[ends[part.start] : ends[part.stop]] = of
            job.tick(int(lengths[order[part]].sum()) / total)
        assert tables, "a unit has at least one window"
        rows = [np.empty(len(order), np.int64) for _ in bounds]
        for starts, ends in zip(rows, bounds, strict=True):
            starts[order] = ends[:-1]
        return list(zip(tables, rows, strict=True))

    def _encoded(self, job: Job, codes: torch.Tensor | None, chosen: I32) -> tuple[torch.Tensor, ...]:
        """The tables of one batch, in smaller ones where it is too large."""
        lengths = job.batch.lengths[chosen]
        tokens = int(lengths.sum())
        if self._ceiling is not None and tokens > self._ceiling and len(chosen) > 1:
            parts = cut(lengths, self._ceiling)
            halves = [self._encoded(job, codes, chosen[part]) for part in parts]
            return tuple(torch.cat(of) for of in zip(*halves, strict=True))
        try:
            return self._run(job, codes, chosen)
        except torch.OutOfMemoryError:
            pass  # what the failed run holds is let go with the exception
        if len(chosen) == 1:
            raise DnabertError(
                f"{self.device} has no memory for one piece of {tokens} tokens; free some of it, or use another device"
            )
        self._ceiling = tokens // 2
        self.staging.release()
        return self._encoded(job, codes, chosen)

    def _run(self, job: Job, codes: torch.Tensor | None, chosen: I32) -> tuple[torch.Tensor, ...]:
        taken = job.batch.take(chosen)
        if codes is not None and isinstance(taken, SpanBatch):
            spans = Spans(codes, taken.starts, taken.reverse, taken.k)
            staged = self.staging.packed(taken.cu_seqlens, job.rows, spans=spans)
        else:
            tokens = taken.tokens()
            staged = self.staging.packed(tokens.cu_seqlens, job.rows, ids=tokens.ids)
        with staged as packed:
            found = job.encode(packed)
            return tuple(of.float() for of in (found if isinstance(found, tuple) else (found,)))
