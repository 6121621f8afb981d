"""The page of a report in a real browser: it sorts, searches, unfolds, complains of nothing and asks for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, BrowserGone, chromium, open_browser

from dnabert_fast.report.charts import histogram_chart
from dnabert_fast.report.explore import Cell, Column, Explorer
from dnabert_fast.report.page import Figures, Heading, Picture, Row, Table, Text, to_html

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium")

NASTY = '"><script>console.error("run")</script><img src=x onerror=alert(1)>'
VALUES = [0.5, -0.9, math.nan, 12.0, -0.001, 3e-7, *(i / 100 for i in range(10, 40))]
SHOWN = (
    "[...document.querySelectorAll('.explore tbody tr')].filter(row => !row.hidden)"
    ".map(row => row.cells[0].textContent)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_browser(tmp_path_factory.mktemp("profile")))
        except BrowserGone as gone:
            pytest.skip(f"Chromium does not start here: {gone}")
        yield opened


@pytest.fixture
def page(tmp_path: Path) -> Path:
    rows = tuple(
        (Cell(f"row {i}{' ' + NASTY if i == 1 else ''}", anchor="map-1" if i == 0 else ""), Cell(f"{v:.2f}", v))
        for i, v in enumerate(VALUES)
    )
    chart = histogram_chart(np.array([3, 0, 5]), np.array([-1.0, -0.5, 0.5, 1.0]), "spread", "score")
    wide = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2000 100"><rect width="2000" height="100"/></svg>'
    columns = (Column("name"), Column("value", True, "what it is"))
    blocks = [
        Figures((("alleles", "1,234\nof many"),)),
        Heading("Scores"),
        Row((Picture(chart, "", "c"), Picture(chart, "", "c"))),
        Explorer(columns, rows, "rows", "a table"),
        Picture(wide, "", "drawn", "map-1", wide=True, focus=0.25),
        Heading("Run"),
        Text("/a/very" + "long" * 60),
        Table(("what", "is"), (("hash", "f" * 64),), left=2),
    ]
    path = tmp_path / "page.html"
    path.write_text(to_html(NASTY, "lead", blocks, contents=True), encoding="utf-8")
    return path


def names(browser: Browser) -> list[str]:
    """The first cells of the rows that are shown, by number."""
    return [name.split()[1] for name in browser.run(SHOWN)]


def click(browser: Browser, what: str) -> None:
    browser.run(f"document.querySelector({what!r}).click()")


def test_the_table_sorts_searches_and_unfolds(browser: Browser, page: Path) -> None:
    browser.open(page, 1280)
    assert names(browser) == [str(i) for i in range(20)]
    ascending = sorted((i for i, v in enumerate(VALUES) if not math.isnan(v)), key=lambda i: (VALUES[i], i))

    click(browser, "th:nth-child(2) button")
    down = sorted((i for i, v in enumerate(VALUES) if not math.isnan(v)), key=lambda i: (-VALUES[i], i))
    assert names(browser) == [str(i) for i in down[:20]]
    assert browser.run("document.querySelector('th:nth-child(2)').getAttribute('aria-sort')") == "descending"
    click(browser, ".explore > .more")
    assert names(browser) == [*map(str, down), "2"]

    # With the keyboard alone: from the search field on to the first head and the second, which Enter turns round.
    browser.run("document.querySelector('input').focus()")
    for _ in range(3):
        browser.press("Tab", 9)
    assert browser.run("document.activeElement.textContent") == "value"
    browser.press("Enter", 13, "\r")
    assert names(browser) == [*map(str, ascending), "2"]

    browser.run("document.querySelector('input').focus()")
    browser.type("Row 1 ALERT")
    assert names(browser) == ["1"]
    assert browser.run("document.querySelector('output').textContent") == f"1 of 1 rows found among {len(VALUES)}"
    browser.press("Escape", 27)
    assert len(names(browser)) == len(VALUES)

    click(browser, "tbody a")
    assert browser.run("location.hash") == "#map-1"
    width = "document.querySelector('figure.wide svg').getBoundingClientRect().width"
    fitted = browser.run(width)
    click(browser, "figure.wide button")
    assert browser.run(width) > 1.5 * fitted
    middle = browser.run("(s => (s.scrollLeft + s.clientWidth / 2) / s.scrollWidth)(document.querySelector('.scroll'))")
    assert middle == pytest.approx(max(0.25, fitted / browser.run(width) / 2), abs=0.02)
    assert browser.complaints == []
    assert set(browser.requests) == {page.as_uri()}


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_reaches_beyond_the_screen(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_a_script_that_is_not_ours_is_stopped(browser: Browser, page: Path, tmp_path: Path) -> None:
    """The browser holds the policy of the page: what would run or be fetched all the same is refused."""
    other = tmp_path / "other.html"
    text = page.read_text(encoding="utf-8")
    added = "<script>document.title = 'taken'</script><img src='https://example.org/x.png'></main>"
    other.write_text(text.replace("</main>", added), encoding="utf-8")
    browser.open(other, 1280)
    assert browser.run("document.title") == NASTY
    assert len(browser.complaints) == 2
    assert all("Content Security Policy" in told for told in browser.complaints)
