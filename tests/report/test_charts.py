"""Small charts: bars as high as their counts say, squares where the counts are, and whole SVG whatever the names."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.report.charts import density_chart, histogram_chart, short
from dnabert_fast.report.style import BLUE, VERMILLION

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>&\"'"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_bars_tell_their_counts(counts: list[int]) -> None:
    """A bar a bin that is not empty, in order, of the same height where counts are equal and higher where they are
    more; its numbers are spelt."""
    edges = np.linspace(-2.0, 2.0, len(counts) + 1)
    root = ElementTree.fromstring(histogram_chart(np.array(counts), edges, NASTY, NASTY, what=NASTY))
    bars = root.findall(f"{SVG}rect")
    there = [count for count in counts if count]
    assert [str(bar[0].text).split(" ")[0] for bar in bars] == [f"{count:,}" for count in there]
    heights = [float(bar.attrib["height"]) for bar in bars]
    for one, a in zip(there, heights, strict=True):
        assert a > 0
        for other, b in zip(there, heights, strict=True):
            assert one == other or (one < other) == (a < b) or a == b
            assert one != other or a == b
    lefts = [float(bar.attrib["x"]) for bar in bars]
    assert lefts == sorted(lefts)
    middles = ((edges[1:] + edges[:-1]) / 2)[np.array(counts) > 0]
    expected = [VERMILLION if middle < 0 else BLUE for middle in middles]
    assert [bar.attrib["fill"] for bar in bars] == expected


def test_losses_are_vermillion_on_whichever_side() -> None:
    counts, edges = np.array([1, 1]), np.array([-1.0, 0.0, 1.0])
    for positive, colours in ((False, [VERMILLION, BLUE]), (True, [BLUE, VERMILLION])):
        root = ElementTree.fromstring(histogram_chart(counts, edges, "t", "x", loss_is_positive=positive))
        assert [bar.attrib["fill"] for bar in root.findall(f"{SVG}rect")] == colours
    root = ElementTree.fromstring(histogram_chart(counts, np.array([0.0, 0.5, 1.0]), "t", "x"))
    assert {bar.attrib["fill"] for bar in root.findall(f"{SVG}rect")} == {BLUE}


def test_squares_stand_where_the_counts_are() -> None:
    table = np.zeros((4, 4), np.int64)
    table[0, 3], table[2, 1] = 7, 100
    root = ElementTree.fromstring(density_chart(table, NASTY, "REF", "ALT"))
    frame, first, second = root.findall(f"{SVG}rect")
    size = float(first.attrib["width"])
    x, y = (float(frame.attrib[name]) for name in "xy")
    assert (float(first.attrib["x"]), float(first.attrib["y"])) == (x, y)
    assert abs(float(second.attrib["x"]) - x - 2 * size) < 0.3
    assert abs(float(second.attrib["y"]) - y - 2 * float(second.attrib["height"])) < 0.3
    assert float(second.attrib["fill-opacity"]) == 1.0 > float(first.attrib["fill-opacity"])
    assert str(second[0].text).startswith("100 alleles: REF 0.50 to 0.75, ALT 0.25 to 0.50")


def test_counts_in_few_letters() -> None:
    assert [short(n) for n in (1, 10, 1000, 10_000, 1_000_000, 10**9)] == ["1", "10", "1k", "10k", "1M", "1G"]
