"""The masked language model's task: samples with masks, cut into packed batches, and their loss. Knows no optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..nn.heads import MaskedLM
from ..nn.network import Network
from ..nn.packed import Packed
from ..seq.batch import TokenBatch, Windows, pieces_of, tokenize
from ..seq.masking import Masking, mask
from ..seq.types import I32, I64, U16

__all__ = ["Judged", "MaskedBatch", "judge", "masked_batches", "masked_loss", "packed_parts"]

# No label: more than any vocabulary has.
_NONE = 0xFFFF
# The most processes that share a step's batches as one process has them.
_TOGETHER = 8


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


def packed_parts(lengths: I64, k: int, max_tokens: int, processes: int = 1) -> list[I64]:
    """Samples of `lengths` bases in packed batches of at most `max_tokens` tokens: rows i64 of each, shorter first.

    Batches are about equally large. How many there are is a multiple of 8, or of the next power of two where fewer do,
    so that 2, 4 or 8 processes have equal work of the same batches; or of `processes`, where that is more.
    """
    tokens = np.maximum(0, lengths - k + 1) + 2 * pieces_of(lengths, k)
    # Equal lengths side by side: attention runs in groups of one length.
    order = np.argsort(tokens, kind="stable")
    tokens = tokens[order]
    total, most = int(tokens.sum()), max(max_tokens, int(tokens.max(initial=0)))
    least = -(-total // most)
    together = max(processes, min(_TOGETHER, 1 << max(0, least - 1).bit_length()))
    count = -(-least // together) * together
    while True:
        # A sample is of the part that its middle token lies in.
        part = (2 * np.cumsum(tokens) - tokens) * count // max(1, 2 * total)
        if np.bincount(part, tokens, minlength=1).max() <= most:
            return np.split(order, np.searchsorted(part, np.arange(1, count)))
        count += together


def masked_batches(
    windows: Windows, parts: Sequence[I64], masking: Masking, seed: int, first: int, stream: int = 0
) -> list[MaskedBatch]:
    """The batches of samples that `parts` name, with their masks; `windows` are these samples, part after part.

    Row r of a part is sample first + r. Masks are a function of the seed, the stream and the sample's number. A sample
    of which nothing is masked has no part in the loss, so it is left out; all of a batch may be.
    """
    numbers = np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32)
    batch = tokenize(windows, masking.k)
    batch = TokenBatch(batch.ids, batch.cu_seqlens, numbers[batch.owner])
    drawn = mask(batch, masking, seed, first, stream)
    labels = np.full(len(batch.ids), _NONE, np.uint16)
    labels[drawn.rows] = drawn.labels
    found = np.diff(np.searchsorted(drawn.rows, batch.cu_seqlens))
    ends = np.cumsum([len(part) for part in parts])
    tokens = TokenBatch(drawn.ids, batch.cu_seqlens, batch.owner)
    wanted = TokenBatch(labels, batch.cu_seqlens, batch.owner)
    batches = []
    for part, end in zip(parts, ends, strict=True):
        pieces = np.arange(end - len(part), end)
        pieces = pieces[found[pieces] > 0]
        some, of_token = tokens.take(pieces), wanted.take(pieces).ids
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
            if not batch.tokens:
                continue
            hidden = network.encoder.encode(batch.packed(network.backend.device)).float()
            labels = torch.from_numpy(batch.labels).to(hidden.device)
            logits = head.logits(hidden, network.encoder.word)
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
            tokens += len(labels)
    network.train(training)
    return Judged(loss, right, tokens)
