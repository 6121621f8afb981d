"""Run a network over the windows of one unit. Knows nothing of files, alleles or strands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from ..seq.batch import Distinct, SpanBatch, TokenBatch, distinct, labelled_base
from .runner import Job, Runner

if TYPE_CHECKING:
    from ..nn.network import Network
    from ..nn.packed import Packed
    from ..seq.types import F32, I64, Bool

__all__ = [
    "MAX_TOKENS",
    "Later",
    "Prepared",
    "base_logits",
    "batch_tokens",
    "begin_base_logits",
    "begin_logits",
    "begin_pooled",
    "begin_windows",
    "logits",
    "piece_tables",
    "pooled",
    "prepare",
    "runs",
    "strand_mean",
]

MAX_TOKENS = 4096
"""Tokens a batch holds at most on processors: enough rows for a GEMM to run at full speed, few enough that the 110 M
network's widest arrays are still reused by malloc. Twice as many were measured 6 to 10 % slower: each layer faults its
pages in anew."""

_GPU_TOKENS = 65_536
"""Tokens a batch holds at most on GPUs: 20 ms at 3 M tokens a second, against which the launches of a batch and a last
wave of tiles that fills half the chip are small."""

_SMALLEST_GEMM = 16
"""Rows of the smallest matrix product: below it, libraries switch to other code and low bits change."""

Later: TypeAlias = "Callable[[], F32]"
"""An answer that has been asked for; the call waits for it."""

_Then: TypeAlias = "Callable[[Runner, Prepared, torch.Tensor, I64], Later]"
"""What asks for an answer out of a job's table and the row in it of each distinct piece."""


def _silent(share: float) -> None:
    """Nobody asks how far it is."""


