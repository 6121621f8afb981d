"""The verb `motifs`: what strings a model goes by."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from .flags import analysis as a
from .flags import common as c
from .screen import err, note, plain, show_counts, shown_progress

__all__ = ["motifs"]

_SHOWN = 12  # motifs on the screen; all are in motifs.tsv


def motifs(
    sequences: a.MotifSequences,
    output: c.Folder,
    model: a.MotifModel = None,
    negatives: a.Negatives = None,
    scores: a.BaseScores = "attention",
    database: a.Database = None,
    class_name: a.PositiveClass = None,
    quantile: a.RegionQuantile = None,
    width: a.MotifWidth = 24,
    min_length: a.MinLength = 5,
    cutoff: a.Cutoff = 0.005,
    min_sites: a.MinSites = 3,
    all_ties: a.AllTies = False,
    single_strand: a.SingleStrand = False,
    logos: a.Logos = True,
    strand: c.Strand = "+",
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    report: c.Report = None,
    quiet: c.Quiet = False,
) -> None:
    """Find motifs: strings that the model attends to in positives and that negatives lack, with logos and matches."""
    from ..workflows.motifs import motifs as work

    with shown_progress(quiet) as progress:
        facts = work(
            sequences,
            output=output,
            model=model,
            negatives=negatives,
            scores=scores,
            database=database,
            class_name=class_name,
            quantile=quantile,
            width=width,
            min_length=min_length,
            cutoff=cutoff,
            min_sites=min_sites,
            all_ties=all_ties,
            both_strands=not single_strand,
            logos=logos,
            strand=strand,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            report=report,
            progress=progress,
        )
    if quiet:
        return
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s)",
        {
            "sequences": facts["sequences"],
            "positives": facts["positives"],
            "high regions": facts["regions"],
            "strings in them": facts["candidates"],
            "enriched strings": facts["significant"],
            "motifs": len(facts["motifs"]),
        },
    )
    if facts["motifs"]:
        _show(facts["motifs"])
    for text in facts["notes"]:
        note(text)


def _show(motifs: list[dict[str, Any]]) -> None:
    """Print the first motifs as a table."""
    matched = "match" in motifs[0]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("motif", no_wrap=True)
    table.add_column("consensus", no_wrap=True)
    for name in ("adjusted p", "sites"):
        table.add_column(name, justify="right", no_wrap=True)
    if matched:
        table.add_column("best match", no_wrap=True)
        table.add_column("q", justify="right", no_wrap=True)
    for motif in motifs[:_SHOWN]:
        row = [motif["motif"], motif["consensus"], f"{motif['adjusted_p']:.1e}", f"{motif['sites']:,}"]
        if matched:
            row += [plain(f"{motif['match']} {motif['match_name']}"), f"{motif['match_q']:.1e}"]
        table.add_row(*row)
    err.print(table)
    if len(motifs) > _SHOWN:
        err.print(f"and {len(motifs) - _SHOWN:,} more", style="dim")
