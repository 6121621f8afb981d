"""The verb `report`: the files that a run left, on one page that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..engine.model import load
from ..errors import DnabertError, FormatError
from ..io import TRACKS, ends_with
from ..io.atomic import writing
from ..report.page import to_html
from ..report.style import house_style
from .common import GRIDS, check_outputs, named
from .progress import Progress, silent
from .report_folder import folder_page
from .report_inputs import first_columns
from .report_parts import Page, Run, facts_of
from .report_scan import scan_page
from .report_variants import variants_page

__all__ = ["MAPS", "check_report", "report"]

MAPS = 4
"""Mutation maps, where their number is not given."""

_VARIANTS = (".vcf", ".vcf.gz", ".bcf")
_BED = (".bed", ".bed.gz")
_TABLES = (".tsv", ".tsv.gz", ".parquet")


def report(
    path: str | Path,
    *,
    output: str | Path,
    model: str | None = None,
    genome: str | Path | None = None,
    windows: str | Path = "centred",
    window: int | None = None,
    class_name: str | None = None,
    calls: str | Path | None = None,
    alias: str | Path | None = None,
    facts: str | Path | Mapping[str, Any] | None = None,
    maps: int = MAPS,
    command: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write one HTML page of a finished run: numbers, distributions, tables to sort and search, and pictures.

    `path` is what the run wrote: a VCF or table of `variants`; a track, BED or table of `scan`, with its `calls`; the
    folder of `screen` or `motifs`. With `model` the page has the model's card, with `genome` and the run's `windows`
    mutation maps of the `maps` largest changes too. `facts` is what --summary wrote, `command` what is shown as the
    run's. The page fetches nothing and runs no script but its own. Returns what was written. Raises FormatError for
    files that are not of such a run.
    """
    check_report(output, [path, genome, calls, alias, None if str(windows) in GRIDS else windows])
    name, folder = ("", None) if model is None else named(model, "--model")
    told = dict(facts) if isinstance(facts, Mapping) else facts_of(facts)
    run = Run(
        Path(path), folder, name, None, genome, windows, window, calls, alias, class_name, told, command, maps, device,
        threads, progress,
    )  # fmt: skip
    build = _builder(run.path)
    if folder is not None:
        run = replace(run, loaded=load(folder, device="cpu"))
    page = build(run)
    text = to_html(page.title, page.lead, page.blocks, footer=f"dnabert-fast {__version__}", contents=True)
    data = text.encode(errors="replace")  # a file's name may hold what no text does
    with writing(output) as partial:
        partial.write_bytes(data)
    return {"output": str(output), "bytes": len(data), "rows": page.rows, "title": page.title}


def check_report(output: str | Path | None, inputs: list[str | Path | None], source: str | Path | None = None) -> None:
    """Refuse a report that could not be written, before the work: its name, its folder, what draws it, its `source`."""
    if output is None:
        return
    check_outputs(inputs, {"--output" if source is None else "--report": output})
    if str(output) == "-" or not ends_with(output, (".html", ".htm")):
        raise FormatError(f"{output}: a report is a file that ends in .html")
    if source is not None and str(source) == "-":
        raise DnabertError("--report reads what the run wrote; give --output a file, not -")
    with house_style(), writing(output):
        pass


def _builder(path: Path) -> Callable[[Run], Page]:
    """What makes the page of such a file or folder."""
    if path.is_dir():
        return folder_page
    if not os.access(path, os.R_OK):
        raise FormatError(f"{path}: cannot be read; give what variants, scan, screen or motifs wrote")
    if ends_with(path, _VARIANTS):
        return variants_page
    if ends_with(path, [*TRACKS, *_BED]):
        return scan_page
    if ends_with(path, _TABLES):
        return variants_page if "CHROM" in first_columns(path) else scan_page
    raise FormatError(f"{path}: unknown kind of file; give what variants, scan, screen or motifs wrote")
