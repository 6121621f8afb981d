"""One look for all figures: colours, type and saving. Knows nothing of what is drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "INK", "LIGHT", "ORANGE", "SKY", "VERMILLION", "house_style", "new_figure", "save"]

# Okabe and Ito's palette: told apart by eyes of every kind, and in grey.
BLUE, SKY, ORANGE, VERMILLION = "#0072B2", "#56B4E9", "#E69F00", "#D55E00"
INK, GREY, LIGHT = "#222222", "#777777", "#E4E4E4"

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "dnabert_fast",
    "text.color": INK,
    "text.parse_math": False,  # names of sequences and classes may hold "$"
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
_DOTS_PER_INCH = 200


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the house's settings inside the block; raises MissingExtra without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtra("matplotlib", "report", "drawing a picture") from error
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, with its own canvas; pyplot is never loaded."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> list[Path]:
    """Save as PNG and as SVG beside it, each written aside and renamed; the same figure gives the same bytes."""
    saved = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None, "Creator": None})):
        final = Path(path).with_suffix(suffix)
        partial = final.with_name(f".{final.name}.{os.getpid()}.partial")
        try:
            figure.savefig(partial, format=suffix[1:], dpi=_DOTS_PER_INCH, metadata=metadata)
            os.replace(partial, final)
        except OSError as error:
            raise FormatError(f"{final}: cannot be written ({error.strerror}); choose another output") from error
        finally:
            partial.unlink(missing_ok=True)
        saved.append(final)
    return saved
