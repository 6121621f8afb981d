"""How much each base matters to a model, by its attention, by gradients, or by what mutating it does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..engine.model import Model
from ..errors import DnabertError
from ..seq.batch import Windows
from ..seq.types import F32
from .attention import attention_scores
from .gradients import STEPS, integrated_gradients
from .mutagenesis import all_substitutions

__all__ = ["WAYS", "base_scores"]

WAYS = ("attention", "gradients", "mutagenesis")

_WINDOWS = 256
"""Windows whose mutants' logits are held at a time."""


def base_scores(
    model: Model,
    windows: Windows,
    way: str,
    class_name: str | None = None,
    steps: int = STEPS,
    progress: Callable[[int], None] = lambda windows: None,
) -> F32:
    """A score a base, f32[B] aligned with `windows.bases`; `way` is one of WAYS.

    "attention" is that of [CLS] (`Model.attention`), never negative. "gradients" are integrated gradients of a class's
    log-odds in so many steps; "mutagenesis" is how much the log-odds fall on average over the three other bases; both
    are negative for bases that speak against the class. Raises DnabertError for another way, for windows shorter than
    k, and for a model that does not score windows where the way needs it.
    """
    if way == "attention":
        return attention_scores(model, windows, raw=True, tick=progress).scores
    if way == "gradients":
        return integrated_gradients(model, windows, steps, class_name, progress=progress)
    if way == "mutagenesis":
        parts = [np.empty(0, np.float32)]
        for first in range(0, len(windows), _WINDOWS):
            part = windows[first : first + _WINDOWS]
            parts.append(_falls(model, part, class_name))
            progress(len(part))
        return np.concatenate(parts)
    raise DnabertError(f"scores by {way!r}; choose {', '.join(WAYS)}")


def _falls(model: Model, windows: Windows, class_name: str | None) -> F32:
    """The mean fall of the score over the substitutions of each base; a base that is not A, C, G, T has four."""
    readout = model.readout(class_name)
    reference, mutants = all_substitutions(model, windows)
    own = readout.score(reference)[np.repeat(np.arange(len(windows)), windows.lengths)]
    falls = own[:, None] - readout.score(mutants.reshape(-1, mutants.shape[2])).reshape(-1, 4)
    known = np.isin(windows.bases, np.frombuffer(b"ACGTUacgtu", np.uint8))
    means: F32 = (falls.sum(axis=1) / np.where(known, 3, 4)).astype(np.float32)
    return means
