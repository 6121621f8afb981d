"""A close view of called regions: boxes above, the score track below. Takes arrays."""

from __future__ import annotations

from pathlib import Path

from .lanes import draw_promoters, draw_scale, draw_track
from .style import house_style, new_figure, save
from .types import Promoters, Stretch

__all__ = ["calls_picture"]

_MARGINS = {"left": 0.05, "right": 0.985, "top": 0.98, "bottom": 0.22}


def calls_picture(path: str | Path, track: Stretch, calls: Promoters, *, score: str = "score") -> list[Path]:
    """Draw a track with called regions as boxes above it, each under its name.

    Writes PNG and SVG with the stem of `path` and returns both; raises MissingExtra without matplotlib.
    """
    with house_style():
        figure = new_figure(10.0, 2.1)
        rows = figure.add_gridspec(2, 1, height_ratios=(0.5, 1.5), hspace=0.05, **_MARGINS)
        below = figure.add_subplot(rows[1])
        lane = figure.add_subplot(rows[0], sharex=below)
        draw_scale(below, track.contig, track.start, track.end)
        draw_track(below, track, track.start, track.end)
        draw_promoters(lane, calls, track.start, track.end, tint=(below,))
        below.set_ylabel(score)
        return save(figure, path)
