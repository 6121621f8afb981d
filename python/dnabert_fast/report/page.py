"""A report as one page: the same blocks as HTML that needs nothing else, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from .drawings import bare
from .explore import Explorer, explorer_html, explorer_script
from .style import BLUE, INK, LIGHT

__all__ = ["Block", "Code", "Figures", "Heading", "Notes", "Picture", "Row", "Table", "Text", "to_html", "to_markdown"]


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Code:
    """Words as a machine reads them, such as a command."""

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
class Figures:
    """The numbers to know first: each with what it is, and maybe a word more after a line's end."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Picture:
    """A drawing: its SVG, the name of the file that Markdown shows in its place, and what it shows.

    Cells of tables lead to its `anchor`. One that is `wide` keeps its size where the screen is narrow, and is moved;
    what matters most stands at `focus` of its width, and is seen first.
    """

    svg: str
    file: str
    caption: str
    anchor: str = ""
    wide: bool = False
    focus: float = 0.5


@dataclass(frozen=True)
class Row:
    """Small drawings side by side, below each other where the screen is narrow."""

    pictures: tuple[Picture, ...]


Block: TypeAlias = Heading | Text | Code | Notes | Table | Figures | Picture | Row | Explorer

# Nothing may be fetched, whatever a name or a picture holds, and no script runs but the page's own, which is named by
# its hash: a page that tries is stopped by the browser.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_QUIET = "#595959"  # words of less weight, 7 to 1 on white

_STYLE = f"""
:root {{ color-scheme: light; }}
body {{ margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 72rem; background: #fff; color: {INK};
  font: 15px/1.55 "DejaVu Sans", "Segoe UI", Helvetica, Arial, sans-serif; }}
h1 {{ margin: 0; font-size: 1.7rem; line-height: 1.25; }}
h2 {{ margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid {LIGHT}; font-size: 1.15rem; }}
p {{ max-width: 46rem; margin: .6rem 0; overflow-wrap: anywhere; }}
pre {{ margin: .8rem 0; padding: .6rem .8rem; background: #F6F6F6; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .85rem/1.5 "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
.lead {{ margin: .3rem 0 0; color: {_QUIET}; }}
.notes {{ margin: 1.2rem 0; padding: .6rem 1rem .6rem 2rem; border-left: 3px solid {BLUE}; background: #F5F9FC; }}
div.wide {{ overflow-x: auto; }}
table {{ margin: .8rem 0; border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }}
caption {{ padding: 0 0 .4rem; color: {_QUIET}; text-align: left; }}
th, td {{ padding: .3rem .75rem; border-bottom: 1px solid {LIGHT}; text-align: right; white-space: nowrap; }}
th {{ border-bottom: 1.5px solid {INK}; font-weight: 600; vertical-align: bottom; }}
th:first-child, td:first-child {{ padding-left: 0; }}
th.l, td.l {{ text-align: left; }}
td.l + td.l {{ white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }}
.explore td.l, .explore td.l + td.l {{ white-space: nowrap; min-width: 0; }}
.explore table {{ border-collapse: separate; border-spacing: 0; }}
.explore p {{ margin: .7rem 0 0; }}
tbody tr:hover {{ background: #FAFAFA; }}
small {{ color: {_QUIET}; }}
figure {{ margin: 1rem 0; display: flow-root; }}
figure svg {{ max-width: 100%; height: auto; }}
figcaption {{ max-width: 46rem; color: {_QUIET}; font-size: .87rem; }}
a {{ color: #005A8C; }}
nav {{ margin: 1.1rem 0 0; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .9rem; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem;
  margin: 1.4rem 0 0; }}
.figures div {{ padding: .6rem .8rem; border: 1px solid {LIGHT}; border-radius: 5px; }}
.figures dt {{ color: {_QUIET}; font-size: .82rem; }}
.figures dd {{ margin: 0; font-size: 1.3rem; line-height: 1.35; overflow-wrap: anywhere; }}
.figures small {{ display: block; font-size: .78rem; }}
.row {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 0 1.6rem; }}
figure.wide svg {{ min-width: 60rem; }}
figure.full svg {{ min-width: 118rem; max-width: none; }}
figure.wide .more {{ float: right; margin-top: .3rem; font-size: .82rem; }}
figure:target {{ outline: 2px solid {BLUE}; outline-offset: 6px; }}
.tools {{ display: flex; flex-wrap: wrap; gap: .4rem .7rem; align-items: center; margin: .9rem 0 0; }}
.tools[hidden], tr[hidden], button[hidden] {{ display: none; }}
.tools input {{ flex: 0 1 20rem; min-width: 10rem; padding: .35rem .6rem; border: 1px solid #767676; border-radius: 4px;
  font: inherit; color: inherit; }}
.tools output {{ color: {_QUIET}; font-size: .87rem; }}
.explore th button {{ display: inline-flex; gap: .3em; align-items: baseline; margin: 0; padding: 0; border: 0;
  background: none; font: inherit; color: inherit; text-align: inherit; cursor: pointer; white-space: nowrap; }}
.explore th button::after {{ content: "↕"; color: #767676; font-weight: 400; }}
.explore th[aria-sort="descending"] button::after {{ content: "↓"; color: {INK}; }}
.explore th[aria-sort="ascending"] button::after {{ content: "↑"; color: {INK}; }}
.explore th:first-child, .explore td:first-child {{ position: sticky; left: 0; background: #fff padding-box; }}
.more {{ padding: .35rem .9rem; border: 1px solid #767676; border-radius: 4px; background: #fff; font: inherit;
  color: inherit; cursor: pointer; }}
:focus-visible {{ outline: 2px solid {BLUE}; outline-offset: 2px; }}
.scroll {{ overflow-x: auto; }}
footer {{ margin-top: 3rem; color: {_QUIET}; font-size: .8rem; }}
@media (max-width: 40rem) {{ body {{ padding: 1.3rem 1rem 3rem; }} h1 {{ font-size: 1.35rem; overflow-wrap: anywhere; }}
  .figures {{ grid-template-columns: 1fr 1fr; }} th, td {{ padding: .4rem .6rem; }}
  .explore td.l:first-child {{ white-space: normal; overflow-wrap: anywhere; min-width: 8.4rem; }} }}
@media print {{ body {{ padding: 0; max-width: none; font-size: 11px; }} figure, table {{ break-inside: avoid; }} }}
"""


