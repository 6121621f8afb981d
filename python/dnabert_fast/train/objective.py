"""The masked language model's task: samples with masks, cut into packed batches, and their loss. Knows no optimizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..nn.heads import MaskedLM
from ..nn.network import Network
from ..nn.packed import Packed
from ..seq.batch import TokenBatch, Windows, cut, tokenize
from ..seq.masking import Masking, mask
from ..seq.types import I32, I64, U16

__all__ = ["Judged", "MaskedBatch", "judge", "masked_batches", "masked_loss"]

# No label: more than any vocabulary has.
_NONE = 0xFFFF


@dataclass(frozen=True)
class MaskedBatch:
    """Packed pieces with masks: ids u16[T], cu_seqlens i32[m+1]; `labels` i64[R], the tokens that stood at `rows`
    i64[R], ascending."""

    ids: U16
    cu_seqlens: I32
    rows: I64
    labels: I64

    @property
    def tokens(self) -> int:
        """Tokens of all pieces."""
        return len(self.ids)

    def packed(self, device: str) -> Packed:
        """The pieces as tensors, of which the masked tokens' states are wanted."""
        return Packed.from_arrays(self.ids, self.cu_seqlens, device=device, rows=self.rows)


def masked_batches(
    windows: Windows, masking: Masking, seed: int, first: int, max_tokens: int, stream: int = 0
) -> list[MaskedBatch]:
    """Samples `first`, `first` + 1 ... with their masks, in batches of at most `max_tokens` tokens, shorter ones first.

    Masks are a function of the seed, the stream and the sample's number. A sample of which nothing is masked has no
    part in the loss, so it is left out.
    """
    batch = tokenize(windows, masking.k)
    drawn = mask(batch, masking, seed, first, stream)
    labels = np.full(len(batch.ids), _NONE, np.uint16)
    labels[drawn.rows] = drawn.labels
    found = np.diff(np.searchsorted(drawn.rows, batch.cu_seqlens))
    # Equal lengths side by side: attention runs in groups of one length.
    order = np.argsort(batch.lengths, kind="stable")
    order = order[found[order] > 0]
    tokens, wanted = (
        TokenBatch(drawn.ids, batch.cu_seqlens, batch.owner),
        TokenBatch(labels, batch.cu_seqlens, batch.owner),
    )
    batches = []
    for part in cut(batch.lengths[order], max_tokens):
        some, of_token = tokens.take(order[part]), wanted.take(order[part]).ids
        rows = np.flatnonzero(of_token != _NONE)
        batches.append(MaskedBatch(some.ids, some.cu_seqlens, rows, of_token[rows].astype(np.int64)))
    return batches


def masked_loss(network: Network, batch: MaskedBatch) -> Tensor:
    """Mean cross-entropy of a batch's masked tokens, nats; differentiable. Nothing is computed for the other tokens but
    what these attend to."""
    head = network.head
    assert isinstance(head, MaskedLM)
    hidden = head.transform(network.encoder.encode(batch.packed(network.backend.device)))
    labels = torch.from_numpy(batch.labels).to(hidden.device)
    return network.backend.ops.mlm_cross_entropy(hidden, network.encoder.word, head.bias, labels)


@dataclass(frozen=True)
class Judged:
    """Sums over masked tokens: cross-entropy in nats, how many were guessed right, how many there are."""

    loss: float
    right: float
    tokens: float


def judge(network: Network, batches: list[MaskedBatch]) -> Judged:
    """What a network makes of masked tokens, without dropout; leaves it in the mode it was in."""
    head = network.head
    assert isinstance(head, MaskedLM)
    loss, right, tokens = 0.0, 0, 0
    training = network.training
    network.eval()
    with torch.no_grad():
        for batch in batches:
            hidden = network.encoder.encode(batch.packed(network.backend.device)).float()
            labels = torch.from_numpy(batch.labels).to(hidden.device)
            logits = head.logits(hidden, network.encoder.word)
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
            tokens += len(labels)
    network.train(training)
    return Judged(loss, right, tokens)
