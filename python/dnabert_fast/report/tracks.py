"""A stretch of a genome in one picture: score track, annotated promoters, variants, and a close view. Takes arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .lanes import draw_promoters, draw_scale, draw_track, draw_variants
from .style import BLUE, GREY, LIGHT, ORANGE, VERMILLION, house_style, new_figure, save
from .types import Promoters, Stretch, Variants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

__all__ = ["demo_picture", "zoom_range"]

_CLOSE_BASES = 4000
_LABELS = 8
_FAN = -0.42  # where the lines to the close view part, below the axis label, in heights of the variants' lane
_MARGINS = {"left": 0.068, "right": 0.985, "top": 0.905, "bottom": 0.066}


class _Panel(NamedTuple):
    promoters: Axes
    track: Axes
    variants: Axes


def demo_picture(
    path: str | Path, track: Stretch, promoters: Promoters, variants: Variants, *, title: str, score: str
) -> list[Path]:
    """Draw a track over annotated promoters with variants below, and a close view of the best region.

    `score` names what the track shows. Writes PNG and SVG with the stem of `path` and returns both paths. Raises
    MissingExtra without matplotlib.
    """
    with house_style():
        figure = new_figure(12.0, 7.4)
        _heading(figure, title, _counts(track, promoters, variants))
        limit = _round_up(float(np.nanmax(np.abs(variants.difference), initial=1e-3)))
        low, high = zoom_range(track, promoters, variants)
        rows = figure.add_gridspec(2, 1, height_ratios=(1, 1), hspace=0.36, **_MARGINS)
        wide = _panel(figure, rows[0], track, promoters, variants, (track.start, track.end), limit)
        close = _panel(figure, rows[1], track, promoters, variants, (low, high), limit)
        for panel in (wide, close):
            panel.track.set_ylabel(score)
            panel.variants.set_ylabel("difference\nscore")
        figure.align_ylabels([axes for panel in (wide, close) for axes in panel])
        _tie(figure, wide, close, low, high)
        return save(figure, path)


def zoom_range(track: Stretch, promoters: Promoters, variants: Variants) -> tuple[int, int]:
    """The 4 kb worth a close view: round the largest difference, with its promoter in the middle where it has one."""
    if len(variants.position) and not np.isnan(variants.difference).all():
        centre = int(variants.position[np.nanargmax(np.abs(variants.difference))])
    else:
        centre = track.start + (0 if np.isnan(track.values).all() else int(np.nanargmax(track.values)))
    inside = np.flatnonzero((promoters.start <= centre) & (promoters.end > centre))
    if len(inside):
        centre = int(promoters.start[inside[0]] + promoters.end[inside[0]]) // 2
    width = min(_CLOSE_BASES, track.end - track.start)
    low = min(max(centre - width // 2, track.start), track.end - width)
    return low, low + width


def _panel(
    figure: Figure,
    cell: SubplotSpec,
    track: Stretch,
    promoters: Promoters,
    variants: Variants,
    view: tuple[int, int],
    limit: float,
) -> _Panel:
    rows = cell.subgridspec(3, 1, height_ratios=(0.5, 1.5, 1.35), hspace=0.05)
    below = figure.add_subplot(rows[2])
    middle = figure.add_subplot(rows[1], sharex=below)
    lane = figure.add_subplot(rows[0], sharex=below)
    draw_scale(below, track.contig, *view)
    draw_track(middle, track, *view)
    draw_promoters(lane, promoters, *view, tint=(middle, below))
    draw_variants(below, variants, *view, limit, _LABELS)
    middle.tick_params(labelbottom=False)
    return _Panel(lane, middle, below)


def _counts(track: Stretch, promoters: Promoters, variants: Variants) -> str:
    near = int(((promoters.end > track.start) & (promoters.start < track.end)).sum())
    scored = int((~np.isnan(variants.difference)).sum())
    where = f"{track.contig}:{track.start + 1:,}–{track.end:,}"
    return f"{where}   ·   {near} annotated promoters   ·   {scored:,} variants scored"


def _heading(figure: Figure, title: str, counts: str) -> None:
    """Title and counts on the left, the key to the colours on the right."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    left, right = _MARGINS["left"], _MARGINS["right"]
    figure.text(left, 0.968, title, fontsize=13.5, fontweight="bold", va="center")
    figure.text(left, 0.933, counts, fontsize=9, color=GREY, va="center")
    key = [
        Patch(color=ORANGE, label="annotated promoter"),
        Line2D([], [], color=BLUE, label="variant raises the score", linestyle="none", marker="o", markersize=5),
        Line2D([], [], color=VERMILLION, label="variant lowers it", linestyle="none", marker="o", markersize=5),
    ]
    figure.legend(
        handles=key,
        ncols=3,
        frameon=False,
        fontsize=8.5,
        handlelength=1.2,
        columnspacing=1.6,
        borderaxespad=0.0,
        loc="center right",
        bbox_to_anchor=(right, 0.933),
    )


def _tie(figure: Figure, wide: _Panel, close: _Panel, low: int, high: int) -> None:
    """Mark the close view's range in the wide one, and lead the eye from one to the other."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

    for axes in (wide.track, wide.variants):
        for edge in (low, high):
            axes.axvline(edge, color=GREY, linewidth=0.6, zorder=0.5)
    base, top = wide.variants.get_xaxis_transform(), close.promoters.transAxes
    points = [base.transform((edge, y)) for edge, y in ((low, 0), (low, _FAN), (high, _FAN), (high, 0))]
    points += [top.transform((1, 1)), top.transform((0, 1))]
    inside = figure.transFigure.inverted()
    a, b, c, d, right, left = [inside.transform(point).tolist() for point in points]
    figure.add_artist(Polygon([a, b, left, right, c, d], facecolor=LIGHT, alpha=0.45, linewidth=0, zorder=-2))
    for line in ((a, b, left), (d, c, right)):
        across, down = zip(*line, strict=True)
        figure.add_artist(Line2D(across, down, color=GREY, linewidth=0.6, zorder=-1))


def _round_up(value: float) -> float:
    """The least number not below a value that has one digit other than 0."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(np.ceil(value / power * (1 - 1e-6)) * power)
