"""Small charts as SVG that a page holds: how scores are spread, and one score against another. Arrays in, text out."""

from __future__ import annotations

from html import escape

import numpy as np

from ..seq.types import F64, I64
from .style import BLUE, GREY, INK, LIGHT, VERMILLION

__all__ = ["density_chart", "histogram_chart", "short"]

_WIDTH, _HEIGHT = 360, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 42
_SQUARE = 280
_TEXT = 'font-family="DejaVu Sans, Segoe UI, Helvetica, Arial, sans-serif"'


def histogram_chart(
    counts: I64, edges: F64, title: str, x: str, *, what: str = "alleles", loss_is_positive: bool = False
) -> str:
    """Bars of counts i64[n] between edges f64[n+1], on a logarithmic scale; each says its numbers when pointed at.

    Where the edges have both signs, bars of losses are vermillion and bars of gains blue (losses are below 0 unless
    `loss_is_positive`).
    """
    signed = edges[0] < 0 < edges[-1]
    across = _Axis(float(edges[0]), float(edges[-1]), _LEFT, _WIDTH - _RIGHT)
    highest = max(1, int(counts.max(initial=0)))
    top = np.log10(highest) + 1
    down = _Axis(0.0, float(top), _HEIGHT - _BOTTOM, _TOP)
    parts = [_heading(title, _WIDTH)]
    for power in range(0, int(np.log10(highest)) + 1, max(1, int(np.log10(highest)) // 4)):
        y = down(power + 1.0)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, LIGHT))
        parts.append(_label(_LEFT - 6, y + 3.5, short(10**power), "end"))
    for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if not count:
            continue
        loss = signed and ((low + high) / 2 < 0) != loss_is_positive
        left, right, y = across(low), across(high), down(float(np.log10(count)) + 1)
        parts.append(
            f'<rect x="{left + 0.3:.1f}" y="{y:.1f}" width="{max(0.6, right - left - 0.6):.1f}" '
            f'height="{down(0.0) - y:.1f}" fill="{VERMILLION if loss else BLUE}">'
            f"<title>{count:,} {escape(what)} from {low:.3g} to {high:.3g}</title></rect>"
        )
    parts += _below(across, _HEIGHT, x)
    parts.append(_turned(_HEIGHT, what))
    return _svg(_WIDTH, _HEIGHT, parts)


def density_chart(counts: I64, title: str, x: str, y: str, *, what: str = "alleles") -> str:
    """Squares of a table of counts i64[n, n] over 0 to 1 both ways, the first axis across; darker holds more."""
    n = len(counts)
    across = _Axis(0.0, 1.0, _LEFT, _SQUARE - _RIGHT)
    up = _Axis(0.0, 1.0, _SQUARE - _BOTTOM, _TOP)
    wide, high = across(1 / n) - across(0.0), up(0.0) - up(1 / n)
    parts = [_heading(title, _SQUARE)]
    parts.append(
        f'<rect x="{_LEFT}" y="{_TOP}" width="{across(1.0) - _LEFT:.1f}" height="{up(0.0) - _TOP:.1f}" '
        f'fill="none" stroke="{LIGHT}"/>'
    )
    highest = np.log1p(max(1, int(counts.max(initial=0))))
    for i, j in np.argwhere(counts > 0).tolist():
        share = 0.15 + 0.85 * float(np.log1p(counts[i, j]) / highest)
        parts.append(
            f'<rect x="{across(i / n):.1f}" y="{up((j + 1) / n):.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'fill="{BLUE}" fill-opacity="{share:.2f}"><title>{counts[i, j]:,} {escape(what)}: {escape(x)} '
            f"{i / n:.2f} to {(i + 1) / n:.2f}, {escape(y)} {j / n:.2f} to {(j + 1) / n:.2f}</title></rect>"
        )
    parts.append(_line(across(0.0), up(0.0), across(1.0), up(1.0), GREY, dashed=True))
    for value in (0.0, 0.5, 1.0):
        parts.append(_label(_LEFT - 6, up(value) + 3.5, f"{value:g}", "end"))
    parts += _below(across, _SQUARE, x)
    parts.append(_turned(_SQUARE, y))
    return _svg(_SQUARE, _SQUARE, parts)


def short(number: float) -> str:
    """A count in as many letters as an axis has room for: 1, 10, 1k, 10k, 1M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


class _Axis:
    """Where values from `low` to `high` stand between two places of the drawing."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        self.low, self.high, self._first, self._last = low, high, first, last

    def __call__(self, value: float) -> float:
        return self._first + (value - self.low) / (self.high - self.low) * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Round values, about five."""
        span = self.high - self.low
        power = 10.0 ** np.floor(np.log10(span / 4))
        step = next(step * power for step in (1, 2, 2.5, 5, 10) if span / (step * power) <= 5)
        first = np.ceil(self.low / step - 1e-9)
        return [float(number * step) for number in np.arange(first, np.floor(self.high / step + 1e-9) + 1)]


def _below(axis: _Axis, height: float, name: str) -> list[str]:
    """The axis below a chart."""
    y = height - _BOTTOM
    parts = [_line(axis(axis.low), y, axis(axis.high), y, GREY)]
    for value in axis.ticks():
        at = axis(value)
        parts.append(_line(at, y, at, y + 4, GREY))
        parts.append(_label(at, y + 16, f"{value + 0.0:.4g}".replace("-", "−"), "middle"))
    parts.append(_label((axis(axis.low) + axis(axis.high)) / 2, y + 34, name, "middle"))
    return parts


def _heading(title: str, width: float) -> str:
    return f'<text x="0" y="14" font-size="13" font-weight="600" fill="{INK}">{escape(title)}</text>'


def _turned(height: float, name: str) -> str:
    y = (_TOP + height - _BOTTOM) / 2
    return (
        f'<text x="12" y="{y:.1f}" font-size="11.5" fill="{INK}" text-anchor="middle" '
        f'transform="rotate(-90 12 {y:.1f})">{escape(name)}</text>'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11.5" fill="{INK}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'


def _svg(width: float, height: float, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f"{_TEXT}>{''.join(parts)}</svg>"
    )
