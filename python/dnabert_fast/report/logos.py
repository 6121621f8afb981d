"""Sequence logos of motifs, by logomaker. Arrays in, pictures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import MissingExtra
from ..seq.types import F64
from .style import BLUE, GREY, INK, LIGHT, ORANGE, VERMILLION, house_style, new_figure, save

__all__ = ["logo_picture"]

_COLOURS = {"A": "#009E73", "C": BLUE, "G": ORANGE, "T": VERMILLION}


def logo_picture(path: str | Path, matrix: F64, title: str = "", span: tuple[int, int] | None = None) -> list[Path]:
    """Draw a motif f64[w, 4] (probabilities of A, C, G, T): letters as high as their share of a column's information.

    `span` (half-open) is the part that counts, over white; the flanks lie over grey. Writes PNG and SVG with the stem
    of `path`; raises MissingExtra without matplotlib or logomaker.
    """
    with house_style():
        try:
            from logomaker import Logo
            from pandas import DataFrame
        except ImportError as error:
            raise MissingExtra("logomaker", "report", "drawing a logo") from error
        width = len(matrix)
        figure = new_figure(0.22 * width + 0.9, 1.75)
        axes = figure.subplots()
        share = np.where(matrix > 0, matrix, 1)
        # logomaker draws no motif whose letters all have no height.
        bits = np.maximum(2 + (matrix * np.log2(share)).sum(axis=1), 1e-4)
        Logo(DataFrame(matrix * bits[:, None], columns=list("ACGT")), ax=axes, color_scheme=_COLOURS, vpad=0.02)
        first, last = span or (0, width)
        for start, end in ((0, first), (last, width)):
            if end > start:
                axes.axvspan(start - 0.5, end - 0.5, color=LIGHT, zorder=-1)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(0, 2)
        axes.set_yticks([0, 1, 2])
        axes.set_ylabel("bits")
        axes.set_xticks(np.arange(0, width), [str(at + 1) if at % 5 == 4 or at == 0 else "" for at in range(width)])
        axes.tick_params(axis="x", length=0, colors=GREY)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_title(title, color=INK)
        figure.tight_layout()
        return save(figure, path)
