"""What turns states into scores: one vector a piece, then one row of logits a window. Knows no files and no encoder.

Long windows (DNABERT-XL) are several pieces; their pooled vectors are joined here as the original does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.backends import cudnn

from ..errors import DnabertError
from .backends import MIN_ROWS, Backend
from .config import NetworkConfig

__all__ = ["Bare", "Concat", "Head", "MaskedLM", "Mean", "Recurrent", "Sequence", "Tokens", "make_head"]

Counts = npt.NDArray[np.int64]
_Join = Callable[[Tensor], Tensor]


class Head(nn.Module):
    """Scores from states: `pieces` on the wanted rows, then `windows` on the vectors of neighbouring pieces.

    `pooler` is BERT's dense layer on [CLS]; heads that make no use of it keep the one their model came with, so that
    another head can.
    """

    wants: Literal["cls", "all"] = "cls"

    def __init__(self, config: NetworkConfig, backend: Backend, pooler: bool = True) -> None:
        super().__init__()
        hidden = config.encoder.hidden_size
        self.backend = backend
        self.dropout = config.encoder.hidden_dropout if config.head_dropout is None else config.head_dropout
        self.pooler = nn.Linear(hidden, hidden) if pooler else None

    def pieces(self, hidden: Tensor) -> Tensor:
        """States of the wanted rows to one fp32 vector a piece [m, D]: here the pooled [CLS]."""
        assert self.pooler is not None
        return torch.tanh(self.backend.ops.linear(hidden.float(), self.pooler.weight, self.pooler.bias))

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Vectors [m, D] of the pieces of n windows, counts int64 [n] neighbours each, to fp32 logits [n, C]."""
        raise NotImplementedError

    def _linear(self, layer: nn.Linear, x: Tensor) -> Tensor:
        return self.backend.ops.linear(F.dropout(x, self.dropout, self.training), layer.weight, layer.bias)


class Bare(Head):
    """No head: the vector of a piece is the state of its [CLS], and there are no logits."""

    def pieces(self, hidden: Tensor) -> Tensor:
        """The states of [CLS] as they are [m, H]."""
        return hidden.float()

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Raises DnabertError: such a model has vectors, not scores."""
        raise DnabertError("this model has no classifier, so it embeds but does not score; fine-tune it first")


class MaskedLM(Head):
    """The masked-LM head: dense, GELU, LayerNorm, and a decoder tied to the word table.

    `bias_times` is 1 as it should be, or 2 as the original computes it (its released weights were trained so).
    """

    wants: Literal["cls", "all"] = "all"

    def __init__(self, config: NetworkConfig, backend: Backend, pooler: bool, bias_times: int = 1) -> None:
        super().__init__(config, backend, pooler)
        encoder = config.encoder
        self.dense = nn.Linear(encoder.hidden_size, encoder.hidden_size)
        self.norm = nn.LayerNorm(encoder.hidden_size, eps=encoder.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(encoder.vocab_size))
        self.bias_times = bias_times

    def transform(self, hidden: Tensor) -> Tensor:
        """States [R, H] to what the decoder multiplies [R, H], in their dtype."""
        x = self.backend.ops.linear_gelu(hidden, self.dense.weight, self.dense.bias)
        return F.layer_norm(x.float(), x.shape[-1:], self.norm.weight, self.norm.bias, self.norm.eps).to(x.dtype)

    def logits(self, hidden: Tensor, word: Tensor) -> Tensor:
        """States [R, H] and the word table [V, H] to logits [R, V]."""
        return self.backend.ops.linear(self.transform(hidden), word, self.bias_times * self.bias)

    def pieces(self, hidden: Tensor) -> Tensor:
        """Raises DnabertError: a masked-LM head scores tokens, not windows."""
        raise DnabertError("this model has a masked-LM head, which scores tokens; read it with head none to embed")


class Tokens(Head):
    """BERT's token classifier: one linear layer on the state of each k-mer."""

    wants: Literal["cls", "all"] = "all"

    def __init__(self, config: NetworkConfig, backend: Backend, pooler: bool) -> None:
        super().__init__(config, backend, pooler)
        self.classifier = nn.Linear(config.encoder.hidden_size, len(config.labels))

    def logits(self, hidden: Tensor) -> Tensor:
        """States [R, H] to fp32 logits [R, C]."""
        return self._linear(self.classifier, hidden.float())

    def pieces(self, hidden: Tensor) -> Tensor:
        """Raises DnabertError: such a model scores bases, not windows."""
        raise DnabertError("this model labels bases, so it has no score of a window; use it with predict")


