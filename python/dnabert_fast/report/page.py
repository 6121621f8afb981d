"""A report as one page: the same blocks as HTML that needs nothing else, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from .style import BLUE, GREY, INK, LIGHT

__all__ = ["Block", "Heading", "Notes", "Picture", "Table", "Text", "to_html", "to_markdown"]


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Notes:
    """What the reader should know before believing the rest, a line each."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells as text under the names of columns; what stands after a line's end in a cell is set small below it.

    The first `left` columns are set to the left, the others to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    left: int = 1


@dataclass(frozen=True)
class Picture:
    """A drawing: its SVG, the name of the file that Markdown shows in its place, and what it shows."""

    svg: str
    file: str
    caption: str


Block: TypeAlias = Heading | Text | Notes | Table | Picture

# Nothing may be fetched, whatever a name or a picture holds: a page that tries is stopped by the browser.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = f"""
:root {{ color-scheme: light; }}
body {{ margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 72rem; background: #fff; color: {INK};
  font: 15px/1.55 "DejaVu Sans", "Segoe UI", Helvetica, Arial, sans-serif; }}
h1 {{ margin: 0; font-size: 1.7rem; line-height: 1.25; }}
h2 {{ margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid {LIGHT}; font-size: 1.15rem; }}
p {{ max-width: 46rem; margin: .6rem 0; }}
.lead {{ margin: .3rem 0 0; color: {GREY}; }}
.notes {{ margin: 1.2rem 0; padding: .6rem 1rem .6rem 2rem; border-left: 3px solid {BLUE}; background: #F5F9FC; }}
.wide {{ overflow-x: auto; }}
table {{ margin: .8rem 0; border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }}
caption {{ padding: 0 0 .4rem; color: {GREY}; text-align: left; }}
th, td {{ padding: .3rem .75rem; border-bottom: 1px solid {LIGHT}; text-align: right; white-space: nowrap; }}
th {{ border-bottom: 1.5px solid {INK}; font-weight: 600; vertical-align: bottom; }}
th:first-child, td:first-child {{ padding-left: 0; }}
th.l, td.l {{ text-align: left; }}
tbody tr:hover {{ background: #FAFAFA; }}
small {{ color: {GREY}; }}
figure {{ margin: 1rem 0; }}
figure svg {{ max-width: 100%; height: auto; }}
figcaption {{ max-width: 46rem; color: {GREY}; font-size: .87rem; }}
footer {{ margin-top: 3rem; color: {GREY}; font-size: .8rem; }}
@media print {{ body {{ padding: 0; max-width: none; font-size: 11px; }} figure, table {{ break-inside: avoid; }} }}
"""


def to_html(title: str, lead: str, blocks: Sequence[Block], *, footer: str = "") -> str:
    """One HTML file with its style and pictures inside; every text is escaped, and nothing is fetched from anywhere."""
    body = "\n".join(_html(block, number) for number, block in enumerate(blocks))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n</header>\n<main>\n{body}\n</main>\n'
        f"<footer>{escape(footer)}</footer>\n</body>\n</html>\n"
    )


def to_markdown(title: str, lead: str, blocks: Sequence[Block], *, footer: str = "") -> str:
    """The same page as Markdown, its pictures as links to files beside it."""
    parts = [f"# {_plain(title)}", _plain(lead), *(_markdown(block) for block in blocks), _plain(footer)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(block: Block, number: int) -> str:
    if isinstance(block, Heading):
        return f"<h2>{escape(block.text)}</h2>"
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Notes):
        return '<ul class="notes">' + "".join(f"<li>{escape(line)}</li>" for line in block.lines) + "</ul>"
    if isinstance(block, Picture):
        drawing = _inline(block.svg, f"f{number}-", block.caption)
        return f"<figure>\n{drawing}\n<figcaption>{escape(block.caption)}</figcaption>\n</figure>"
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    side = [' class="l"' if i < block.left else "" for i in range(len(block.columns))]
    head = "".join(f'<th scope="col"{at}>{escape(name)}</th>' for at, name in zip(side, block.columns, strict=True))
    lines = [
        "".join(f"<td{at}>{_small_below(cell)}</td>" for at, cell in zip(side, row, strict=True)) for row in block.rows
    ]
    rows = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="wide"><table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _small_below(cell: str) -> str:
    first, _, rest = cell.partition("\n")
    return escape(first) + (f"<br><small>{escape(rest)}</small>" if rest else "")


def _inline(svg: str, prefix: str, caption: str) -> str:
    """An SVG file as an element of a page: no prologue, no metadata, and names that no other drawing has."""
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<=\sid=")', prefix, svg)
    svg = re.sub(r'(?<=href="#)|(?<=url\(#)', prefix, svg)
    return svg.strip().replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {_plain(block.text)}"
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Notes):
        return "\n".join(f"* {_plain(line)}" for line in block.lines)
    if isinstance(block, Picture):
        return f"![{_plain(block.caption)}]({block.file})"
    under = tuple("---" if i < block.left else "---:" for i in range(len(block.columns)))
    lines = [block.columns, under, *block.rows]
    cells = [[cell if number == 1 else _cell(cell) for cell in line] for number, line in enumerate(lines)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"{_plain(block.caption)}\n\n{table}" if block.caption else table


def _plain(text: str) -> str:
    """Text of which Markdown makes no markup."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(text.split()))


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
