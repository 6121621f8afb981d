"""The networks that DNABERT is compared with: convolutions over one-hot bases, alone or under an LSTM or a GRU.

The paper compares with a CNN, a CNN+LSTM and a CNN+GRU and does not say their sizes where they can be read; those here
follow networks known to do well on such windows:

* The first layer's filters are 19 bases wide, as Basset's (Kelley et al. 2016): wider than most motifs. Three layers of
  widths 19, 11 and 7 with batch normalisation and max pooling between them are Basset's too; its 300 and 200 filters
  are 128 here, because sets hold thousands of sequences and not its two million.
* In place of the third convolution the others have a bidirectional layer over the pooled motifs, as DanQ (Quang and
  Xie 2016) and DeePromoter (Oubounyt et al. 2019) have: 64 units a direction, so that all three hand on 128 features.
* Where in the window a motif stands matters (a TATA box does), so features are pooled to 8 places along the window
  rather than to one. A hidden layer of 128 with dropout 0.5 answers.

With two classes they have 436,866 (cnn), 421,250 (cnn-lstm) and 396,418 (cnn-gru) parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DnabertError
from ..seq.batch import Windows, cut
from ..seq.types import F32, I64, U8, Bool
from .sets import LabelledSet

__all__ = ["BASELINES", "BASELINE_RATE", "BaselineNetwork", "OneHotLearner", "Shape", "baseline", "codes"]

Recurrent = Literal["lstm", "gru"]

_UNKNOWN = 4
_CODES = np.full(256, _UNKNOWN, np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _CODES[[*_letters]] = _code


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a baseline: `widths` and `pools` of its convolutions, all of `filters`; `recurrent` is the kind of the
    layer above them, if any; features at `places` along the window go through `hidden` units under `dropout`."""

    widths: tuple[int, ...]
    pools: tuple[int, ...]
    filters: int = 128
    recurrent: Recurrent | None = None
    places: int = 8
    hidden: int = 128
    dropout: float = 0.5


BASELINES: Mapping[str, Shape] = {
    "cnn": Shape(widths=(19, 11, 7), pools=(3, 4, 1)),
    "cnn-lstm": Shape(widths=(19, 11), pools=(3, 4), recurrent="lstm"),
    "cnn-gru": Shape(widths=(19, 11), pools=(3, 4), recurrent="gru"),
}

# What AdamW trains them well with from random weights; DNABERT's rates are for weights that are good already.
BASELINE_RATE = 1e-3