def to_html(title: str, lead: str, blocks: Sequence[Block], *, footer: str = "", contents: bool = False) -> str:
    """One HTML file with its style and pictures inside; every text is escaped, and nothing is fetched from anywhere.

    Where a table can be sorted it has a script inside too. `contents` puts links to the sections on top.
    """
    body = "\n".join(_html(block, number) for number, block in enumerate(blocks))
    policy, script = _POLICY, ""
    if any(isinstance(block, Explorer) for block in blocks):
        text, digest = explorer_script()
        policy, script = f"{_POLICY}; script-src {digest}", f"<script>{text}</script>\n"
    sections = [(number, block.text) for number, block in enumerate(blocks) if isinstance(block, Heading)]
    links = "".join(f'<a href="#s{number}">{escape(name)}</a>' for number, name in sections)
    nav = f'<nav aria-label="Sections">{links}</nav>\n' if contents else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n{nav}</header>\n'
        f"<main>\n{body}\n</main>\n<footer>{escape(footer)}</footer>\n{script}</body>\n</html>\n"
    )


def to_markdown(title: str, lead: str, blocks: Sequence[Block], *, footer: str = "") -> str:
    """The same page as Markdown, its pictures as links to files beside it."""
    parts = [f"# {_plain(title)}", _plain(lead), *(_markdown(block) for block in blocks), _plain(footer)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(block: Block, number: int) -> str:
    if isinstance(block, Heading):
        return f'<h2 id="s{number}">{escape(block.text)}</h2>'
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Code):
        return f"<pre><code>{escape(block.text)}</code></pre>"
    if isinstance(block, Notes):
        return '<ul class="notes">' + "".join(f"<li>{escape(line)}</li>" for line in block.lines) + "</ul>"
    if isinstance(block, Figures):
        items = (f"<div><dt>{escape(name)}</dt><dd>{_small_below(value)}</dd></div>" for name, value in block.items)
        return f'<dl class="figures">{"".join(items)}</dl>'
    if isinstance(block, Picture):
        return _figure(block, f"f{number}-")
    if isinstance(block, Row):
        drawn = (_figure(picture, f"f{number}-{at}-") for at, picture in enumerate(block.pictures))
        return f'<div class="row">\n{"".join(drawn)}\n</div>'
    if isinstance(block, Explorer):
        return explorer_html(block, number)
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


def _figure(picture: Picture, prefix: str) -> str:
    drawing = _inline(picture.svg, prefix, picture.caption)
    if picture.wide:
        drawing = (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(picture.caption)}" '
            f'data-focus="{picture.focus:.3f}">{drawing}</div>\n'
            '<button type="button" class="more" aria-pressed="false" hidden>Enlarge</button>'
        )
    anchor = f' id="{escape(picture.anchor)}"' if picture.anchor else ""
    kind = ' class="wide"' if picture.wide else ""
    return f"<figure{anchor}{kind}>\n{drawing}\n<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"


def _small_below(cell: str) -> str:
    first, _, rest = cell.partition("\n")
    return escape(first) + (f"<br><small>{escape(rest)}</small>" if rest else "")


def _inline(svg: str, prefix: str, caption: str) -> str:
    """An SVG file as an element of a page: no prologue, no metadata, and names that no other drawing has."""
    svg = re.sub(r'(?<=\sid=")', prefix, bare(svg))
    svg = re.sub(r'(?<=href="#)|(?<=url\(#)', prefix, svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {_plain(block.text)}"
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Code):
        return "\n".join(f"    {line}" for line in block.text.splitlines())
    if isinstance(block, Notes):
        return "\n".join(f"* {_plain(line)}" for line in block.lines)
    if isinstance(block, Picture):
        return f"![{_plain(block.caption)}]({block.file})"
    if isinstance(block, Figures):
        return "\n".join(f"* {_plain(name)}: {_plain(value)}" for name, value in block.items)
    if isinstance(block, Row):
        return "\n\n".join(_markdown(picture) for picture in block.pictures)
    if isinstance(block, Explorer):
        names = tuple(column.name for column in block.columns)
        rows = tuple(tuple(cell.text for cell in row) for row in block.rows[: block.page])
        return _markdown(Table(names, rows, block.caption))
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
