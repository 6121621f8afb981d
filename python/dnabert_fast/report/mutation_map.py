"""What every change of one window does to its score, over its attention: the map of Ji et al. 2021, Fig. 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .lanes import spread
from .letters import bars, heat, number_bases, round_up, spell
from .style import BLUE, GREY, INK, VERMILLION, house_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from ..seq.types import F32, F64

__all__ = ["Mark", "MutationMap", "mutation_map"]

_LETTERS = "ACGT"
_LEFT, _RIGHT = 0.78, 1.0  # inches beside the panels
_TOP, _BOTTOM = 0.62, 0.52
_GAP = 0.13


@dataclass(frozen=True)
class Mark:
    """A variant on the map: its first changed base in the window, what it is called, and its difference score."""

    at: int
    label: str
    difference: float


@dataclass(frozen=True)
class MutationMap:
    """A window of L bases and what changes do to its score.

    letters: its bases; first: the number of the first; attention f32[L]; reference: its score; mutant, difference and
    log_odds f64[L, 4]: of each base put for A, C, G, T (NaN where it is that base; log_odds None for a regression,
    else positive where the score falls). deletions f64[n, L]: the same as log_odds, else as difference, of the
    stretches of 1 to n bases that begin at a base (None: not asked for). score: what the score is called.
    """

    letters: str
    first: int
    attention: F32
    reference: float
    mutant: F64
    difference: F64
    log_odds: F64 | None
    deletions: F64 | None
    score: str
    marks: Sequence[Mark] = field(default=())


def mutation_map(path: str | Path, shown: MutationMap, title: str) -> list[Path]:
    """Draw attention, wild-type and mutant scores, heat maps of all substitutions and deletions, and variants.

    Writes PNG and SVG with the stem of `path` and returns both; raises MissingExtra without matplotlib.
    """
    length = len(shown.letters)
    wide = min(max(6.4, 0.064 * length), 19.2)
    lanes = {"attention": 0.8, "scores": 1.15}
    lanes |= {"marks": 0.95} if shown.marks else {}
    lanes |= {"letters": 0.16, "difference": 0.62}
    lanes |= {} if shown.log_odds is None else {"log_odds": 0.62}
    lanes |= {} if shown.deletions is None else {"deletions": max(0.3, 0.125 * len(shown.deletions))}
    height = sum(lanes.values()) + _GAP * (len(lanes) - 1) + _TOP + _BOTTOM
    width = wide + _LEFT + _RIGHT
    with house_style():
        figure = new_figure(width, height)
        axes = {}
        top = height - _TOP
        for name, inches in lanes.items():
            top -= inches
            axes[name] = figure.add_axes((_LEFT / width, top / height, wide / width, inches / height))
            axes[name].set_xlim(-0.5, length - 0.5)
            axes[name].tick_params(labelbottom=False, bottom=False)
            top -= _GAP
        bars(axes["attention"], shown.attention)
        axes["attention"].set_ylabel("attention", color=GREY)
        axes["attention"].set_yticks([])
        _scores(axes["scores"], shown)
        if shown.marks:
            _marks(axes["marks"], shown.marks)
        axes["letters"].axis("off")
        spell(axes["letters"], shown.letters)
        _heat_maps(figure, axes, shown)
        last = axes[list(lanes)[-1]]
        last.tick_params(labelbottom=True)
        number_bases(last, shown.first, length)
        figure.text(_LEFT / width, 1 - 0.2 / height, title, fontsize=11, fontweight="bold", va="center")
        _key(figure, shown, (_LEFT / width, (_LEFT + wide) / width), (1 - 0.2 / height, 1 - 0.42 / height))
        figure.align_ylabels(list(axes.values()))
        return save(figure, path)


def _scores(axes: Axes, shown: MutationMap) -> None:
    """Stems from the wild type's score to the lowest and the highest mutant of each base."""
    at = np.arange(len(shown.letters))
    known = ~np.isnan(shown.mutant).all(axis=1)
    lowest, highest = np.full(len(at), np.nan), np.full(len(at), np.nan)
    lowest[known], highest[known] = np.nanmin(shown.mutant[known], axis=1), np.nanmax(shown.mutant[known], axis=1)
    for found, colour in ((highest, BLUE), (lowest, VERMILLION)):
        moved = (found > shown.reference) if colour == BLUE else (found < shown.reference)
        axes.vlines(at[moved], shown.reference, found[moved], color=colour, linewidth=1.1)
        axes.scatter(at[moved], found[moved], s=5, color=colour, linewidth=0, zorder=3)
    axes.axhline(shown.reference, color=INK, linewidth=0.8)
    low, high = np.nanmin(lowest, initial=shown.reference), np.nanmax(highest, initial=shown.reference)
    room = 0.08 * max(high - low, 1e-9)
    axes.set_ylim(low - room, high + room)
    axes.set_ylabel(shown.score, color=GREY)


