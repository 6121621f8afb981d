"""Run a network over the windows of one unit. Knows nothing of files, alleles or strands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ..nn.packed import Packed
from ..seq.batch import Distinct, TokenBatch, cut, distinct
from .workers import Workers

if TYPE_CHECKING:
    from ..nn.network import Network
    from ..seq.types import F32, I64

__all__ = ["MAX_TOKENS", "Prepared", "logits", "pooled", "prepare"]

MAX_TOKENS = 4096
"""Tokens a batch holds at most: enough rows for a GEMM to run at full speed, few enough that the 110 M network's widest
arrays are still reused by malloc. Twice as many were measured 6 to 10 % slower: each layer faults its pages in anew."""

_SMALLEST_GEMM = 16
"""Rows of the smallest matrix product: below it, libraries switch to other code and low bits change."""

_ALONE = Workers(1)


def _silent(share: float) -> None:
    """Nobody asks how far it is."""


@dataclass(frozen=True)
class Prepared:
    """The windows of a unit as tokens, with the pieces that differ; made by readers, consumed by `logits`."""

    batch: TokenBatch
    distinct: Distinct
    n_windows: int

    @property
    def counts(self) -> I64:
        """Pieces of each window, int64 [n_windows]."""
        return np.bincount(self.batch.owner, minlength=self.n_windows).astype(np.int64)


def prepare(batch: TokenBatch, n_windows: int) -> Prepared:
    """Find the pieces of a unit that differ, so that each is encoded once."""
    return Prepared(batch, distinct(batch), n_windows)


@torch.inference_mode()
def logits(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    workers: Workers = _ALONE,
) -> F32:
    """The logits of every window, float32 [n_windows, C]; windows equal in content get the same bytes.

    `tick` is called after each batch with its share of the work; the shares add up to 1.
    """
    run = _Run(network, network.pieces, network.head.wants, max_tokens, tick, workers)
    vectors = _piece_vectors(run, prepared)
    counts = prepared.counts
    starts = np.cumsum(counts) - counts
    out: F32 | None = None
    for count in np.unique(counts):
        windows = np.flatnonzero(counts == count)
        pieces = prepared.distinct.inverse[starts[windows][:, None] + np.arange(count)].astype(np.int64)
        different, inverse = np.unique(pieces, axis=0, return_inverse=True)
        found = _window_logits(network, vectors, different)
        if out is None:
            out = np.empty((prepared.n_windows, found.shape[1]), np.float32)
        out[windows] = found[inverse.reshape(-1)]
    assert out is not None
    return out


@torch.inference_mode()
def pooled(
    network: Network,
    prepared: Prepared,
    pooling: str,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    workers: Workers = _ALONE,
) -> F32:
    """One vector a window, float32 [n_windows, H]: the mean over its k-mers ("mean") or its [CLS] states ("cls").

    The mean weighs the pieces of a window by their k-mers; [CLS] and [SEP] are left out.
    """
    if pooling not in ("mean", "cls"):
        raise ValueError(f"pooling is 'mean' or 'cls', not {pooling!r}")
    encode = network.encode if pooling == "cls" else lambda packed: _inner_sums(network, packed)
    run = _Run(network, encode, "cls" if pooling == "cls" else "all", max_tokens, tick, workers)
    vectors = _piece_vectors(run, prepared)
    owner = torch.from_numpy(prepared.batch.owner.astype(np.int64))
    pieces = vectors.cpu()[torch.from_numpy(prepared.distinct.inverse.astype(np.int64))].double()
    sums = pieces.new_zeros(prepared.n_windows, pieces.shape[1]).index_add_(0, owner, pieces)
    inner = prepared.batch.lengths - 2 if pooling == "mean" else np.ones(len(owner))
    weights = np.bincount(prepared.batch.owner, weights=inner, minlength=prepared.n_windows)
    result: F32 = (sums / torch.from_numpy(np.maximum(weights, 1.0))[:, None]).float().numpy()
    return result


@dataclass(frozen=True)
class _Run:
    """How pieces become vectors: `encode` gives [m, D] of a pack whose `rows` are wanted."""

    network: Network
    encode: Callable[[Packed], torch.Tensor]
    rows: Literal["cls", "all"]
    max_tokens: int
    tick: Callable[[float], None]
    workers: Workers


def _piece_vectors(run: _Run, prepared: Prepared) -> torch.Tensor:
    """The vector of every distinct piece, float32 [u, D], in the order of `prepared.distinct.first`.

    Pieces are sorted by length and cut into batches of at most `max_tokens` tokens, so nothing is padded.
    """
    batch, first = prepared.batch, prepared.distinct.first
    lengths = batch.lengths[first]
    order = np.argsort(lengths, kind="stable")
    parts = [order[part] for part in cut(lengths[order], run.max_tokens)]

    def encoded(chosen: I64) -> torch.Tensor:
        taken = batch.take(first[chosen])
        device = run.network.backend.device
        return run.encode(Packed.from_arrays(taken.ids, taken.cu_seqlens, device=device, rows=run.rows)).float()

    if run.network.backend.frozen is not None:
        run.network.prepare()  # once, before the workers ask for it
    total = int(lengths.sum())
    vectors: torch.Tensor | None = None
    for chosen, found in zip(parts, run.workers.map(encoded, parts), strict=True):
        if vectors is None:
            vectors = found.new_empty(len(first), found.shape[1])
        vectors[torch.from_numpy(chosen)] = found
        run.tick(int(lengths[chosen].sum()) / total)
    assert vectors is not None, "a unit has at least one window"
    return vectors


def _inner_sums(network: Network, packed: Packed) -> torch.Tensor:
    """Sum of the states of each piece's k-mers, [m, H]; differences of running sums, so no loop over pieces."""
    states = network.encode(packed).double()
    running = torch.cat([states.new_zeros(1, states.shape[1]), states.cumsum(0)])
    edges = packed.cu_seqlens.long()
    return running[edges[1:] - 1] - running[edges[:-1] + 1]


def _window_logits(network: Network, vectors: torch.Tensor, pieces: I64) -> F32:
    """Logits of windows given as rows of piece numbers [n, count]; short lists are filled up to 16 rows."""
    n, count = pieces.shape
    if n < _SMALLEST_GEMM:
        pieces = np.concatenate([pieces, np.repeat(pieces[-1:], _SMALLEST_GEMM - n, axis=0)])
    gathered = vectors[torch.from_numpy(pieces.reshape(-1))]
    scores: F32 = network.windows(gathered, np.full(len(pieces), count))[:n].float().cpu().numpy()
    return scores
