"""A page read with the parser of the standard library: its elements, its tables, and what must hold of every page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

__all__ = ["Page", "read_page"]

_VOID = {"meta", "br", "hr", "img", "link", "input"}
_LINKS = ("href", "xlink:href", "src", "action", "data", "poster", "srcset")


class Page(HTMLParser):
    """Elements with their attributes, the words of the page, and its tables as rows of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.scripts: list[str] = []
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
            return
        self.words.append(data)
        if self._cell:
            self.tables[-1][-1][-1] += data

    def table(self, *columns: str) -> list[dict[str, str]]:
        """The rows, by column, of the first table that has these columns."""
        for head, *rows in self.tables:
            if set(columns) <= set(head):
                return [dict(zip(head, row, strict=True)) for row in rows]
        raise AssertionError(f"no table of {columns}")


def read_page(text: str) -> Page:
    """Read a page; assert that it is whole, asks for nothing, names nothing twice, and runs no script but its own."""
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    names = [attributes["id"] for _, attributes in page.met if "id" in attributes]
    assert len(names) == len(set(names))
    inner = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    assert set(inner) <= set(names)
    for tag, attributes in page.met:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "audio", "video"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in _LINKS or value.startswith(("#", "data:image/png;base64,")), (tag, value[:80])
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    [policy] = [one["content"] for tag, one in page.met if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts]
    assert [f"'sha256-{digest}'" for digest in digests] == re.findall(r"'sha256-[^']+'", policy)
    return page
