"""How likely a masked language model finds the tokens that are hidden from it. Knows no files and no alleles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..seq.batch import TokenBatch, cut
from ..seq.vocab import FIRST_KMER
from .predict import MAX_TOKENS, Prepared, runs
from .runner import Runner

if TYPE_CHECKING:
    from ..nn.network import Network
    from ..seq.hidden import Hidden
    from ..seq.types import F64, I64

__all__ = ["Blanked", "begin_likelihood"]


@dataclass(frozen=True)
class Blanked:
    """Windows of a unit with tokens hidden (one piece each), and what these are."""

    prepared: Prepared
    hidden: Hidden


@torch.inference_mode()
def begin_likelihood(
    network: Network,
    blanked: Blanked,
    max_tokens: int = MAX_TOKENS,
    tick: Callable[[float], None] = lambda share: None,
    runner: Runner | None = None,
) -> Callable[[], F64]:
    """Ask for the mean log-likelihood (natural) of each window's hidden k-mers, float64 [n].

    All of a window's are hidden at once and judged one by one. A hidden [UNK] is left out; NaN where nothing else is
    hidden. Windows that are equal but for what is hidden are read once; only the hidden tokens go through the last
    layer's output, its feed-forward and the head.
    """
    runner = Runner(network.backend.device) if runner is None else runner
    prepared, hidden = blanked.prepared, blanked.hidden
    batch = prepared.batch
    assert isinstance(batch, TokenBatch)
    counts = np.diff(hidden.offsets)
    chosen = prepared.distinct.first
    chosen = chosen[counts[chosen] > 0]
    lengths = batch.lengths[chosen]
    order = np.argsort(lengths, kind="stable")
    parts = cut(lengths[order], max_tokens)
    # The windows of each distinct piece, side by side.
    by_piece = np.argsort(prepared.distinct.inverse, kind="stable")
    sharing = np.bincount(prepared.distinct.inverse, minlength=len(prepared.distinct.first))
    begins = np.cumsum(sharing) - sharing
    group = prepared.distinct.inverse[chosen]
    total = max(1, int(lengths.sum()))
    if network.backend.frozen is not None:
        network.prepare()  # once, before the workers ask for it

    def work(pieces: I64) -> tuple[I64, torch.Tensor]:
        """The hidden tokens (places in `hidden.ids`) of these pieces' windows, and their log-likelihoods [h]."""
        of_piece, first = group[pieces], chosen[pieces]
        taken, masked = batch.take(first), counts[first]
        rows = runs(taken.cu_seqlens[:-1] + hidden.first[first], masked)
        windows = by_piece[runs(begins[of_piece], sharing[of_piece])]
        asked = runs(hidden.offsets[windows], counts[windows])
        at = runs(np.repeat(np.cumsum(masked) - masked, sharing[of_piece]), counts[windows])
        with runner.staging.packed(taken.cu_seqlens, "all", ids=taken.ids) as packed:
            logits = network.token_logits(packed.wanting(rows)).float()
            place, target = (runner.staging.send(part) for part in (at, hidden.ids[asked].astype(np.int64)))
            found = logits[place, target] - torch.logsumexp(logits, dim=1)[place]
        return asked, found

    with runner.unit(len(batch), prepared.n_windows):
        answers: list[tuple[I64, torch.Tensor]] = []
        for part, answer in zip(parts, runner.workers.map(work, [order[part] for part in parts]), strict=True):
            answers.append(answer)
            tick(int(lengths[order[part]].sum()) / total)
        fetched = runner.staging.fetch(torch.cat([found for _, found in answers])[:, None]) if answers else None

    def finish() -> F64:
        of_token = np.zeros(len(hidden.ids))
        if fetched is not None:
            of_token[np.concatenate([asked for asked, _ in answers])] = fetched()[:, 0]
        counted = hidden.ids >= FIRST_KMER
        owner = np.repeat(np.arange(prepared.n_windows), counts)
        sums = np.bincount(owner, weights=of_token * counted, minlength=prepared.n_windows)
        known = np.bincount(owner, weights=counted, minlength=prepared.n_windows)
        mean: F64 = np.divide(sums, known, out=np.full(prepared.n_windows, np.nan), where=known > 0)
        return mean

    return finish
