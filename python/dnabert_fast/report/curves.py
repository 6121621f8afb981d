"""Pictures of a judgement: ROC, precision-recall and reliability curves, confusion tables, values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.judge import Judged
from .style import BLUE, INK, LIGHT, ORANGE, SKY, VERMILLION, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_picture", "curves_picture", "values_picture"]

_COLOURS = (BLUE, VERMILLION, ORANGE, SKY, "#009E73", "#CC79A7", INK)
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
_POINTS = 1500  # of a curve: more than a page has dots, few enough for a small file
_POINTS_OF_VALUES = 3000
_SIZE = 3.35
_LETTERS = 13  # of a key in an inch, about


def curves_picture(
    path: str | Path, judged: Sequence[Judged], classes: Sequence[str], base: dict[int, float]
) -> list[Path]:
    """Draw ROC and precision-recall curves, a row of axes for each class shown, and the reliability of probabilities.

    `base` is the share of the rows that each class has: the precision of calling everything. Writes PNG and SVG with
    the stem of `path`; raises MissingExtra without matplotlib.
    """
    shown = sorted({c for one in judged for c in one.roc})
    calibrated = [one for one in judged if one.calibration is not None]
    columns = 3 if calibrated else 2
    with house_style():
        figure = new_figure(_SIZE * columns + 0.3, _SIZE * max(1, len(shown)) + 0.55)
        axes = figure.subplots(max(1, len(shown)), columns, squeeze=False)
        for row, c in enumerate(shown):
            of = "" if len(classes) == 2 else f": {classes[c]} or not"
            for number, one in enumerate(judged):
                if c not in one.roc:
                    continue
                left, right = one.roc[c].at_most(_POINTS), one.precision_recall[c].at_most(_POINTS)
                axes[row, 0].plot(left.x, left.y, **_look(number))
                axes[row, 1].plot(right.x, right.y, drawstyle="steps-post", **_look(number))
            axes[row, 0].plot([0, 1], [0, 1], color=LIGHT, linewidth=0.9, zorder=0)
            axes[row, 1].axhline(base[c], color=LIGHT, linewidth=0.9, zorder=0)
            _unit(axes[row, 0], f"ROC{of}", "false positive rate", "recall")
            _unit(axes[row, 1], f"precision and recall{of}", "recall", "precision")
            if columns == 3 and row:
                axes[row, 2].set_axis_off()
        if calibrated:
            _reliability(axes[0, 2], judged, len(classes) == 2)
        _key(figure, judged)
        return save(figure, path)


def _reliability(axes: Axes, judged: Sequence[Judged], two: bool) -> None:
    """Share that came true against confidence; dots weigh as the rows behind them."""
    axes.plot([0, 1], [0, 1], color=LIGHT, linewidth=0.9, zorder=0)
    for number, one in enumerate(judged):
        if one.calibration is None:
            continue
        found, there = one.calibration, one.calibration.rows > 0
        look = _look(number)
        axes.plot(found.confidence[there], found.true[there], **look)
        sizes = 4 + 56 * found.rows[there] / found.rows.max()
        axes.scatter(found.confidence[there], found.true[there], sizes, look["color"], linewidths=0, alpha=0.75)
    _unit(axes, "reliability", "probability given" if two else "highest probability given", "share that came true")


def confusion_picture(path: str | Path, judged: Sequence[Judged], classes: Sequence[str]) -> list[Path]:
    """Draw the confusion table of each predictor: counts, shaded by the share of the true class."""
    n = len(judged)
    columns = min(n, 4)
    lines = -(-n // columns)
    size = max(2.0, 0.52 * len(classes) + 1.1)
    with house_style():
        figure = new_figure((size + 0.45) * columns, (size + 0.5) * lines)
        axes = figure.subplots(lines, columns, squeeze=False)
        for at, one in enumerate(judged):
            _confusion(axes[at // columns, at % columns], one, classes)
        for at in range(n, lines * columns):
            axes[at // columns, at % columns].set_axis_off()
        figure.tight_layout()
        return save(figure, path)


def _confusion(axes: Axes, one: Judged, classes: Sequence[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    assert one.confusion is not None
    table = one.confusion
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    shades = LinearSegmentedColormap.from_list("house", ["#FFFFFF", BLUE])
    # Not imshow, which would put a bitmap into the SVG.
    edges = np.arange(len(classes) + 1) - 0.5
    axes.pcolormesh(edges, edges, share, cmap=shades, vmin=0, vmax=1, edgecolors=LIGHT, linewidth=0.7)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for i in range(len(classes)):
        for j in range(len(classes)):
            colour = "white" if share[i, j] > 0.55 else INK
            axes.text(j, i, f"{table[i, j]:,}", ha="center", va="center", color=colour, fontsize=8)
    ticks = np.arange(len(classes))
    longest = max(len(name) for name in classes)
    turn = 0 if longest <= 10 and len(classes) <= 3 else 40
    axes.set_xticks(ticks, classes, rotation=turn, ha="center" if not turn else "right")
    axes.set_yticks(ticks, classes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("called")
    axes.set_ylabel("true")
    axes.set_title(one.name)


def values_picture(
    path: str | Path, measured: NDArray[Any], found: Sequence[tuple[str, NDArray[np.floating]]]
) -> list[Path]:
    """Draw values found against values measured, one panel a predictor; of many rows an even part is shown."""
    step = max(1, -(-len(measured) // _POINTS_OF_VALUES))
    columns = min(len(found), 3)
    lines = -(-len(found) // columns)
    with house_style():
        figure = new_figure(_SIZE * columns + 0.3, _SIZE * lines + 0.2)
        axes = figure.subplots(lines, columns, squeeze=False)
        for at, (name, values) in enumerate(found):
            panel = axes[at // columns, at % columns]
            ends = [float(np.min([measured, values])), float(np.max([measured, values]))]
            panel.plot(ends, ends, color=LIGHT, linewidth=0.9, zorder=0)
            colour = _COLOURS[at % len(_COLOURS)]
            panel.scatter(measured[::step], values[::step], 5, colour, linewidths=0, alpha=0.6)
            panel.set_title(name)
            panel.set_xlabel("measured")
            panel.set_ylabel("found")
        for at in range(len(found), lines * columns):
            axes[at // columns, at % columns].set_axis_off()
        figure.tight_layout()
        return save(figure, path)


def _look(number: int) -> dict[str, Any]:
    """Colour and dashes of a predictor, so that curves are told apart in grey too."""
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _LINES[(number // len(_COLOURS) + number) % len(_LINES)],
        "linewidth": 1.4,
    }


def _unit(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(-0.015, 1.015)
    axes.set_aspect("equal")
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _key(figure: Figure, judged: Sequence[Judged]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], label=_named(one), **_look(number)) for number, one in enumerate(judged)]
    longest = max(len(_named(one)) for one in judged) + 8  # the line before a name and the room after it
    columns = max(1, min(len(lines), 3, int(_LETTERS * figure.get_figwidth()) // longest))
    rows = -(-len(lines) // columns)
    height = float(figure.get_figheight())
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.12 + 0.2 * rows) / height))
    figure.legend(
        handles=lines, ncols=columns, frameon=False, fontsize=8.5, handlelength=2.4, columnspacing=2.0,
        loc="upper left", bbox_to_anchor=(0.01, 1.0), labelcolor=INK, borderaxespad=0.3,
    )  # fmt: skip


def _named(one: Judged) -> str:
    area = one.metrics["auroc"].value
    return one.name if np.isnan(area) else f"{one.name}   AUROC {area:.3f}"
