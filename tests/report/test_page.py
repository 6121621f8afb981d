"""One page: whole, escaped, self-contained, the same in both languages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.evaluate.judge import Answers, judge
from dnabert_fast.report.curves import confusion_picture, curves_picture
from dnabert_fast.report.page import Heading, Notes, Picture, Table, Text, to_html, to_markdown

VOID = {"meta", "br", "hr", "img", "link", "input"}
CELL = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
NASTY = '<script>alert("1 & 2")</script> | *a* `b` [c](d)'


class Reader(HTMLParser):
    """Elements that are open, all that were met with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def drawn(tmp_path: Path) -> list[Picture]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 80)
    p = random.random(80)
    scores = np.stack([1 - p, p], axis=1)
    found = judge(labels, [Answers("a", scores, scores.argmax(axis=1), True)], resamples=5)
    files = curves_picture(tmp_path / "curves.png", found.predictors, ("0", "1"), {1: 0.5})
    files += confusion_picture(tmp_path / "confusion.png", found.predictors, ("0", "1"))
    return [Picture(svg.read_text(), svg.name, "what it shows") for svg in files if svg.suffix == ".svg"]


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path) -> None:
    page = to_html("t", "l", [Heading("h"), *drawn(tmp_path)])
    reader = read(page)
    tags = {tag for tag, _ in reader.met}
    assert not tags & {"script", "link", "img", "iframe", "object", "use[src]"}
    for tag, attributes in reader.met:
        for name, value in attributes.items():
            if name in ("href", "xlink:href", "src"):
                assert value is not None
                assert value.startswith("#"), (tag, value)
            assert not name.startswith("on"), (tag, name)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_drawings_on_one_page_share_no_names(tmp_path: Path) -> None:
    """The clip paths of one picture must not be taken for those of another; each reference finds its target."""
    page = to_html("t", "l", drawn(tmp_path))
    names = [attributes["id"] for _, attributes in read(page).met if "id" in attributes]
    assert len(names) == len(set(names)) > 20
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(names)
    assert page.count("<svg ") == 2
    assert "<?xml" not in page
    assert "<metadata" not in page


def test_what_users_write_is_text() -> None:
    blocks = [Heading(NASTY), Text(NASTY), Notes((NASTY,)), Table((NASTY, "n"), ((NASTY, "1"),), NASTY)]
    reader = read(to_html(NASTY, NASTY, blocks, footer=NASTY))
    assert "script" not in {tag for tag, _ in reader.met}
    assert "".join(reader.text).count(NASTY) == 10
    text = to_markdown(NASTY, NASTY, blocks, footer=NASTY)
    assert "<script" not in text.replace("\\<", "")
    assert r"\*a\* \`b\` \[c\](d)" in text


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4))
def test_tables_keep_their_cells(rows: list[tuple[str, str]]) -> None:
    """Whatever a cell says, HTML gives it back, and Markdown has one line a row with as many bars."""
    table = Table(("first", "second"), tuple(rows))
    reader = read(to_html("t", "l", [table]))
    text = "".join(reader.text)
    cells = text[text.index("second") + len("second") :].replace("\n", "")
    assert cells == "".join("".join(row) for row in rows).replace("\n", "")
    lines = [line for line in to_markdown("t", "l", [table]).split("\n") if line.startswith("|")]
    assert len(lines) == len(rows) + 2
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)


def test_the_same_blocks_in_both() -> None:
    blocks = [
        Heading("Metrics"),
        Table(("", "MCC"), (("demo", "0.5\n(0.4 to 0.6)"),)),
        Picture("<svg ></svg>", "x.png", "a curve"),
    ]
    html, text = to_html("Title", "lead", blocks), to_markdown("Title", "lead", blocks, footer="end")
    assert text == (
        "# Title\n\nlead\n\n## Metrics\n\n|  | MCC |\n| --- | ---: |\n| demo | 0.5 (0.4 to 0.6) |\n\n"
        "![a curve](x.png)\n\nend\n"
    )
    words = [word.strip() for word in read(html).text if word.strip()]
    assert "0.5<br><small>(0.4 to 0.6)</small>" in html
    assert words[-6:] == ["Metrics", "MCC", "demo", "0.5", "(0.4 to 0.6)", "a curve"]
