"""What the loop trains: anything that answers labelled sequences with gradients; DNABERT among them. Knows no loss."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.predict import MAX_TOKENS, logits, prepare
from ..nn.network import Network
from ..nn.packed import Packed
from ..seq.batch import PIECE, tokenize
from ..seq.types import F32, I64, Bool
from .sets import LabelledSet

__all__ = ["Learner", "NetworkLearner"]

_UNIT = 4096


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

        m is len(rows), or as many as `targets` has where bases are labelled.
        """
        ...

    def targets(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """What the outputs are compared with, on their device: classes int64 [m] (NO_LABEL: none) or values [m]."""
        ...

    def answers(self, data: LabelledSet) -> F32:
        """The outputs of all rows in order, float32 [m, C], in eval mode and without gradients."""
        ...


class NetworkLearner:
    """A DNABERT network as a Learner: sequences become packed tokens, never padded."""

    def __init__(self, network: Network, max_tokens: int = MAX_TOKENS) -> None:
        self.module = network
        self.network = network
        self.max_tokens = max_tokens

    def costs(self, data: LabelledSet) -> I64:
        """Tokens of each sequence with [CLS] and [SEP] of each of its pieces."""
        kmers = self._kmers(data)
        return kmers + 2 * _pieces(kmers)

    def outputs(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """Logits [len(rows), C]."""
        network = self.network
        batch = tokenize(data.windows.take(rows), network.config.k, reverse)
        packed = Packed.from_arrays(batch.ids, batch.cu_seqlens, device=network.backend.device, rows=network.head.wants)
        found: Tensor = network(packed, _pieces(self._kmers(data)[rows]))
        return found

    def targets(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """The labels of the rows; neither strand changes them."""
        return torch.from_numpy(data.labels[rows]).to(self.network.backend.device)

    def answers(self, data: LabelledSet) -> F32:
        """Logits [n, C]; puts the network into eval mode."""
        network = self.network.eval()
        parts: list[F32] = []
        for first in range(0, len(data), _UNIT):
            windows = data.windows[first : first + _UNIT]
            parts.append(logits(network, prepare(tokenize(windows, network.config.k), len(windows)), self.max_tokens))
        return np.concatenate(parts)

    def _kmers(self, data: LabelledSet) -> I64:
        return data.windows.lengths - self.network.config.k + 1


def _pieces(kmers: I64) -> I64:
    """Pieces of windows of so many k-mers."""
    return np.maximum(1, -(-kmers // PIECE))