def batch_tokens(network: Network, free: int | None) -> int:
    """Tokens a batch holds at most on the network's device, of whose memory `free` bytes are to be had.

    On a GPU the arrays of a batch take half of the free memory at most; the limit is a power of two, so that it does
    not change with every byte that others use.
    """
    if network.backend.device == "cpu" or free is None:
        return MAX_TOKENS
    config = network.config.encoder
    # In fp32, all at once: the state and its copies, queries, keys, values and context (8 H), the feed-forward's
    # inner layer, and states and running sums in fp64 (4 H).
    each = 4 * (12 * config.hidden_size + config.intermediate_size)
    fitting = max(1, free // 2 // each)
    return min(_GPU_TOKENS, max(config.max_positions, 1 << (fitting.bit_length() - 1)))


@dataclass(frozen=True)
class Prepared:
    """The windows of a unit in pieces, with those that differ; made by readers, consumed by `logits`.

    `pairs`: each piece is a pair of sequences. `reverse` bool [n_windows]: windows that were read backwards, where
    answers are wanted along the bases (None: no window).
    """

    batch: TokenBatch | SpanBatch
    distinct: Distinct
    n_windows: int
    pairs: bool = False
    reverse: Bool | None = None

    @property
    def counts(self) -> I64:
        """Pieces of each window, int64 [n_windows]."""
        return np.bincount(self.batch.owner, minlength=self.n_windows).astype(np.int64)


def prepare(
    batch: TokenBatch | SpanBatch, n_windows: int, *, pairs: bool = False, reverse: Bool | None = None
) -> Prepared:
    """Find the pieces of a unit that differ, so that each is encoded once."""
    return Prepared(batch, distinct(batch), n_windows, pairs, reverse)


def logits(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> F32:
    """The logits of every window, float32 [n_windows, C]; windows equal in content get the same bytes.

    `tick` is called after each batch with its share of the work; the shares add up to 1.
    """
    return begin_logits(network, prepared, max_tokens, tick, runner)()


def base_logits(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> F32:
    """The logits of every base of the windows, end to end in genome order: float32 [B, C].

    A base is answered by the k-mer that speaks of it (see `seq.batch.labelled_base`); NaN for those without one.
    """
    return begin_base_logits(network, prepared, max_tokens, tick, runner)()


def pooled(
    network: Network,
    prepared: Prepared,
    pooling: str,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> F32:
    """One vector a window, float32 [n_windows, H]: the mean over its k-mers ("mean") or its [CLS] states ("cls").

    The mean weighs the pieces of a window by their k-mers; [CLS] and [SEP] are left out.
    """
    return begin_pooled(network, prepared, pooling, max_tokens, tick, runner)()


def begin_logits(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> Later:
    """Ask the device for `logits`; it is waited for when they are wanted, and has the next unit's work by then."""
    encode = (lambda packed: network.pieces(packed.segmented())) if prepared.pairs else network.pieces
    job = Job(prepared.batch, prepared.distinct.first, encode, network.head.wants, max_tokens, tick)
    return _begin(network, prepared, job, runner, partial(begin_windows, network))


def begin_windows(network: Network, runner: Runner, prepared: Prepared, vectors: torch.Tensor, rows: I64) -> Later:
    """Ask for the logits of windows whose distinct pieces have these vectors; `rows` says which each has."""
    counts = prepared.counts
    starts = np.cumsum(counts) - counts
    places: list[tuple[I64, I64]] = []
    scores: list[torch.Tensor] = []
    for count in np.unique(counts):
        windows = np.flatnonzero(counts == count)
        pieces = prepared.distinct.inverse[starts[windows][:, None] + np.arange(count)].astype(np.int64)
        different, inverse = _different(pieces)
        scores.append(_window_logits(network, runner, vectors, rows[different]))
        places.append((windows, inverse))
    fetched = runner.staging.fetch(torch.cat(scores))
    sizes = np.cumsum([len(part) for part in scores])[:-1]

    def finish() -> F32:
        table = fetched()
        out: F32 = np.empty((prepared.n_windows, table.shape[1]), np.float32)
        for (windows, inverse), found in zip(places, np.split(table, sizes), strict=True):
            out[windows] = found[inverse]
        return out

    return finish


def begin_base_logits(
    network: Network,
    prepared: Prepared,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> Later:
    """Ask the device for `base_logits`, as `begin_logits` does."""
    chosen = prepared.distinct.first
    job = Job(prepared.batch, chosen, network.token_logits, "all", max_tokens, tick, of_tokens=(True,))
    return _begin(network, prepared, job, runner, partial(_fetched, partial(_along_bases, network.config.k)))


def begin_pooled(
    network: Network,
    prepared: Prepared,
    pooling: str,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = _silent,
    runner: Runner | None = None,
) -> Later:
    """Ask the device for `pooled`, as `begin_logits` does."""
    if pooling not in ("mean", "cls"):
        raise ValueError(f"pooling is 'mean' or 'cls', not {pooling!r}")
    cls = pooling == "cls"
    encode = network.encode if cls else partial(_inner_sums, network)
    job = Job(prepared.batch, prepared.distinct.first, encode, "cls" if cls else "all", max_tokens, tick)
    return _begin(network, prepared, job, runner, partial(_fetched, partial(_window_means, cls)))


@torch.inference_mode()
def _begin(network: Network, prepared: Prepared, job: Job, runner: Runner | None, then: _Then) -> Later:
    """Ask for the one table of a job, and for what `then` makes of it; without a runner the caller keeps none."""
    runner = Runner(network.backend.device) if runner is None else runner
    with runner.unit(len(prepared.batch), prepared.n_windows):
        [(table, rows)] = piece_tables(network, runner, job)
        return then(runner, prepared, table, rows)


def _fetched(
    answer: Callable[[Prepared, F32, I64], F32], runner: Runner, prepared: Prepared, table: torch.Tensor, rows: I64
) -> Later:
    """Ask for a table to be brought here, of which an answer is made when it is wanted."""
    fetched = runner.staging.fetch(table)
    return lambda: answer(prepared, fetched(), rows)


def _along_bases(k: int, prepared: Prepared, found: F32, rows: I64) -> F32:
    """Logits of the k-mers of distinct pieces, one after the other, as `base_logits` of the windows."""
    kmers = prepared.batch.lengths.astype(np.int64) - 2
    of_window = np.bincount(prepared.batch.owner, weights=kmers, minlength=prepared.n_windows).astype(np.int64)
    token = runs(rows[prepared.distinct.inverse] + 1, kmers)
    length = of_window + k - 1
    start = np.cumsum(length) - length
    base = runs(np.full(prepared.n_windows, labelled_base(k)), of_window)
    if prepared.reverse is not None:
        mirrored = np.repeat(length - 1, of_window) - base
        base = np.where(np.repeat(prepared.reverse, of_window), mirrored, base)
    out: F32 = np.full((int(length.sum()), found.shape[1]), np.nan, np.float32)
    out[base + np.repeat(start, of_window)] = found[token]
    return out


def _window_means(cls: bool, prepared: Prepared, found: F32, rows: I64) -> F32:
    """Vectors of distinct pieces (`cls`) or sums over their k-mers, as `pooled` of the windows."""
    owner = torch.from_numpy(prepared.batch.owner.astype(np.int64))
    pieces = torch.from_numpy(found)[torch.from_numpy(rows[prepared.distinct.inverse])].double()
    sums = pieces.new_zeros(prepared.n_windows, pieces.shape[1]).index_add_(0, owner, pieces)
    inner = np.ones(len(owner)) if cls else prepared.batch.lengths - 2
    weights = np.bincount(prepared.batch.owner, weights=inner, minlength=prepared.n_windows)
    result: F32 = (sums / torch.from_numpy(np.maximum(weights, 1.0))[:, None]).float().numpy()
    return result


def strand_mean(found: Sequence[F32], *, along_bases: bool) -> F32:
    """The answers of the one strand read, or the mean of both's.

    Along bases, those at the ends of a window have a k-mer of their own on one strand alone: the other's NaN is passed
    over.
    """
    if len(found) == 1:
        return found[0]
    mean: F32 = (found[0] + found[1]) / np.float32(2)
    if along_bases:
        mean = np.where(np.isnan(mean), np.where(np.isnan(found[0]), found[1], found[0]), mean)
    return mean


def piece_tables(network: Network, runner: Runner, job: Job) -> list[tuple[torch.Tensor, I64]]:
    """As `Runner.tables`, with the network prepared first."""
    if network.backend.frozen is None:
        return runner.tables(job)
    prepared = network.prepare()  # once, before the workers ask for it
    found = runner.tables(job)
    runner.told(prepared.notes)
    return found


def runs(starts: I64, lengths: I64) -> I64:
    """The integers starts[i] to starts[i] + lengths[i], one run after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    found: I64 = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return found


def _different(pieces: I64) -> tuple[I64, I64]:
    """The rows [n, count] that differ, sorted, and which of them each row is."""
    if pieces.shape[1] == 1:  # the same, without sorting rows as bytes
        alone, inverse = np.unique(pieces[:, 0], return_inverse=True)
        return alone[:, None], inverse
    different, inverse = np.unique(pieces, axis=0, return_inverse=True)
    return different, inverse.reshape(-1)


def _inner_sums(network: Network, packed: Packed) -> torch.Tensor:
    """Sum of the states of each piece's k-mers, [m, H]; differences of running sums, so no loop over pieces."""
    states = network.encode(packed).double()
    running = torch.cat([states.new_zeros(1, states.shape[1]), states.cumsum(0)])
    edges = packed.cu_seqlens.long()
    return running[edges[1:] - 1] - running[edges[:-1] + 1]


def _window_logits(network: Network, runner: Runner, vectors: torch.Tensor, pieces: I64) -> torch.Tensor:
    """Logits [n, C] of windows given as rows of their pieces [n, count]; short lists are filled up to 16 rows."""
    n, count = pieces.shape
    if n < _SMALLEST_GEMM:
        pieces = np.concatenate([pieces, np.repeat(pieces[-1:], _SMALLEST_GEMM - n, axis=0)])
    gathered = vectors[runner.staging.send(pieces.reshape(-1))]
    return network.windows(gathered, np.full(len(pieces), count))[:n].float()
