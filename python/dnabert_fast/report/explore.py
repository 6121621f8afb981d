"""Tables that a reader sorts and searches, and the small script that does it."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["Cell", "Column", "Explorer", "explorer_html", "explorer_script"]


@dataclass(frozen=True)
class Column:
    """The name of a column, whether it holds numbers, and what it means (shown when the name is pointed at)."""

    name: str
    number: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, the number that it is sorted by where its column holds numbers (NaN: last, either way up), and
    the anchor of the page that it leads to."""

    text: str
    value: float = math.nan
    anchor: str = ""


@dataclass(frozen=True)
class Explorer:
    """Many rows, of which `page` are shown at first; `what` says what is searched, as in "Search variants"."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    what: str
    caption: str = ""
    page: int = 20


def explorer_html(table: Explorer, number: int) -> str:
    """The table with its search field; `number` sets it apart from the page's others. Every text is escaped."""
    head = "".join(_head(column) for column in table.columns)
    rows = "\n".join(
        "<tr>" + "".join(_cell(*pair) for pair in zip(table.columns, row, strict=True)) + "</tr>" for row in table.rows
    )
    about = f'<p class="lead" id="c{number}">{escape(table.caption)}</p>\n' if table.caption else ""
    told = f' aria-describedby="c{number}"' if table.caption else ""
    what = escape(f"Search {table.what}")
    return (
        f'<div class="explore" data-page="{table.page}">\n'
        f'<div class="tools" hidden><label for="q{number}">{what}</label> <input type="search" id="q{number}" '
        'autocomplete="off" spellcheck="false"> <output></output></div>\n'
        f'{about}<div class="wide" tabindex="0" role="region" aria-label="{escape(table.what)}"><table{told}>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
        '<button type="button" class="more" hidden></button>\n</div>'
    )


def explorer_script() -> tuple[str, str]:
    """The script of these tables, and its hash as a page's policy names it."""
    text = Path(__file__).with_name("explore.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return text, f"'sha256-{digest}'"


def _head(column: Column) -> str:
    side = "" if column.number else ' class="l"'
    meaning = f' title="{escape(column.meaning)}"' if column.meaning else ""
    return (
        f'<th scope="col"{side} data-kind="{"number" if column.number else "text"}"{meaning}>{escape(column.name)}</th>'
    )


def _cell(column: Column, cell: Cell) -> str:
    shown = escape(cell.text)
    if cell.anchor:
        shown = f'<a href="#{escape(cell.anchor)}">{shown}</a>'
    if not column.number:
        return f'<td class="l">{shown}</td>'
    value = f"{cell.value:.9g}" if math.isfinite(cell.value) else ""
    return f'<td data-v="{value}">{shown}</td>'
