"""What a model attends to in one window: a bar a base over its letters, in lines as long as a page takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .letters import bars, number_bases, spell
from .style import BLUE, GREY, SKY, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..seq.types import F32

__all__ = ["attention_map"]

_LINE = 100  # bases
_WIDTH, _LEFT, _RIGHT = 11.0, 0.45, 0.15  # inches
_TOP, _BARS, _LETTERS, _BELOW = 0.68, 0.75, 0.15, 0.42


def attention_map(
    path: str | Path,
    letters: str,
    scores: F32,
    title: str,
    *,
    first: int = 1,
    high: Sequence[tuple[int, int]] = (),
) -> list[Path]:
    """Draw attention f32[L] of a window of L bases, the first of which is number `first`; NaN is no bar.

    The bases of `high`, stretches (start, end) of the window from 0, are dark. All lines have one scale. Writes PNG and
    SVG with the stem of `path` and returns both; raises MissingExtra without matplotlib.
    """
    length = len(letters)
    lines = -(-length // _LINE)
    wide = (_WIDTH - _LEFT - _RIGHT) * min(1, max(length, 30) / _LINE)
    width, height = wide + _LEFT + _RIGHT, _TOP + lines * (_BARS + _LETTERS + _BELOW)
    most = max(float(np.nanmax(scores, initial=0)), 1e-9)
    with house_style():
        figure = new_figure(width, height)
        top = height - _TOP
        for start in range(0, length, _LINE):
            end = min(start + _LINE, length)
            inches = wide * (end - start) / min(length, _LINE)
            axes = figure.add_axes((_LEFT / width, (top - _BARS) / height, inches / width, _BARS / height))
            below = (top - _BARS - _LETTERS) / height
            text = figure.add_axes((_LEFT / width, below, inches / width, _LETTERS / height))
            own = [(max(a, start) - start, min(b, end) - start) for a, b in high if a < end and b > start]
            bars(axes, scores[start:end], own if high else None)
            axes.set_ylim(0, 1.06 * most)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.tick_params(bottom=False, labelbottom=False)
            for each in (axes, text):
                each.set_xlim(-0.5, end - start - 0.5)
            spell(text, letters[start:end])
            for side in ("left", "bottom"):
                text.spines[side].set_visible(False)
            text.set_yticks([])
            text.tick_params(length=0)
            number_bases(text, first + start, end - start)
            top -= _BARS + _LETTERS + _BELOW
        figure.text(_LEFT / width, 1 - 0.2 / height, title, fontsize=11, fontweight="bold", va="center")
        _key(figure, (_LEFT / width, 1 - 0.42 / height), bool(high))
        return save(figure, path)


def _key(figure: Figure, at: tuple[float, float], high: bool) -> None:
    from matplotlib.patches import Patch

    if not high:
        figure.text(*at, "attention of [CLS] in the last layer, a bar a base", fontsize=8, color=GREY, va="center")
        return
    key = [Patch(color=SKY, label="attention of [CLS] in the last layer"), Patch(color=BLUE, label="high regions")]
    figure.legend(handles=key, ncols=2, frameon=False, fontsize=8, handlelength=1.0, columnspacing=1.4,
                  borderaxespad=0.0, loc="center left", bbox_to_anchor=at)  # fmt: skip
