"""The lanes of a genome picture: a filled track, promoter boxes, variant lollipops, and a scale. Knows no layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .style import BLUE, GREY, INK, LIGHT, ORANGE, SKY, VERMILLION
from .types import Promoters, Stretch, Variants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from ..seq.types import F64, I64

__all__ = ["draw_promoters", "draw_scale", "draw_track", "draw_variants"]

_BINS = 1400  # about one a pixel of the wide panel at screen size
_GAP_PIXELS = 12
_NAME_MOVES_PIXELS = 70
_WORTH_A_NAME = 0.1  # of the largest difference


def draw_track(axes: Axes, track: Stretch, low: int, high: int) -> None:
    """Fill the track between bases `low` and `high`: its mean dark, and its highest value light where bases share a
    pixel; stretches without values get a grey band."""
    values = track.values[low - track.start : high - track.start].astype(np.float64)
    edges = np.unique(np.linspace(0, len(values), min(_BINS, len(values)) + 1).astype(np.int64))
    middle = low + (edges[:-1] + edges[1:]) / 2
    counted = ~np.isnan(values)
    counts = np.add.reduceat(counted, edges[:-1], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        mean = np.add.reduceat(np.where(counted, values, 0), edges[:-1]) / np.where(counts, counts, np.nan)
    highest = np.where(counts > 0, np.maximum.reduceat(np.where(counted, values, -np.inf), edges[:-1]), np.nan)
    axes.fill_between(middle, 0, highest, color=SKY, alpha=0.45, linewidth=0)
    axes.fill_between(middle, 0, mean, color=BLUE, alpha=0.85, linewidth=0)
    axes.plot(middle, highest, color=BLUE, linewidth=0.7)
    missing = np.isnan(mean)
    if missing.any():
        axes.fill_between(middle, 0, 1, where=missing.tolist(), color=LIGHT, linewidth=0, step="mid")
    axes.axhline(0.5, color=GREY, linewidth=0.6, linestyle=(0, (4, 4)), zorder=0)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1])


def draw_promoters(axes: Axes, promoters: Promoters, low: int, high: int, *, tint: tuple[Axes, ...]) -> None:
    """Boxes with arrows in the direction of transcription, names above where there is room; the same spans are tinted
    in the axes of `tint`."""
    axes.set_ylim(0, 1)
    axes.axis("off")
    seen = np.flatnonzero((promoters.end > low) & (promoters.start < high))
    smallest = (high - low) / 260  # a box stays visible, and has room for an arrow's head
    names: list[tuple[float, str]] = []
    for row in seen.tolist():
        start, end = int(promoters.start[row]), int(promoters.end[row])
        middle, half = (start + end) / 2, max(end - start, smallest) / 2
        for below in tint:
            below.axvspan(middle - half, middle + half, color=ORANGE, alpha=0.16, linewidth=0, zorder=-1)
        axes.fill_between([middle - half, middle + half], 0.04, 0.30, color=ORANGE, linewidth=0)
        _arrow(axes, middle, half, promoters.strand[row], (high - low) / 75)
        names.append((middle, promoters.name[row]))
    _place_names(axes, names)


def _arrow(axes: Axes, middle: float, half: float, strand: str, reach: float) -> None:
    """The bent arrow that marks a promoter's strand, from the box's downstream edge."""
    if strand not in "+-":
        return
    side = 1 if strand == "+" else -1
    foot = middle + side * half
    axes.plot([foot, foot], [0.04, 0.46], color=INK, linewidth=0.9, solid_capstyle="butt", clip_on=False)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    axes.annotate("", xy=(foot + side * reach, 0.46), xytext=(foot, 0.46), arrowprops=arrow, annotation_clip=False)


def _place_names(axes: Axes, names: list[tuple[float, str]]) -> None:
    """Write names above their boxes, moved a little sideways where they would meet; the worst placed are left out."""
    texts = [axes.text(x, 0.66, name, ha="center", va="bottom", fontsize=7.5, fontstyle="italic") for x, name in names]
    frame, inverse = axes.get_window_extent(), axes.transData.inverted()
    texts.sort(key=lambda text: _span(text))
    while texts:
        spans = np.array([_span(text) for text in texts])
        wanted = spans.mean(axis=1)
        placed = spread(wanted, spans[:, 1] - spans[:, 0] + _GAP_PIXELS, frame.x0, frame.x1)
        moved = np.abs(placed - wanted)
        if moved.max() <= _NAME_MOVES_PIXELS:
            for text, middle in zip(texts, placed.tolist(), strict=True):
                text.set_x(float(inverse.transform((middle, 0))[0]))
            return
        texts.pop(int(moved.argmax())).remove()


def draw_variants(axes: Axes, variants: Variants, low: int, high: int, limit: float, labels: int) -> None:
    """Lollipops of the signed difference, gains up and losses down; the `labels` largest get their names."""
    seen = (variants.position >= low) & (variants.position < high) & ~np.isnan(variants.difference)
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(np.abs(variants.difference[rows]), kind="stable")]
    position, height = variants.position[rows].astype(np.float64), variants.difference[rows].astype(np.float64)
    colors = np.where(height >= 0, BLUE, VERMILLION).tolist()
    strong = np.clip(np.abs(height) / limit, 0, 1)
    axes.vlines(position, 0, height, colors=colors, linewidth=0.5 + 0.7 * strong, alpha=0.85)
    axes.scatter(position, height, s=3 + 26 * strong, c=colors, linewidth=0.3, edgecolor="white", zorder=3)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_ylim(-1.7 * limit, 1.7 * limit)
    axes.set_yticks([-limit, 0, limit], [f"−{limit:g}", "0", f"+{limit:g}"])
    top = rows[::-1][:labels]
    top = top[np.abs(variants.difference[top]) >= _WORTH_A_NAME * limit]
    for gain in (True, False):
        chosen = top[(variants.difference[top] >= 0) == gain]
        _place_labels(axes, variants, chosen, (1.5 if gain else -1.5) * limit)


def _place_labels(axes: Axes, variants: Variants, rows: I64, y: float) -> None:
    """Labels in one row above (or below) the lollipops, pushed apart sideways, each with a line to its head."""
    if not len(rows):
        return
    rows = rows[np.argsort(variants.position[rows], kind="stable")]
    texts = [
        axes.text(float(variants.position[row]), y, variants.label[row], fontsize=7.3, ha="center", va="center")
        for row in rows.tolist()
    ]
    spans = [_span(text) for text in texts]
    widths = np.array([right - left for left, right in spans]) + _GAP_PIXELS
    frame = axes.get_window_extent()
    middles = spread(np.array([(left + right) / 2 for left, right in spans]), widths, frame.x0, frame.x1)
    inverse = axes.transData.inverted()
    for text, middle, row in zip(texts, middles.tolist(), rows.tolist(), strict=True):
        x = float(inverse.transform((middle, 0))[0])
        text.set_x(x)
        head = (float(variants.position[row]), float(variants.difference[row]))
        axes.plot([x, head[0]], [0.88 * y, head[1]], color=GREY, linewidth=0.5, zorder=1)


def spread(middles: F64, widths: F64, low: float, high: float) -> F64:
    """Move intervals of the given widths, in order, as little as needed so that none overlaps and all lie inside
    [low, high]; where they cannot all fit they are spaced evenly."""
    if widths.sum() >= high - low:
        return np.linspace(low + widths[0] / 2, high - widths[-1] / 2, len(middles))
    offsets = np.cumsum(widths) - widths / 2
    wanted = middles - offsets  # in these coordinates "no overlap" reads "never decreasing"
    blocks: list[list[float]] = []
    for value in wanted.tolist():
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before, n = blocks.pop()
            blocks.append([(before * n + mean * count) / (n + count), n + count])
    fitted = np.concatenate([np.full(int(count), mean) for mean, count in blocks])
    moved: F64 = np.clip(fitted, low, high - widths.sum()) + offsets
    return moved


def _span(text: Text) -> tuple[float, float]:
    box = text.get_window_extent()
    return float(box.x0), float(box.x1)


def draw_scale(axes: Axes, contig: str, low: int, high: int) -> None:
    """Label the bases of an axis in kb or Mb, whichever reads better, with the contig's name."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit, name = (1e6, "Mb") if high - low >= 500_000 else (1e3, "kb")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=max(3, int(axes.get_window_extent().width / 230))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda base, _: f"{base / unit:,.10g}"))
    axes.set_xlim(low, high)
    axes.set_xlabel(f"position on {contig} ({name})")
