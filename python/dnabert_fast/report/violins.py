"""How models do over many data sets: a violin a model, a dot a set. Arrays in, pictures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import BLUE, GREY, INK, LIGHT, ORANGE, SKY, VERMILLION, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["violins_picture"]

_COLOURS = (BLUE, VERMILLION, ORANGE, SKY, "#009E73", "#CC79A7", GREY)
_FEWEST = 5  # of fewer values a violin would show a shape that nobody measured
_JOINED = 24  # sets whose dots are joined from model to model; more are a thicket
_BEHIND: Any = {"facecolor": "white", "alpha": 0.75, "pad": 0.6, "linewidth": 0}  # of figures that stand on dots
_WIDTH = 0.36  # of a violin to either side, where models stand 1 apart


def violins_picture(
    path: str | Path, models: Sequence[str], metrics: Mapping[str, NDArray[np.floating]], title: str
) -> list[Path]:
    """Draw a panel a metric: values [sets, models] as violins with a dot a set, the median as a bar and in figures.

    NaN is a set that a model has no value for. Writes PNG and SVG with the stem of `path`; raises MissingExtra without
    matplotlib.
    """
    width = max(2.6, 0.85 * len(models) + 0.8)
    turn = max(map(len, models)) > 9
    with house_style():
        figure = new_figure(width * len(metrics) + 0.2, 3.6 if turn else 3.3)
        for axes, (name, values) in zip(
            figure.subplots(1, len(metrics), squeeze=False)[0], metrics.items(), strict=True
        ):
            _panel(axes, name, models, np.asarray(values, np.float64), turn)
        figure.suptitle(title, x=0.012, ha="left", fontsize=9.5, color=INK)
        figure.tight_layout(rect=(0, 0, 1, 1.02))
        return save(figure, path)


def _panel(axes: Axes, name: str, models: Sequence[str], values: NDArray[np.float64], turn: bool) -> None:
    beside = _beside(len(values))
    if len(values) <= _JOINED:
        for row, aside in zip(values, beside, strict=True):
            axes.plot(np.arange(len(models)) + aside, row, color=LIGHT, linewidth=0.8, zorder=2.5)
    for at in range(len(models)):
        found = values[:, at][~np.isnan(values[:, at])]
        colour = _COLOURS[at % len(_COLOURS)]
        if len(found) >= _FEWEST:
            shape = axes.violinplot([found], positions=[at], widths=2 * _WIDTH, showextrema=False)
            for body in shape["bodies"]:  # type: ignore[attr-defined]  # a list, whatever its annotation says
                body.set(facecolor=colour, alpha=0.28, edgecolor="none", zorder=2)
        size = 9 if len(values) <= 100 else 3
        axes.scatter(at + beside, values[:, at], s=size, color=colour, linewidths=0, alpha=0.8, zorder=3)
        if len(found):
            median = float(np.median(found))
            axes.plot([at - _WIDTH, at + _WIDTH], [median, median], color=INK, linewidth=1.3, zorder=4)
            axes.annotate(
                f"{median:.3f}", (at + _WIDTH, median), (0, 2), textcoords="offset points", ha="right", va="bottom",
                fontsize=7.5, color=INK, zorder=5, bbox=_BEHIND,
            )  # fmt: skip
    axes.set_xticks(np.arange(len(models)), models, rotation=30 if turn else 0, ha="right" if turn else "center")
    axes.set_xlim(-0.6, len(models) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=LIGHT, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
    axes.set_title(name)


def _beside(n: int) -> NDArray[np.floating]:
    """How far to the side the dots of n sets stand, the same for every model: golden steps, so that none coincide."""
    steps = np.arange(n) * 0.6180339887 % 1
    return (steps - 0.5) * 0.3
