"""Integrated gradients: what each base of a window adds to its score, by the network's gradients. No files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..engine.model import Model
from ..engine.predict import runs
from ..engine.scores import Readout
from ..errors import DnabertError
from ..nn.encoder import Layer
from ..nn.network import Network
from ..nn.packed import Layout, Packed
from ..seq.batch import TokenBatch, Windows, cut, tokenize
from ..seq.types import F32, F64, I64, Bool
from ..seq.vocab import UNK

__all__ = ["STEPS", "Attribution", "attribute", "integrated_gradients"]

STEPS = 32
"""Points of the path between baseline and window."""

_TOKENS = 4096
"""Tokens of a batch: what a way back through the 110 M network keeps of them takes 2.4 GB."""


@dataclass(frozen=True)
class Attribution:
    """Integrated gradients: `bases` f32[B], what each base of all windows adds to its window's score.

    `score` and `baseline` f64[n] are those of the windows and of the same windows of [UNK]: a window's bases add up to
    their difference, the more exactly the more steps; [CLS] and [SEP] are the same in both and add nothing.
    """

    bases: F32
    score: F64
    baseline: F64


def integrated_gradients(
    model: Model,
    windows: Windows,
    steps: int = STEPS,
    class_name: str | None = None,
    reverse: Bool | None = None,
    progress: Callable[[int], None] = lambda windows: None,
) -> F32:
    """What each base adds to its window's score, f32[B] aligned with `windows.bases`; see `attribute`."""
    return attribute(model, windows, steps, class_name, reverse, progress).bases


def attribute(
    model: Model,
    windows: Windows,
    steps: int = STEPS,
    class_name: str | None = None,
    reverse: Bool | None = None,
    progress: Callable[[int], None] = lambda windows: None,
) -> Attribution:
    """Integrated gradients of the score (natural log-odds of a class, or a regression's value) of each window.

    The path leads from the embeddings of the same window with [UNK] in place of every k-mer to its own, straight,
    through the middles of `steps` equal parts (Sundararajan et al. 2017); the gradient is that of the embedding layer's
    output, positions and LayerNorm included, on the parameters in evaluation mode. A k-mer's share is the sum over its
    dimensions, and each of its k bases gets a k-th of it. With strand "both" the mean of the two. Runs on the model's
    first device. Raises DnabertError for a model that does not score windows and for windows shorter than k.
    """
    if steps < 1:
        raise DnabertError(f"integrated gradients in {steps} steps; give 1 at least")
    readout = model.readout(class_name)
    short = np.flatnonzero(windows.lengths < model.k)
    if len(short):
        at, length = int(short[0]), int(windows.lengths[short[0]])
        raise DnabertError(f"window {at + 1} has {length} bases; the model reads {model.k}-mers and needs {model.k}")
    backward = np.zeros(len(windows), np.bool_) if reverse is None else reverse
    sides = {"+": [backward], "-": [~backward], "both": [backward, ~backward]}[model.strand]
    found: list[tuple[F64, F64, F64]] = []
    for side in sides:
        tell = progress if len(found) == len(sides) - 1 else _silent
        found.append(_one_strand(model, windows, side, steps, readout, tell))
    bases, score, baseline = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
    return Attribution(bases.astype(np.float32), score, baseline)


def _silent(windows: int) -> None:
    """Nobody asks how far it is."""


def _one_strand(
    model: Model, windows: Windows, reverse: Bool, steps: int, readout: Readout, progress: Callable[[int], None]
) -> tuple[F64, F64, F64]:
    """Shares f64[B] of the bases as one strand is read, and scores f64[n] of windows and baselines."""
    n, k = len(windows), model.k
    whole = tokenize(windows, k, reverse)
    tokens = np.bincount(whole.owner, weights=whole.lengths, minlength=n).astype(np.int64)
    kmers = windows.lengths - k + 1
    starts = np.cumsum(kmers) - kmers
    shares = np.zeros(int(kmers.sum()))
    ends = np.zeros((2, n))
    # The points of a window stand together: the two ends, which are asked for their scores alone, and between.
    points = np.concatenate([[0.0], (np.arange(steps) + 0.5) / steps, [1.0]])
    window, point = np.repeat(np.arange(n), steps + 2), np.tile(points, n)
    for part in cut(tokens[window], _TOKENS):
        rows, at = window[part], point[part]
        batch = tokenize(windows.take(rows), k, reverse[rows])
        gradient, score = _gradients(model.network, batch, at, readout)
        weight = np.where((at > 0) & (at < 1), 1 / steps, 0.0)
        np.add.at(shares, runs(starts[rows], kmers[rows]), gradient * np.repeat(weight, kmers[rows]))
        for end in (0, 1):
            ends[end, rows[at == end]] = score[at == end]
        progress(int((at == 1).sum()))
    return _on_bases(shares, kmers, k, reverse), ends[1], ends[0]


