"""Which tokens one token attends to, head by head, at several thresholds (as in Ji et al. 2021, Fig. 4e)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .letters import number_bases
from .style import BLUE, GREY, INK, LIGHT, ORANGE, SKY, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..seq.types import F32

__all__ = ["THRESHOLDS", "context_plot"]

THRESHOLDS = (0.2, 0.4, 0.6)


def context_plot(
    path: str | Path,
    weights: F32,
    token: int,
    title: str,
    *,
    first: int = 1,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Path]:
    """Draw what token `token` of a window attends to, out of a map f32[heads, L, L] ([CLS], k-mers, [SEP]).

    A panel a threshold, a row a head: an arc leads from the token to each one that gets at least that share of what the
    head's strongest gets (said on the right), to a dot whose area is the share. The first k-mer is number `first`.
    Writes PNG and SVG with the stem of `path` and returns both; raises MissingExtra without matplotlib.
    """
    heads, length = weights.shape[:2]
    rows = weights[:, token]
    with house_style():
        each = 0.24 * (heads + 0.6)
        figure = new_figure(9.2, 0.95 + len(thresholds) * (each + 0.36))
        every = figure.subplots(len(thresholds), 1, sharex=True, squeeze=False)[:, 0]
        for axes, threshold in zip(every, thresholds, strict=True):
            _panel(axes, rows, token, threshold)
        number_bases(every[-1], first - 1, length)
        inner = zip(every[-1].get_xticks().tolist(), every[-1].get_xticklabels(), strict=True)
        kept = [(x, label.get_text()) for x, label in inner if 0.05 * length < x < 0.96 * length]
        numbers, names = zip(*kept, strict=True) if kept else ((), ())
        every[-1].set_xticks([0, *numbers, length - 1], ["[CLS]", *names, "[SEP]"])
        every[-1].set_xlabel("k-mer, by its first base")
        figure.suptitle(title, x=0.012, y=0.985, ha="left", va="top", fontsize=11, fontweight="bold")
        figure.tight_layout(rect=(0, 0, 1, 1 + 0.08 / figure.get_size_inches()[1]), h_pad=0.9)
        return save(figure, path)


def _panel(axes: Axes, rows: F32, token: int, threshold: float) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    heads, length = rows.shape
    strongest = np.maximum(rows.max(axis=1), 1e-12)
    shares = rows / strongest[:, None]
    for head in range(heads):
        axes.axhline(head, color=LIGHT, linewidth=0.6, zorder=0)
        for at in np.flatnonzero(shares[head] >= threshold).tolist():
            share = float(shares[head, at])
            arc = Path([(token, head), ((token + at) / 2, head - 1.5), (at, head)], [Path.MOVETO, *[Path.CURVE3] * 2])
            look = {"edgecolor": SKY, "linewidth": 0.3 + 0.7 * share, "alpha": 0.35 + 0.5 * share}
            axes.add_patch(PathPatch(arc, facecolor="none", zorder=2, **look))
            axes.scatter([at], [head], s=26 * share, color=BLUE, linewidth=0, zorder=3)
    axes.axvline(token, color=ORANGE, linewidth=1.6, zorder=1)
    axes.set_xlim(-0.02 * length, 1.01 * length)
    axes.set_ylim(heads - 0.4, -1.0)
    step = max(1, heads // 6)
    axes.set_yticks(range(0, heads, step), [str(head + 1) for head in range(0, heads, step)])
    axes.set_ylabel("head", color=GREY)
    for head in range(0, heads, step):
        axes.text(1.015 * length, head, f"{strongest[head]:.2f}", fontsize=7, color=GREY, va="center")
    tokens = int((shares >= threshold).any(axis=0).sum())
    what = f"{threshold:g} of the head's strongest weight and up   ·   {tokens:,} of {length:,} tokens"
    axes.set_title(what, fontsize=8, color=INK)
