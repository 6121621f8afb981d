"""A picture of numbers with their intervals, a row a group and a colour a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .style import BLUE, INK, LIGHT, ORANGE, SKY, VERMILLION, house_style, new_figure, save

__all__ = ["MOST", "ForestRow", "forest_picture"]

_COLOURS = (BLUE, VERMILLION, ORANGE, SKY, "#009E73", "#CC79A7", INK)
_MARKS = "osD^vP*"

MOST = len(_COLOURS)
"""Names that a picture tells apart."""


@dataclass(frozen=True)
class ForestRow:
    """A group: what it is, whether a line parts it from what is above, and (value, low, high) of each name."""

    label: str
    parted: bool
    values: tuple[tuple[float, float, float], ...]


def forest_picture(
    path: str | Path, rows: Sequence[ForestRow], names: Sequence[str], what: str, chance: float
) -> list[Path]:
    """Draw each row's values as dots on their intervals, `chance` as a grey line; at most MOST names.

    Writes PNG and SVG with the stem of `path`; raises MissingExtra without matplotlib.
    """
    step = 0.16
    tall = [step * len(names) + 0.14 for _ in rows]
    with house_style():
        from matplotlib.lines import Line2D

        lines = -(-len(names) // 3)
        height = sum(tall) + 0.6 + 0.22 * lines
        figure = new_figure(7.2, height)
        axes = figure.add_axes((0.3, 0.45 / height, 0.66, sum(tall) / height))
        y, ticks = 0.0, []
        for row, size in zip(rows, tall, strict=True):
            if row.parted:
                axes.axhline(y, color=LIGHT, linewidth=0.9)
            ticks.append(y + size / 2)
            for number, (value, low, high) in enumerate(row.values):
                at = y + 0.07 + step * (number + 0.5)
                colour, mark = _COLOURS[number], _MARKS[number]
                axes.plot([low, high], [at, at], color=colour, linewidth=1.2, solid_capstyle="butt")
                axes.plot([value], [at], mark, color=colour, markersize=4.2)
            y += size
        axes.axvline(chance, color=LIGHT, linewidth=0.9, zorder=0)
        axes.set_ylim(y, 0)
        axes.set_yticks(ticks, [row.label for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(what)
        keys = [
            Line2D([], [], color=_COLOURS[i], marker=_MARKS[i], markersize=4.2, linewidth=1.2, label=name)
            for i, name in enumerate(names)
        ]
        figure.legend(
            handles=keys, ncols=min(3, len(names)), frameon=False, fontsize=8.5, loc="upper left",
            bbox_to_anchor=(0.01, 1.0), labelcolor=INK, borderaxespad=0.2,
        )  # fmt: skip
        return save(figure, path)
