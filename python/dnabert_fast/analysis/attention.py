"""Attention of [CLS] as one score a base, whole maps of one window, and the same of units of sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..engine.attention import Attended, Ragged, normalised
from ..engine.model import Model
from ..engine.predict import Prepared
from ..errors import DnabertError
from ..nn.packed import Packed
from ..seq.batch import Windows, tokenize
from ..seq.types import F32

__all__ = ["Ragged", "attention_scores", "begin_attention", "full_map", "normalised"]


def attention_scores(
    model: Model, windows: Windows, raw: bool = False, tick: Callable[[int], None] | None = None
) -> Ragged:
    """Scores f32[B] aligned with `windows.bases`; see `Model.attention`. `tick` is told of windows as they are done."""
    return model.attention(windows, raw, tick or (lambda done: None))


def begin_attention(
    model: Model, prepared: list[Prepared], raw: bool = False, tick: Callable[[float], None] | None = None
) -> Callable[[], Attended]:
    """Ask for logits f32[n, C] and scores f32[B] of prepared windows, out of one pass; the call waits for them.

    C is 0 where the model does not score windows. The windows have a k-mer each.
    """
    asked = model.begin_attention(prepared, tick)
    if raw:
        return asked
    batch, n = prepared[0].batch, prepared[0].n_windows

    def finish() -> Attended:
        logits, scores = asked()
        kmers = np.bincount(batch.owner, weights=batch.lengths - 2, minlength=n).astype(np.int64)
        return logits, normalised(scores, kmers + model.k - 1)

    return finish


def full_map(model: Model, window: bytes, layer: int = -1) -> F32:
    """What every token of a window attends to in one layer (-1: the last): f32[heads, L, L], queries first.

    Token 0 is [CLS], then come the k-mers of the forward strand ("-": of the reverse complement), then [SEP]. Computed
    in fp32 on the model's device. Raises DnabertError for strand "both", and for a window of no k-mer or of more than
    one piece.
    """
    if model.strand == "both":
        raise DnabertError("a map is of one strand; choose --strand + or -")
    if len(window) < model.k:
        raise DnabertError(f"a window of {len(window)} bases; the model reads {model.k}-mers and needs {model.k}")
    batch = tokenize(Windows.from_strings([window]), model.k, model.strand == "-")
    if len(batch) > 1:
        raise DnabertError(f"a window of {len(window)} bases is {len(batch)} pieces; a map is of one, up to 510 k-mers")
    network = model.network
    with torch.inference_mode():
        packed = Packed.from_arrays(batch.ids, batch.cu_seqlens, device=network.backend.device, rows="all")
        found: F32 = network.attention_map(packed, layer).cpu().numpy()
    return found
