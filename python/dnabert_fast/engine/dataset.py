"""Windows of a genome as packed token batches, for users' own torch code. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..seq.batch import TokenBatch, tokenize
from ..seq.genome import Genome
from ..seq.plan import Plan

__all__ = ["TokenDataset", "stream"]

_UNIT_WINDOWS = 4096


def stream(genome: Genome, plan: Plan, k: int, *, windows: int = _UNIT_WINDOWS) -> Iterator[tuple[Plan, TokenBatch]]:
    """Yield the windows of `plan` as packed tokens, `windows` of them at a time and in order.

    Each item is (the part of the plan, its TokenBatch: ids uint16 [T], cu_seqlens int32 [m+1], owner int32 [m]).
    Bases outside a contig read as N, so every k-mer over them is [UNK].
    """
    for first in range(0, len(plan), windows):
        part = plan[first : first + windows]
        yield part, tokenize(genome.fetch(part.contig, part.start, part.end), k, part.reverse)


@dataclass(frozen=True)
class TokenDataset(IterableDataset[dict[str, torch.Tensor]]):
    """A torch dataset of packed batches: a dict of `ids` int64 [T], `cu_seqlens` int32 [m+1], `owner` int32 [m].

    `owner` counts windows from the start of the plan. Use it with `DataLoader(dataset, batch_size=None)`; with several
    workers each takes every n-th batch. The genome is opened in each worker, so nothing of it is copied.
    """

    genome: str
    plan: Plan
    k: int
    windows: int = 256

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = get_worker_info()
        step, offset = (worker.num_workers, worker.id) if worker else (1, 0)
        with Genome.open(self.genome) as genome:
            for first in range(offset * self.windows, len(self.plan), step * self.windows):
                part = self.plan[first : first + self.windows]
                batch = next(stream(genome, part, self.k, windows=self.windows))[1]
                yield {
                    "ids": torch.from_numpy(batch.ids.astype("int64")),
                    "cu_seqlens": torch.from_numpy(batch.cu_seqlens),
                    "owner": torch.from_numpy(batch.owner + first),
                }