def _heat_maps(figure: Figure, axes: dict[str, Axes], shown: MutationMap) -> None:
    wild = [_LETTERS.find(letter) for letter in shown.letters.upper()]
    rows = list(_LETTERS)
    tables = {"difference": (shown.difference.T, "difference", False)}
    if shown.log_odds is not None:
        tables["log_odds"] = (shown.log_odds.T, "log-odds\nratio", True)
    if shown.deletions is not None:
        of_odds = shown.log_odds is not None
        tables["deletions"] = (shown.deletions, "bases\ndeleted", of_odds)
    for name, (table, title, loss_is_positive) in tables.items():
        limit = round_up(float(np.nanmax(np.abs(table), initial=0)))
        deleted = name == "deletions"
        labels = [str(n + 1) if n % max(1, len(table) // 4) == 0 else "" for n in range(len(table))]
        names = labels if deleted else rows
        image = heat(axes[name], table, names, limit, title=title, loss_is_positive=loss_is_positive)
        if not deleted:
            there = [(at, row) for at, row in enumerate(wild) if row >= 0]
            x, y = zip(*there, strict=True) if there else ((), ())
            axes[name].scatter(x, y, s=1.6, color=GREY, linewidth=0)
        what = ("log-odds ratio" if shown.log_odds is not None else "difference") if deleted else ""
        _scale(figure, axes[name], image, limit, what)


def _scale(figure: Figure, axes: Axes, image: AxesImage, limit: float, what: str) -> None:
    """A colour scale on the right of a panel."""
    box = axes.get_position()
    width = figure.get_size_inches()[0]
    beside = figure.add_axes((box.x1 + 0.1 / width, box.y0, 0.1 / width, box.height))
    bar = figure.colorbar(image, cax=beside)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:g}", "0", f"+{limit:g}"])
    bar.outline.set_visible(False)
    beside.tick_params(length=0, labelsize=7)
    if what:
        beside.set_ylabel(what, fontsize=7, color=GREY)


def _marks(axes: Axes, marks: Sequence[Mark]) -> None:
    """Lollipops of the variants' difference scores, labelled in one row on top."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    at = np.array([mark.at for mark in ordered], np.float64)
    height = np.array([mark.difference for mark in ordered])
    limit = round_up(float(np.nanmax(np.abs(height), initial=1e-3)))
    colours = [BLUE if value >= 0 else VERMILLION for value in height]
    axes.vlines(at, 0, height, colors=colours, linewidth=1.1)
    axes.scatter(at, height, s=13, color=colours, linewidth=0.3, edgecolor="white", zorder=3)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_ylim(-1.15 * limit, 2.3 * limit)
    axes.set_yticks([-limit, 0, limit], [f"−{limit:g}", "0", f"+{limit:g}"])
    axes.set_ylabel("variants", color=GREY)
    _label(axes, ordered, 2.0 * limit)


def _label(axes: Axes, marks: Sequence[Mark], y: float) -> None:
    """Names of the marks in one row, each with a line to its head; of the smallest none, where there is no room."""
    frame = axes.get_window_extent()
    texts = [axes.text(mark.at, y, mark.label, fontsize=7, ha="center", va="center") for mark in marks]
    widths = np.array([text.get_window_extent().width for text in texts]) + 8
    largest = np.argsort([-abs(mark.difference) for mark in marks], kind="stable")
    fits = np.zeros(len(marks), np.bool_)
    fits[largest[np.cumsum(widths[largest]) <= frame.width]] = True
    for row in np.flatnonzero(~fits).tolist():
        texts[row].remove()
    rows = np.flatnonzero(fits)
    if not len(rows):
        return
    pixels = axes.transData.transform([(marks[row].at, y) for row in rows.tolist()])[:, 0]
    placed = spread(pixels, widths[rows], frame.x0, frame.x1)
    inverse = axes.transData.inverted()
    for row, pixel in zip(rows.tolist(), placed.tolist(), strict=True):
        x = float(inverse.transform((pixel, 0))[0])
        texts[row].set_x(x)
        axes.plot([x, marks[row].at], [0.875 * y, max(marks[row].difference, 0)], color=GREY, linewidth=0.5, zorder=1)


def _key(figure: Figure, shown: MutationMap, x: tuple[float, float], y: tuple[float, float]) -> None:
    """The key to the stems beside the title, the key to the heat maps below it."""
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=INK, linewidth=0.8, label="wild type"),
        Line2D([], [], color=BLUE, marker="o", markersize=3, label="highest mutant"),
        Line2D([], [], color=VERMILLION, marker="o", markersize=3, label="lowest mutant"),
    ]
    figure.legend(handles=lines, ncols=3, frameon=False, fontsize=8, handlelength=1.3, columnspacing=1.4,
                  borderaxespad=0.0, loc="center right", bbox_to_anchor=(x[1], y[0]))  # fmt: skip
    told = f"wild type {shown.reference:.3f}   ·   vermillion lowers the score, blue raises it, grey is the wild type's"
    figure.text(x[0], y[1], told, fontsize=8, color=GREY, va="center")
