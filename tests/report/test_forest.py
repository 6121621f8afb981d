"""The picture of numbers by group: what it shows, and where it puts it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from dnabert_fast.report.forest import MOST, ForestRow, forest_picture

ROWS = [
    ForestRow("all (90)", False, ((0.7, 0.6, 0.8), (0.5, 0.4, 0.6))),
    ForestRow("SNV (60)", True, ((0.9, 0.8, 0.95), (0.5, 0.3, 0.7))),
]


def intervals(svg: Path) -> list[float]:
    """Widths of the horizontal lines that a picture draws, in its order."""
    lines = re.findall(r'd="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n" clip-path', svg.read_text())
    return [float(x2) - float(x1) for x1, y1, x2, y2 in lines if y1 == y2]


def test_groups_names_and_intervals_are_drawn(tmp_path: Path) -> None:
    png, svg = forest_picture(tmp_path / "a.png", ROWS, ["|one|", "-other"], "AUROC", 0.5)
    assert png.read_bytes()[:4] == b"\x89PNG"
    text = svg.read_text()  # matplotlib writes each text as a comment beside its glyphs
    ET.fromstring(text)
    for word in ("all (90)", "SNV (60)", "|one|", "AUROC"):
        assert f"<!-- {word} -->" in text
    widths = intervals(svg)
    drawn = [width for width in widths if width < max(widths)]  # but for the line that parts groups
    scale = drawn[0] / 0.2
    assert [round(width / scale, 3) for width in drawn] == [0.2, 0.2, 0.15, 0.4]
    again = forest_picture(tmp_path / "b.png", ROWS, ["|one|", "-other"], "AUROC", 0.5)
    assert [path.read_bytes() for path in again] == [png.read_bytes(), svg.read_bytes()]


def test_as_many_names_as_there_are_colours(tmp_path: Path) -> None:
    row = ForestRow("all", False, tuple((i / 10, i / 10, i / 10 + 0.1) for i in range(MOST)))
    _, svg = forest_picture(tmp_path / "a.png", [row], [f"name {i}" for i in range(MOST)], "Spearman", 0.0)
    assert all(f"<!-- name {i} -->" in svg.read_text() for i in range(MOST))
