"""The report of a folder that `screen` or `motifs` wrote: candidates, enrichment, motifs, logos and their matches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..report.drawings import inert
from ..report.explore import Cell, Column, Explorer
from ..report.page import Block, Heading, Notes, Picture, Row, Text
from .report_inputs import read_scores, table_chunks
from .report_parts import Page, Run, facts_of, figures, model_card, reasons_table, run_table
from .report_scan import best_calls, calls_blocks
from .report_variants import variants_blocks

__all__ = ["folder_page"]

_ROWS = 500
_NAMES = ("CHROM", "ID", "REF", "ALT", "known", "motif", "consensus", "target", "match_name")
_LONGEST = 200  # letters of a cell
_LOGOS = 60
_MOST = 1_500_000  # letters of logos on a page
_COUNTS = (
    "records", "alleles", "scored", "candidates", "regions", "windows", "sequences", "positives", "negatives", "motifs",
)  # fmt: skip
_TABLES = {
    "candidates.tsv": ("Candidates", "candidates"),
    "enrichment.tsv": ("Known variants", "lists"),
    "motifs.tsv": ("Motifs", "motifs"),
    "matches.tsv": ("Matches in databases", "matches"),
}


def folder_page(run: Run) -> Page:
    """The report of whatever such files a folder holds.

    Raises FormatError for a folder that holds none of them.
    """
    folder = run.path
    if not any((folder / name).is_file() for name in _TABLES):
        raise FormatError(f"{folder}: holds none of {', '.join(_TABLES)}; give the folder of screen or motifs")
    summary = folder / "summary.json"
    facts = {**(facts_of(summary) if summary.is_file() else {}), **run.facts}
    run = replace(run, facts=facts)
    kind = str(facts.get("verb") or ("screen" if (folder / "candidates.tsv").is_file() else "motifs"))
    numbers = {name: facts[name] for name in _COUNTS if isinstance(facts.get(name), int)}
    logos = _logos(folder)
    blocks: list[Block] = []
    rows = 0
    for name in ("motifs.tsv", "matches.tsv", "candidates.tsv", "enrichment.tsv"):
        if not (folder / name).is_file():
            continue
        title, what = _TABLES[name]
        table, count = _explorer(folder / name, what, logos if name == "motifs.tsv" else {})
        numbers.setdefault(what, count)
        rows += len(table.rows)
        blocks += [Heading(title), table if count else Text(f"{name} has no rows.")]
        if name == "motifs.tsv" and logos:
            blocks += [Heading("Logos"), Row(tuple(logos.values()))]
    settings: dict[str, Any] = dict(facts)
    if (folder / "scored.vcf.gz").is_file():
        found = read_scores(folder / "scored.vcf.gz", plain=True)
        settings = {**found.settings, **facts}
        own = replace(run, facts={name: value for name, value in facts.items() if name not in ("notes", "reasons")})
        blocks += variants_blocks(own, found, settings)[1:]  # its numbers are those of the folder
    if (folder / "regions.bed").is_file():
        called, count = best_calls(folder / "regions.bed")
        numbers["regions"] = count
        blocks += calls_blocks(called, title="Regions attended to", noun="regions", count=count)
    reasons, alleles = facts.get("reasons"), facts.get("alleles")
    if isinstance(reasons, dict) and isinstance(alleles, int):
        blocks += reasons_table({name: count for name, count in reasons.items() if count}, alleles, "Not scored")
    notes = tuple(str(note) for note in facts.get("notes", []))
    first: list[Block] = [figures(numbers), *([Notes(notes)] if notes else [])]
    blocks = [*first, *blocks, *model_card(run, settings), *run_table(run, settings)]
    lead = "  ·  ".join(f"{value:,} {name}" for name, value in numbers.items())
    return Page(f"{kind.capitalize()}: {folder.resolve().name}", lead, blocks, rows)


def _explorer(path: Path, what: str, logos: dict[str, Picture]) -> tuple[Explorer, int]:
    """The first rows of a table, whatever its columns, and how many it has; names of motifs lead to their logos."""
    names: list[str] = []
    columns: list[list[str]] = []
    count = 0
    for chunk in table_chunks(path):
        names = list(chunk)
        columns = columns or [[] for _ in names]
        for column, values in zip(columns, chunk.values(), strict=True):
            column += [str(value) for value in values[: max(0, _ROWS - count)]]
        count += len(next(iter(chunk.values()), []))
    numeric = [name not in _NAMES and _are_numbers(column) for name, column in zip(names, columns, strict=True)]
    rows = []
    for at in range(len(columns[0]) if columns else 0):
        texts = [column[at] for column in columns]
        anchor = next((logos[text].anchor for text in texts if text in logos), "")
        rows.append(tuple(_cell(*pair, "" if i else anchor) for i, pair in enumerate(zip(texts, numeric, strict=True))))
    of = f"The first {len(rows):,} of {count:,} rows" if len(rows) < count else f"All {count:,} rows"
    heads = tuple(Column(name.replace("_", " "), number) for name, number in zip(names, numeric, strict=True))
    return Explorer(heads, tuple(rows), what, f"{of} of {path.name}."), count


def _cell(text: str, number: bool, anchor: str) -> Cell:
    if not number:
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        return Cell("" if text == "." else shown, anchor=anchor)
    value = _number(text)
    if math.isnan(value):
        return Cell("–")
    whole = value == int(value) and "." not in text and "e" not in text.lower() if math.isfinite(value) else False
    return Cell(f"{int(value):,}" if whole else text.replace("-", "−"), value, anchor)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _are_numbers(column: Sequence[str]) -> bool:
    """Whether a column holds numbers, and nothing else but what says that there is none."""
    there = [text for text in column if text.strip().lower() not in ("", ".", "na", "nan", "none")]
    return bool(there) and not any(math.isnan(_number(text)) for text in there)


def _logos(folder: Path) -> dict[str, Picture]:
    """The drawings of a folder or of its folder `logos`, by the name of their motif, as far as a page has room.

    One that cannot be read, or that could run or fetch something, is none of ours and is left out.
    """
    files = sorted([*folder.glob("*.svg"), *(folder / "logos").glob("*.svg")])
    said = _nearest(folder / "motifs.tsv")
    found: dict[str, Picture] = {}
    room = _MOST
    for file in files[:_LOGOS]:
        try:
            svg = inert(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if svg is None:
            continue
        if len(svg) > room:
            break
        room -= len(svg)
        name = file.stem.removeprefix("logo.").removeprefix("logo_").removesuffix(".logo").removesuffix("_logo")
        found[name] = Picture(svg, file.name, said.get(name, name), f"logo-{len(found) + 1}")
    return found


def _nearest(path: Path) -> dict[str, str]:
    """What to say of each motif: its consensus, and what it is most like in a database."""
    said = {}
    for chunk in table_chunks(path) if path.is_file() else ():
        for row in zip(*chunk.values(), strict=True):
            told = dict(zip(chunk, map(str, row), strict=True))
            name = next(iter(told.values()))
            near = (
                f"; most like {told['match_name']} (q {told['match_q']})" if told.get("match_name", ".") != "." else ""
            )
            said[name] = f"{name}: {told.get('consensus', '')}{near}"
    return said