class BaselineNetwork(nn.Module):
    """Convolutions, perhaps a recurrent layer, and a classifier over one-hot bases; windows may differ in length.

    Padding changes no answer: it is 0 before every convolution, is no part of the statistics of batch normalisation,
    and ends before the pooled places are counted.
    """

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.shape = shape
        channels = (4, *[shape.filters] * len(shape.widths))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, width, padding=width // 2, bias=False)
            for before, after, width in zip(channels, channels[1:], shape.widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(shape.filters) for _ in shape.widths)
        self.recurrent: nn.RNNBase | None = None
        if shape.recurrent is not None:
            kind = nn.LSTM if shape.recurrent == "lstm" else nn.GRU
            self.recurrent = kind(shape.filters, shape.filters // 2, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(shape.places * shape.filters, shape.hidden)
        self.dropout = nn.Dropout(shape.dropout)
        self.last = nn.Linear(shape.hidden, outputs)

    def forward(self, bases: Tensor, lengths: Tensor) -> Tensor:
        """fp32 [m, outputs] of codes uint8 [m, longest] (A C G T: 0 to 3, else 4) with lengths int64 [m], at least 1.

        Codes behind a window's length must be 4.
        """
        letters = torch.eye(5, 4, device=bases.device)
        hidden = letters[bases.long()].transpose(1, 2)
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.shape.pools, strict=True):
            hidden = _normed(norm, convolution(hidden), _inside(lengths, hidden.shape[2]))
            if pool > 1:
                # Nothing is below 0 and padding is 0, so that a window's last pool ignores it.
                hidden = F.max_pool1d(hidden, pool, ceil_mode=True)
                lengths = -(-lengths // pool)
        if self.recurrent is not None:
            hidden = self._along(hidden, lengths)
        pooled = _at_places(hidden, lengths, self.shape.places).flatten(1)
        found: Tensor = self.last(self.dropout(F.relu(self.hidden(pooled))))
        return found

    def _along(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """What the recurrent layer makes of [m, features, longest], in that shape."""
        assert self.recurrent is not None
        packed = nn.utils.rnn.pack_padded_sequence(
            hidden.transpose(1, 2), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        steps, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=hidden.shape[2]
        )
        return steps.transpose(1, 2)


def _inside(lengths: Tensor, longest: int) -> Tensor:
    """Which places belong to the windows, bool [m, longest]."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def _normed(norm: nn.Module, hidden: Tensor, inside: Tensor) -> Tensor:
    """Batch normalisation over the places of windows alone and ReLU, [m, features, longest]; 0 elsewhere."""
    places = hidden.transpose(1, 2)
    found = torch.zeros_like(places)
    found[inside] = F.relu(norm(places[inside]))
    return found.transpose(1, 2)


def _at_places(hidden: Tensor, lengths: Tensor, places: int) -> Tensor:
    """The largest of each feature in `places` even parts of each window, [m, features, places].

    Parts are those of adaptive pooling: of a window shorter than `places` they overlap.
    """
    part = torch.arange(places, device=hidden.device)
    first = lengths[:, None] * part // places
    end = -(-lengths[:, None] * (part + 1) // places)
    at = torch.arange(hidden.shape[2], device=hidden.device)
    within = (at >= first[..., None]) & (at < end[..., None])
    parts = [hidden.masked_fill(~within[:, None, j], -torch.inf).amax(2) for j in range(places)]
    return torch.stack(parts, dim=2)


def baseline(name: str, outputs: int, seed: int, device: str = "cpu") -> BaselineNetwork:
    """A row of BASELINES with random weights, PyTorch's; equal seeds give equal ones. DnabertError for another name."""
    if name not in BASELINES:
        raise DnabertError(f"--baseline {name}: choose one of {', '.join(BASELINES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BaselineNetwork(BASELINES[name], outputs).to(device)


def codes(windows: Windows, reverse: Bool) -> U8:
    """Bases as codes uint8 [n, longest], A C G T (U) of either case 0 to 3 and all else 4, 4 behind a window's end.

    Windows that `reverse` bool [n] names are read as their reverse complements.
    """
    lengths = windows.lengths
    at = np.arange(int(lengths.max(initial=0)))
    inside = at < lengths[:, None]
    along = np.where(reverse[:, None], lengths[:, None] - 1 - at, at)
    found = np.full(inside.shape, _UNKNOWN, np.uint8)
    found[inside] = _CODES[windows.bases[(windows.offsets[:-1, None] + along)[inside]]]
    return np.where(reverse[:, None] & (found != _UNKNOWN), 3 - found, found)


class OneHotLearner:
    """A baseline as a Learner: sequences become one-hot bases, padded to the longest of a batch.

    A batch holds 65,536 bases, so that a step of usual windows is one batch, over which its normalisation is made.
    """

    def __init__(self, network: BaselineNetwork, max_tokens: int = 1 << 16) -> None:
        self.module = network
        self.network = network
        self.max_tokens = max_tokens

    def costs(self, data: LabelledSet) -> I64:
        """The bases of each sequence."""
        return np.maximum(1, data.windows.lengths)

    def outputs(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """fp32 [len(rows), outputs]."""
        windows, device = data.windows.take(rows), self._device()
        lengths = torch.from_numpy(np.maximum(1, windows.lengths)).to(device)
        found: Tensor = self.network(torch.from_numpy(codes(windows, reverse)).to(device), lengths)
        return found

    def targets(self, data: LabelledSet, rows: I64, reverse: Bool) -> Tensor:
        """The labels of the rows; neither strand changes them."""
        return torch.from_numpy(data.labels[rows]).to(self._device())

    @torch.no_grad()
    def answers(self, data: LabelledSet) -> F32:
        """Outputs of all rows [n, outputs]; puts the network into eval mode."""
        self.network.eval()
        costs = self.costs(data)
        order = np.argsort(costs, kind="stable")
        parts = [order[part] for part in cut(costs[order], self.max_tokens)]
        outputs = [self.outputs(data, rows, np.zeros(len(rows), np.bool_)).cpu().numpy() for rows in parts]
        found: F32 = np.concatenate(outputs)[np.argsort(order)]
        return found

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device
