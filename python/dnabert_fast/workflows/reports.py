"""What verbs that end in a report share: its folder, its two pages, and numbers as JSON and people read them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DnabertError
from ..evaluate.battery import Overall
from ..io.atomic import writing
from ..report.page import Block, Table, to_html, to_markdown
from .common import made_folder

__all__ = ["PAIRED", "REPORT_FILES", "number", "p_value", "pairs_table", "plain", "results_folder", "write_page"]

REPORT_FILES = ("report.html", "report.md", "metrics.json", "predictions.tsv")

PAIRED = (
    "Pairs: Wilcoxon's signed-rank test over the sets that both have, two-sided, adjusted over the pairs by Benjamini "
    "and Hochberg"
)
"""What is said under a `pairs_table`."""


def results_folder(
    output: str | Path, inputs: Sequence[str | Path | None], files: Sequence[str] = REPORT_FILES
) -> Path:
    """The folder of the results, `files`, made now, so that a place that cannot be written is known before the work.

    Raises FormatError where it cannot be made or written, and DnabertError where an input would be replaced in it.
    """
    written = {os.path.realpath(Path(output) / name) for name in files}
    for path in inputs:
        if path is not None and os.path.realpath(path) in written:
            raise DnabertError(f"-o {output}: {path} is an input and would be replaced; choose another folder")
    return made_folder(output, inputs)


def write_page(folder: Path, title: str, lead: str, blocks: Sequence[Block]) -> None:
    """Write report.html and report.md."""
    footer = f"dnabert-fast {__version__}"
    for name, text in (
        ("report.html", to_html(title, lead, blocks, footer=footer)),
        ("report.md", to_markdown(title, lead, blocks, footer=footer)),
    ):
        with writing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON can say them: what is no finite number is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in facts.items()
    }


def number(value: float | None, digits: int = 4) -> str:
    """A number with so many decimals; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def p_value(value: float | None) -> str:
    """A p-value: three significant digits, exponents below 0.001."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 else (f"{value:.1e}" if value > 1e-300 else "< 1e-300")


def pairs_table(found: Overall) -> Table:
    """Every pair of models over the sets that both have, a row each."""
    rows = [
        (
            f"{pair.one} – {pair.other}",
            f"{pair.sets:,}",
            f"{pair.wins[0]:,} : {pair.wins[1]:,}",
            "–" if math.isnan(pair.median) else f"{pair.median:+.4f}",
            p_value(pair.p),
            p_value(pair.adjusted),
        )
        for pair in found.pairs
    ]
    return Table(("pair", "sets", "wins", "median difference", "p", "adjusted p"), tuple(rows))
