"""The genome picture: files that open, labels that do not overlap, and a close view where it should be."""

from __future__ import annotations

import builtins
import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import MissingExtra
from dnabert_fast.report.lanes import spread
from dnabert_fast.report.tracks import demo_picture, zoom_range
from dnabert_fast.report.types import Promoters, Stretch, Variants

START, LENGTH = 1_250_000, 60_000


def scene(n: int = 40) -> tuple[Stretch, Promoters, Variants]:
    rng = np.random.default_rng(3)
    values = rng.random(LENGTH, dtype=np.float32) * 0.2
    values[20_000:21_000] = 0.9
    values[40_000:45_000] = np.nan
    starts = np.array([20_000, 22_000, 50_000], np.int64) + START
    promoters = Promoters(starts, starts + 1_000, ["+", "-", "."], ["RBCK1", "NSFL1C", "SIRPG"])
    position = np.sort(rng.integers(START, START + LENGTH, n))
    difference = (rng.standard_t(2, n) * 0.05).astype(np.float32)
    if n:
        position[n // 2], difference[n // 2] = START + 20_300, -0.7
        difference[0] = np.nan
    return Stretch("chr20", START, values), promoters, Variants(position, difference, [f"{p:,} A>G" for p in position])


def draw(path: Path, parts: tuple[Stretch, Promoters, Variants]) -> list[Path]:
    return demo_picture(path, *parts, title="Promoters & <variants>", score="P(promoter)")


def test_png_and_svg_open_and_say_what_they_show(tmp_path: Path) -> None:
    png, svg = draw(tmp_path / "demo.png", scene())
    assert sorted(os.listdir(tmp_path)) == ["demo.png", "demo.svg"]
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    assert width > height > 1000
    ET.fromstring(svg.read_bytes())
    comments = svg.read_text()
    for words in ("chr20:1,250,001–1,310,000", "3 annotated promoters", "39 variants scored", "position on chr20"):
        assert words in comments  # matplotlib writes each text as a comment beside its glyphs


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in draw(tmp_path / "a.png", scene())]
    assert [path.read_bytes() for path in draw(tmp_path / "b.png", scene())] == first


@pytest.mark.parametrize("case", ["no variants", "no promoters", "no values", "short"])
def test_scenes_that_lack_something_are_drawn(tmp_path: Path, case: str) -> None:
    track, promoters, variants = scene(0 if case == "no variants" else 40)
    if case == "no promoters":
        promoters = Promoters(np.empty(0, np.int64), np.empty(0, np.int64), [], [])
    if case == "no values":
        track = Stretch("chr20", START, np.full(LENGTH, np.nan, np.float32))
    if case == "short":
        track = Stretch("chr20", START, track.values[:100])
    assert all(path.stat().st_size > 10_000 for path in draw(tmp_path / "demo.png", (track, promoters, variants)))


def test_pyplot_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib.pyplot")]:
        monkeypatch.delitem(sys.modules, name)
    draw(tmp_path / "demo.png", scene())
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return kept(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"dnabert-fast\[report\]"):
        draw(tmp_path / "demo.png", scene())


def test_the_close_view_has_the_promoter_of_the_largest_difference_in_its_middle() -> None:
    low, high = zoom_range(*scene())
    assert (low, high) == (START + 20_500 - 2_000, START + 20_500 + 2_000)


@given(st.integers(0, LENGTH - 1), st.integers(1, LENGTH))
def test_the_close_view_lies_inside_the_track(at: int, length: int) -> None:
    track, promoters, _ = scene(0)
    track = Stretch("chr20", START, track.values[:length])
    variants = Variants(np.array([START + min(at, length - 1)]), np.array([0.1], np.float32), ["x"])
    low, high = zoom_range(track, promoters, variants)
    assert track.start <= low < high <= track.end
    assert high - low == min(4_000, length)


@given(st.lists(st.tuples(st.floats(-50, 1050), st.floats(1, 80)), min_size=1, max_size=12))
def test_labels_never_overlap_and_move_no_more_than_they_must(labels: list[tuple[float, float]]) -> None:
    middles = np.array(sorted(middle for middle, _ in labels))
    widths = np.array([width for _, width in labels])
    placed = spread(middles, widths, 0.0, 1000.0)
    left, right = placed - widths / 2, placed + widths / 2
    assert (left[1:] >= right[:-1] - 1e-6).all()
    assert left[0] >= -1e-6
    assert right[-1] <= 1000 + 1e-6
    free = middles - widths / 2 >= 0
    free &= middles + widths / 2 <= 1000
    if free.all() and (middles[1:] - widths[1:] / 2 >= middles[:-1] + widths[:-1] / 2).all():
        np.testing.assert_allclose(placed, middles, atol=1e-6)