class Sequence(Head):
    """BERT's sequence classifier: one piece a window, pooled, one linear layer."""

    def __init__(self, config: NetworkConfig, backend: Backend) -> None:
        super().__init__(config, backend)
        self.classifier = nn.Linear(config.encoder.hidden_size, len(config.labels))

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Logits [n, C]; raises DnabertError where a window has more than one piece."""
        _check_total(vectors, counts)
        if len(counts) and counts.max() > 1:
            longest = int(counts.max())
            raise DnabertError(
                f"a window of {longest} pieces (over {510 * (longest - 1)} k-mers), but this model scores 1 piece "
                "(up to 510 k-mers) a window; give shorter windows, or a model that was fine-tuned on such long ones"
            )
        return self._linear(self.classifier, vectors)


class Mean(Head):
    """The mean of a window's pooled pieces, then the linear layer (the released models' long inputs)."""

    def __init__(self, config: NetworkConfig, backend: Backend) -> None:
        super().__init__(config, backend)
        self.classifier = nn.Linear(config.encoder.hidden_size, len(config.labels))

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Logits [n, C] of windows of any number of pieces."""
        _check_total(vectors, counts)
        return self._linear(self.classifier, _by_count(vectors, counts, lambda group: group.mean(1)))


class Recurrent(Head):
    """The original's dnalong: a bidirectional LSTM or GRU over the pooled pieces, in order.

    The final states of all layers and directions are summed, then one linear layer.
    """

    def __init__(self, config: NetworkConfig, backend: Backend) -> None:
        super().__init__(config, backend)
        hidden = config.encoder.hidden_size
        kind = nn.LSTM if config.rnn == "lstm" else nn.GRU
        dropout = config.rnn_dropout if config.rnn_layers > 1 else 0.0
        self.rnn = kind(hidden, hidden, config.rnn_layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.classifier = nn.Linear(hidden, len(config.labels))

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Logits [n, C] of windows of any number of pieces."""
        _check_total(vectors, counts)
        return self._linear(self.classifier, _by_count(vectors, counts, self._final))

    def _final(self, group: Tensor) -> Tensor:
        short = max(0, MIN_ROWS - len(group))
        # cuDNN would round products to TF32; torch's own recurrence is fp32, and fast enough for a few pieces.
        with cudnn.flags(enabled=False) if group.is_cuda else nullcontext():
            state = self.rnn(F.pad(group, (0, 0, 0, 0, 0, short)))[1]
        final: Tensor = state[0] if isinstance(state, tuple) else state
        return final.sum(0)[: len(group)]


class Concat(Head):
    """The original's dnalongcat: `split` pooled pieces side by side, linear, ReLU, linear."""

    def __init__(self, config: NetworkConfig, backend: Backend) -> None:
        super().__init__(config, backend)
        hidden = config.encoder.hidden_size
        self.split = config.split
        self.classifier1 = nn.Linear(config.split * hidden, hidden)
        self.classifier2 = nn.Linear(hidden, len(config.labels))

    def windows(self, vectors: Tensor, counts: Counts) -> Tensor:
        """Logits [n, C]; raises DnabertError where a window has not `split` pieces."""
        _check_total(vectors, counts)
        wrong = counts[counts != self.split]
        if len(wrong):
            raise DnabertError(
                f"a window of {int(wrong[0])} pieces (510 k-mers each), but this model joins exactly {self.split}; "
                f"use windows of {510 * (self.split - 1) + 1} to {510 * self.split} k-mers"
            )
        x = F.relu(self._linear(self.classifier1, vectors.view(len(counts), -1)))
        return self._linear(self.classifier2, x)


def make_head(config: NetworkConfig, backend: Backend, *, pooler: bool = True, mlm_bias: int = 1) -> Head:
    """The head of a configuration; `pooler` False leaves it out where the head makes no use of it."""
    if config.head == "none":
        return Bare(config, backend, pooler)
    if config.head == "mlm":
        return MaskedLM(config, backend, pooler, mlm_bias)
    if config.head == "token":
        return Tokens(config, backend, pooler)
    kinds = {"sequence": Sequence, "xl-concat": Concat, "xl-rnn": Recurrent, "xl-mean": Mean}
    return kinds[config.head](config, backend)


def _check_total(vectors: Tensor, counts: Counts) -> None:
    if int(counts.sum()) != len(vectors):
        raise ValueError(f"{len(vectors)} pieces, but the windows have {int(counts.sum())}")


def _by_count(vectors: Tensor, counts: Counts, join: _Join) -> Tensor:
    """join([g, c, D]) -> [g, D'] for the windows of each number c of pieces, put back in order [n, D']."""
    if len(counts) and (counts == counts[0]).all():
        # As the engine asks: no numbers of pieces cross to the device, which would have to be waited for.
        return join(vectors.view(len(counts), int(counts[0]), -1))
    starts = np.cumsum(counts) - counts
    order, parts = [], []
    for count in np.unique(counts):
        at = np.flatnonzero(counts == count)
        pieces = torch.from_numpy(starts[at][:, None] + np.arange(count)).to(vectors.device)
        parts.append(join(vectors[pieces]))
        order.append(at)
    back = torch.from_numpy(np.argsort(np.concatenate(order))).to(vectors.device)
    return torch.cat(parts).index_select(0, back)
