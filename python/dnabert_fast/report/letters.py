"""The parts that pictures of one window share: its letters, its attention, its scale, and heat maps of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .style import BLUE, GREY, INK, SKY, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

    from ..seq.types import F32, F64

__all__ = ["bars", "changes_map", "heat", "number_bases", "round_up", "spell"]

_POINTS = 72  # an inch
_SMALLEST = 3.2  # points of a letter that is still drawn
_DIGIT = 0.068  # inches that a digit of a tick's label takes
_STEPS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def spell(axes: Axes, letters: str, *, y: float = 0.5, first: int = 0) -> None:
    """Write the letters at x = first, first + 1, ..., as large as their places allow; none where that is too small.

    y is in heights of the axes. Call it when the limits of x are set.
    """
    low, high = axes.get_xlim()
    inches = axes.get_window_extent().width / axes.figure.dpi
    size = min(8.5, 1.25 * _POINTS * inches / (high - low))
    if size < _SMALLEST:
        return
    for at, letter in enumerate(letters, first):
        axes.text(at, y, letter, transform=axes.get_xaxis_transform(), ha="center", va="center", fontsize=size,
                  family="DejaVu Sans Mono", color=INK)  # fmt: skip


def bars(axes: Axes, scores: F32, high: list[tuple[int, int]] | None = None) -> None:
    """A bar a base; the bases of the stretches `high` dark, the others light."""
    dark = np.zeros(len(scores), np.bool_)
    for start, end in high or []:
        dark[start:end] = True
    colours = np.where(dark, BLUE, SKY if high is not None else BLUE).tolist()
    axes.bar(np.arange(len(scores)), np.nan_to_num(scores), width=0.92, color=colours, linewidth=0)
    axes.set_ylim(0, max(1e-6, 1.06 * float(np.nanmax(scores, initial=0))))


def number_bases(axes: Axes, first: int, length: int) -> None:
    """Ticks at round positions, as many as there is room for, where the base at x = 0 is number `first`."""
    inches = axes.get_window_extent().width / axes.figure.dpi
    widest = max(len(f"{first:,}"), len(f"{first + length:,}"))
    most = max(2.0, inches / (_DIGIT * widest + 0.25))
    step = next((step for step in _STEPS if length / step <= most), _STEPS[-1])
    numbers = [number for number in range(first, first + length) if number % step == 0]
    axes.set_xticks([number - first for number in numbers], [f"{number:,}" for number in numbers])


def changes_map(*, loss_is_positive: bool) -> Colormap:
    """Colours of a change: losses vermillion, none white, gains blue; places without a value are grey."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high = (BLUE, VERMILLION) if loss_is_positive else (VERMILLION, BLUE)
    found = LinearSegmentedColormap.from_list("changes", [(0, low), (0.5, "#FFFFFF"), (1, high)])
    return found.with_extremes(bad="#EEEEEE")


def heat(
    axes: Axes, table: F64, rows: list[str], limit: float, *, title: str, loss_is_positive: bool = False
) -> AxesImage:
    """A table [rows, L] as a heat map of changes between -limit and limit."""
    colours = changes_map(loss_is_positive=loss_is_positive)
    image = axes.imshow(
        np.ma.masked_invalid(table), cmap=colours, vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="both", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_ylabel(title, color=GREY)
    return image


def round_up(value: float) -> float:
    """The least number not below a value that has one digit other than 0; 1 for none."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(f"{np.ceil(value / power * (1 - 1e-6)) * power:.6g}")
