"""What the loop trains: anything that answers labelled sequences with gradients; DNABERT among them. Knows no loss."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.predict import MAX_TOKENS, base_logits, logits, prepare
from ..engine.runner import Runner
from ..nn.network import Network
from ..nn.packed import Packed
from ..nn.staging import free_bytes
from ..seq.batch import TokenBatch, labelled_base, pieces_of, tokenize, tokenize_pairs
from ..seq.types import F32, I64, Bool
from .sets import NO_LABEL, LabelledSet, flipped

__all__ = ["Learner", "NetworkLearner", "training_tokens"]

_UNIT = 4096

_GPU_TOKENS = 16_384
"""Tokens of a batch on a GPU at most: 32 sequences of 512, whose states keep 8 GB for the way back in the 110 M
network."""


class Learner(Protocol):
    """A module and how it answers sequences; the loop knows nothing else of it.

    A step is cut into batches whose `costs` add up to `max_tokens` at most; rows of equal cost are neighbours in them.
    """

    @property
    def module(self) -> nn.Module:
        """What is trained, and saved where it was best."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most that a batch may cost."""
        ...

    def costs(self, data: LabelledSet) -> I64:
        """What each sequence takes of a batch, int64 [n]: its tokens."""
        ...

    def outputs(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """fp32 logits or values [m, C] of these rows, with gradients; `reverse` bool [len(rows)]: the other strand.

        m is len(rows), or as many as `targets` has where bases are labelled (not asked where it has none).
        """
        ...

    def targets(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """What the outputs are compared with, on their device: classes int64 [m] or values fp32 [m]."""
        ...

    def answers(self, data: LabelledSet) -> F32:
        """The outputs of all rows in order, float32 [n, C], in eval mode and without gradients.

        Where bases are labelled a row a base [B, C], NaN for those that nothing is said about.
        """
        ...


def training_tokens(network: Network) -> int:
    """Tokens a batch of training holds at most on the network's device; on GPUs a power of two, by free memory."""
    free = free_bytes(network.backend.device)
    if free is None:
        return MAX_TOKENS
    config = network.config.encoder
    # What a layer keeps of a token for the way back, in fp32: some 12 H and the inner layer twice.
    each = 4 * config.layers * (12 * config.hidden_size + 2 * config.intermediate_size)
    fitting = max(1, free // 2 // each)
    return min(_GPU_TOKENS, max(config.max_positions, 1 << (fitting.bit_length() - 1)))


class NetworkLearner:
    """A DNABERT network as a Learner: sequences become packed tokens, never padded."""

    def __init__(self, network: Network, max_tokens: int | None = None) -> None:
        self.module = network
        self.network = network
        self.max_tokens = training_tokens(network) if max_tokens is None else max_tokens
        device = network.backend.device
        self._runner = Runner(device, torch.get_num_threads() if device == "cpu" else 1)

    def costs(self, data: LabelledSet) -> I64:
        """Tokens of each sequence with [CLS] and [SEP] of each of its pieces."""
        k = self.network.config.k
        kmers = np.maximum(0, data.windows.lengths - k + 1)
        if data.second is not None:
            return kmers + np.maximum(0, data.second.lengths - k + 1) + 3
        return kmers + 2 * pieces_of(data.windows.lengths, k)

    def outputs(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """Logits [len(rows), C], or of the labelled tokens."""
        network, k = self.network, self.network.config.k
        part = data.take(rows)
        batch = _tokens(part, k, reverse)
        device, wants = network.backend.device, network.head.wants
        if data.kind == "tokens":
            places, _ = _labelled_tokens(part, batch, k, reverse)
            packed = Packed.from_arrays(batch.ids, batch.cu_seqlens, device=device, rows=places)
            return self._called(packed, None)
        packed = Packed.from_arrays(batch.ids, batch.cu_seqlens, device=device, rows=wants)
        if data.second is not None:
            packed = packed.segmented()
        return self._called(packed, np.bincount(batch.owner, minlength=len(rows)))

    def _called(self, packed: Packed, counts: I64 | None) -> Tensor:
        found: Tensor = self.network(packed, counts)
        return found

    def targets(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """The labels of the rows, or those of the bases that a token speaks of, in the order of the tokens."""
        found = data.labels[rows] if data.kind != "tokens" else None
        if found is None:
            part, k = data.take(rows), self.network.config.k
            _, found = _labelled_tokens(part, _tokens(part, k, reverse), k, reverse)
        return torch.from_numpy(found).to(self.network.backend.device)

    def answers(self, data: LabelledSet) -> F32:
        """Logits [n, C], of labelled bases [B, C]; puts the network into eval mode."""
        network = self.network.eval()
        along = data.kind == "tokens"
        parts: list[F32] = []
        for first in range(0, len(data), _UNIT):
            unit = data.take(np.arange(first, min(first + _UNIT, len(data))))
            batch = _tokens(unit, network.config.k, np.zeros(len(unit), np.bool_))
            prepared = prepare(batch, len(unit), pairs=unit.second is not None)
            ask = base_logits if along else logits
            parts.append(ask(network, prepared, self.max_tokens, runner=self._runner))
        return np.concatenate(parts)


def _tokens(data: LabelledSet, k: int, reverse: Bool) -> TokenBatch:
    if data.second is not None:
        return tokenize_pairs(data.windows, data.second, k, reverse)
    return tokenize(data.windows, k, reverse)


def _labelled_tokens(data: LabelledSet, batch: TokenBatch, k: int, reverse: Bool) -> tuple[I64, I64]:
    """Where in a batch of whole windows the tokens are that speak of a labelled base, ascending; and its labels."""
    kmers = np.maximum(0, data.windows.lengths - k + 1)
    before = np.cumsum(kmers) - kmers
    of_window = np.repeat(np.arange(len(data)), kmers)
    base = np.arange(len(of_window)) - before[of_window] + data.windows.offsets[of_window] + labelled_base(k)
    labels = flipped(data.windows, data.labels.astype(np.int64), reverse)[base]
    pieces = batch.lengths.astype(np.int64) - 2
    # Each piece begins with [CLS] and ends with [SEP].
    token = np.arange(len(of_window)) + 1 + 2 * np.repeat(np.arange(len(pieces)), pieces)
    known = labels != NO_LABEL
    return token[known], labels[known]
