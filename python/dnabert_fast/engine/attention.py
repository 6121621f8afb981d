"""What [CLS] attends to, as one number a base of each window of a unit. Knows nothing of files or genomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from .predict import MAX_TOKENS, Prepared, begin_windows, piece_tables, runs
from .runner import Job, Runner

if TYPE_CHECKING:
    from ..nn.network import Network
    from ..nn.packed import Packed
    from ..seq.types import F32, I64

__all__ = ["Attended", "Ragged", "base_means", "begin_attention", "normalised", "over_strands"]

Attended: TypeAlias = "tuple[F32, F32]"
"""Logits f32 [n, C] of the windows (C = 0 where none were asked for) and scores f32 [B] of their bases, end to end."""


@dataclass(frozen=True)
class Ragged:
    """One score a base of n windows: scores f32[B]; those of window i are scores[offsets[i]:offsets[i+1]]."""

    scores: F32
    offsets: I64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> F32:
        row = range(len(self))[row]
        return self.scores[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[F32]:
        return (self[row] for row in range(len(self)))


@torch.inference_mode()
def begin_attention(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = lambda share: None,
    runner: Runner | None = None,
    *,
    logits: bool = True,
) -> Callable[[], Attended]:
    """Ask the device for logits and for the attention of [CLS], out of one pass; as `predict.begin_logits` does.

    A k-mer's attention is that of its piece's [CLS] in the last layer, summed over the heads; a base's is the mean over
    the k-mers that cover it (Ji et al. 2021). Every window has a k-mer. Without `logits` the head is left out, so
    that any head will do.
    """
    runner = Runner(network.backend.device) if runner is None else runner

    def encode(packed: Packed) -> tuple[torch.Tensor, ...]:
        states, weights = network.attend(packed)
        summed = weights.sum(1, keepdim=True)
        return (network.head.pieces(states), summed) if logits else (summed,)

    with runner.staging.scope():
        of_tokens = (False, True) if logits else (True,)
        job = Job(prepared.batch, prepared.distinct.first, encode, "cls", max_tokens, tick, of_tokens)
        *of_pieces, (weights, rows) = piece_tables(network, runner, job)
        fetched = runner.staging.fetch(weights)
        asked = [begin_windows(network, runner, prepared, *of_piece) for of_piece in of_pieces]

    def finish() -> Attended:
        kmers = prepared.batch.lengths.astype(np.int64) - 2
        of_window = np.bincount(prepared.batch.owner, weights=kmers, minlength=prepared.n_windows).astype(np.int64)
        found = fetched()[runs(rows[prepared.distinct.inverse] + 1, kmers), 0]
        if prepared.reverse is not None and prepared.reverse.any():
            found = found[_backwards(of_window, prepared.reverse)]
        answers = asked[0]() if asked else np.empty((prepared.n_windows, 0), np.float32)
        return answers, base_means(found, of_window, network.config.k)

    return finish


def base_means(kmers: F32, counts: I64, k: int) -> F32:
    """The mean over the k-mers that cover each base: of the k-mers of n windows (f32, counts[i] >= 1 of window i).

    Window i has counts[i] + k - 1 bases; its first is covered by one k-mer, the next by two, as many as k in its midst.
    """
    lengths = counts + k - 1
    starts = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    # The last k - 1 places of a window have no k-mer, so what is shifted over a window's start is 0.
    spread = np.zeros(total, np.float64)
    spread[runs(starts, counts)] = kmers
    sums = spread.copy()
    for shift in range(1, k):
        sums[shift:] += spread[: total - shift]
    place = runs(np.zeros(len(counts), np.int64), lengths)
    covering = np.minimum(np.minimum(place + 1, np.repeat(lengths, lengths) - place), k)
    means: F32 = (sums / np.minimum(covering, np.repeat(counts, lengths))).astype(np.float32)
    return means


def normalised(scores: F32, lengths: I64) -> F32:
    """Scores of windows of these lengths (none 0), each window divided by its Euclidean norm (0 stays 0)."""
    if not len(lengths):
        return scores
    squares = np.add.reduceat(np.square(scores, dtype=np.float64), np.cumsum(lengths) - lengths)
    norms = np.sqrt(squares)
    result: F32 = (scores / np.repeat(np.where(norms > 0, norms, 1), lengths)).astype(np.float32)
    return result


def over_strands(found: Sequence[Attended]) -> Attended:
    """Logits and scores of the one strand read, or the means of both's."""
    if len(found) == 1:
        return found[0]
    (logits, scores), (others, other_scores) = found
    return (logits + others) / np.float32(2), (scores + other_scores) / np.float32(2)


def _backwards(counts: I64, reverse: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> I64:
    """Where the k-mers of windows lie, in genome order, among them as they were read."""
    starts = np.cumsum(counts) - counts
    place = runs(np.zeros(len(counts), np.int64), counts)
    mirrored = np.repeat(counts - 1, counts) - place
    order: I64 = np.repeat(starts, counts) + np.where(np.repeat(reverse, counts), mirrored, place)
    return order
