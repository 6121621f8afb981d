"""Scores along many windows that are aligned at one base, by class: their mean and how far they spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .style import BLUE, GREY, INK, ORANGE, VERMILLION, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..seq.types import F32, F64

__all__ = ["Span", "landscape"]

_LOOKS = ((BLUE, "-"), (VERMILLION, (0, (4, 1.6))), (INK, (0, (1, 1))), (GREY, (0, (6, 1, 1, 1))))
"""Colour and dashes of each class: told apart without colour, too."""


@dataclass(frozen=True)
class Span:
    """Bases [start, end) round the anchor that a picture marks, and what they are called."""

    start: int
    end: int
    name: str


def landscape(
    path: str | Path,
    panels: Mapping[str, Mapping[str, F32]],
    anchor: int,
    title: str,
    *,
    anchor_name: str = "TSS",
    spans: Sequence[Span] = (),
) -> list[Path]:
    """Draw a panel a kind of score: of each class [n, L] the mean over windows, and the quarter to three quarters.

    Base `anchor` of the windows stands at 0. The darker band is the mean's 95 % interval (1.96 standard errors), the
    lighter one holds half of the windows. NaN counts for nothing. Writes PNG and SVG with the stem of `path` and
    returns both; raises MissingExtra without matplotlib.
    """
    with house_style():
        figure = new_figure(9.2, 0.6 + 2.35 * len(panels))
        every = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, classes) in zip(every, panels.items(), strict=True):
            _panel(axes, name, classes, anchor, spans)
        for span in spans:
            middle = (span.start + span.end - 1) / 2
            every[0].annotate(
                span.name, (middle, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", va="bottom", fontsize=8, color=INK,
            )  # fmt: skip
        every[-1].set_xlabel(f"bases from the {anchor_name}")
        figure.suptitle(title, x=0.012, y=0.988, ha="left", va="top", fontsize=11, fontweight="bold")
        figure.align_ylabels(every)
        figure.tight_layout(rect=(0, 0, 1, 1 + 0.14 / figure.get_size_inches()[1]), h_pad=1.2)
        return save(figure, path)


def _panel(axes: Axes, name: str, classes: Mapping[str, F32], anchor: int, spans: Sequence[Span]) -> None:
    for span in spans:
        axes.axvspan(span.start - 0.5, span.end - 0.5, color=ORANGE, alpha=0.18, linewidth=0, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.7, zorder=1)
    for number, (label, scores) in enumerate(classes.items()):
        colour, dashes = _LOOKS[number % len(_LOOKS)]
        x = np.arange(scores.shape[1]) - anchor
        mean, half, low, high = _spread(scores)
        axes.fill_between(x, low, high, color=colour, alpha=0.10, linewidth=0, zorder=2)
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.28, linewidth=0, zorder=3)
        axes.plot(
            x, mean, color=colour, linestyle=dashes, linewidth=1.3, zorder=4, label=f"{label} (n = {len(scores):,})"
        )
    axes.set_xlim(-anchor - 0.5, max(scores.shape[1] for scores in classes.values()) - anchor - 0.5)
    axes.set_ylabel(name, color=GREY)
    axes.legend(frameon=False, fontsize=8, loc="upper left", handlelength=2.4, borderaxespad=0.2)


def _spread(scores: F32) -> tuple[F64, F64, F64, F64]:
    """Of windows [n, L]: mean f64[L], half of its 95 % interval, and the first and third quartile."""
    table = scores.astype(np.float64)
    counts = (~np.isnan(table)).sum(axis=0)
    known = counts > 0
    found = np.full((4, table.shape[1]), np.nan)
    mean = found[0, known] = np.nansum(table[:, known], axis=0) / counts[known]
    variance = np.nansum((table[:, known] - mean) ** 2, axis=0) / np.maximum(counts[known] - 1, 1)
    found[1, known] = 1.96 * np.sqrt(variance / counts[known])
    found[2:, known] = np.nanquantile(table[:, known], [0.25, 0.75], axis=0)
    mean, half, low, high = found
    return mean, half, low, high