def _on_bases(shares: F64, kmers: I64, k: int, reverse: Bool) -> F64:
    """The k-mers' shares, in the order in which they were read, given out to their bases in genome order, f64[B]."""
    lengths = kmers + k - 1
    place = runs(np.zeros(len(kmers), np.int64), kmers)
    place = np.where(np.repeat(reverse, kmers), np.repeat(kmers - 1, kmers) - place, place)
    first = place + np.repeat(np.cumsum(lengths) - lengths, kmers)
    total = int(lengths.sum())
    # No k-mer begins in the last k - 1 bases of a window, so nothing is shifted over a window's start.
    begun = np.bincount(first, weights=shares, minlength=total) / k
    bases: F64 = begun.copy()
    for shift in range(1, k):
        bases[shift:] += begun[: total - shift]
    return bases


def _gradients(network: Network, batch: TokenBatch, point: F64, readout: Readout) -> tuple[F64, F64]:
    """For windows at these points of their paths: gradient times path of every k-mer in order, f64, and scores f64."""
    device, ops = network.backend.device, network.backend.ops
    inner = np.ones(len(batch.ids), np.bool_)
    inner[batch.cu_seqlens[:-1]] = inner[batch.cu_seqlens[1:] - 1] = False
    wants = network.head.wants
    ids = (batch.ids, np.where(inner, UNK, batch.ids))
    packs = [Packed.from_arrays(each, batch.cu_seqlens, device=device, rows=wants) for each in ids]
    layout, blank = (pack.arranged(network.backend.grouped) for pack in packs)
    encoder = network.encoder
    tables = (encoder.word, encoder.position, encoder.token_type)
    norm = (encoder.norm.weight, encoder.norm.bias)
    with torch.no_grad():
        end, begin = (ops.embed(each, tables, norm, encoder.norm.eps) for each in (layout, blank))
        path = end.float() - begin.float()
        share = torch.from_numpy(np.repeat(point[batch.owner], batch.lengths).astype(np.float32)).to(device)
        if layout.restore_tokens is not None:
            share = torch.empty_like(share).index_copy_(0, layout.restore_tokens, share)
        x = (begin.float() + share[:, None] * path).to(end.dtype)
    x.requires_grad_(True)
    with torch.enable_grad():
        vectors = network.head.pieces(_states(network, layout, x))
        score = _score(network.windows(vectors, np.bincount(batch.owner, minlength=len(point))), readout)
    (gradient,) = torch.autograd.grad(score.sum(), x)
    products = (gradient.float() * path).sum(1)
    if layout.restore_tokens is not None:
        products = products[layout.restore_tokens]
    return products.double().cpu().numpy()[inner], score.detach().double().cpu().numpy()


def _states(network: Network, layout: Layout, x: Tensor) -> Tensor:
    """The last layer's states of the wanted rows, from the output of the embedding layer, on the parameters."""
    ops = network.backend.ops
    *before, last = [layer for layer in network.encoder.layers if isinstance(layer, Layer)]
    for layer in before:
        x = layer(x, layout, ops)
    x = last.wanted(x, layout, ops)
    return x if layout.restore is None else x.index_select(0, layout.restore)


def _score(logits: Tensor, readout: Readout) -> Tensor:
    """`Readout.score` with gradients."""
    if readout.regression:
        return logits[:, readout.column]
    table = logits / readout.temperature
    others = [column for column in range(table.shape[1]) if column != readout.column]
    return table[:, readout.column] - torch.logsumexp(table[:, others], 1)
