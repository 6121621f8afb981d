"""The verb `motifs`: what strings a model goes by."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from . import flags as o
from .screen import err, plain, show_counts, show_rest, written
from .verb import carry_out, flags_of, takes

__all__ = ["motifs"]

_SHOWN = 12  # motifs on the screen; all are in motifs.tsv


@takes(o.machine, o.page)
def motifs(
    sequences: o.MotifSequences,
    output: o.Folder,
    model: o.MotifModel = None,
    negatives: o.Negatives = None,
    scores: o.BaseScores = "attention",
    database: o.Database = None,
    class_name: o.PositiveClass = None,
    quantile: o.RegionQuantile = None,
    width: o.MotifWidth = 24,
    min_length: o.MinLength = 5,
    cutoff: o.Cutoff = 0.005,
    min_sites: o.MinSites = 3,
    all_ties: o.AllTies = False,
    single_strand: o.SingleStrand = False,
    logos: o.Logos = True,
    strand: o.Strand = "+",
    **shared: Any,
) -> None:
    """Find motifs: strings that the model attends to in positives and that negatives lack, with logos and matches."""
    flags = flags_of(locals())
    from ..workflows.motifs import motifs as work

    carry_out(work, flags, _show, both_strands=not flags.pop("single_strand"))


def _show(facts: dict[str, Any]) -> None:
    show_counts(
        written(facts),
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
        _show_first(facts["motifs"])
    show_rest(facts)


def _show_first(motifs: list[dict[str, Any]]) -> None:
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
