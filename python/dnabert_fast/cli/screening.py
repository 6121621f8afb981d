"""The verb `screen`: from a genome and a VCF to ranked candidates."""

from __future__ import annotations

from typing import Any

from . import flags as o
from .screen import show_counts, show_rest, written
from .verb import carry_out, flags_of, takes

__all__ = ["screen"]

_OTHERS = {
    "inside": "the others inside",
    "windows": "those outside, in a window",
    "outside": "all outside",
}


@takes(o.machine, o.page)
def screen(
    vcf: o.ScreenedVcf,
    genome: o.Genome,
    model: o.Model,
    output: o.Folder,
    windows: o.ScreenedWindows = None,
    known: o.Known = None,
    top: o.Top = None,
    threshold: o.LeastDifference = None,
    window: o.Window = None,
    stride: o.AttendedStride = None,
    quantile: o.RegionQuantile = None,
    max_n: o.MaxN = 0.5,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    normalize: o.Normalize = False,
    alias: o.Alias = None,
    overwrite: o.Overwrite = False,
    work: o.Work = None,
    shard: o.Shard = None,
    **shared: Any,
) -> None:
    """Find regions the model attends to, score the variants in them, rank these, and count known ones."""
    flags = flags_of(locals())
    from ..workflows.screen import screen as run

    carry_out(run, flags, _show, known=known or ())


def _show(facts: dict[str, Any]) -> None:
    show_counts(
        written(facts),
        {
            "windows attended to": facts["windows_attended"],
            "left out for unknown bases": facts["left_out_n"],
            "high-attention regions": facts["regions"],
            "records": facts["records"],
            "ALT alleles": facts["alleles"],
        }
        | {f"  {reason}": count for reason, count in facts["reasons"].items()}
        | {f"contig {names}": count for names, count in facts["aliased"].items()}
        | {
            "inside a region": facts["inside"],
            "  scored": facts["scored"],
            f"candidates ({facts['candidates_are']})": facts["candidates"],
        },
    )
    for row in facts["enrichment"]:
        show_counts(
            f"{row['known']}: candidates against {_OTHERS[row['against']]}",
            {
                "candidates known": f"{row['marked']:,} of {row['n']:,}",
                "others known": f"{row['other_marked']:,} of {row['others']:,}",
                "odds ratio": "none" if row["odds_ratio"] is None else f"{row['odds_ratio']:.3g}",
                "p (more than by chance)": f"{row['p_greater']:.3g}",
                "p (two-sided)": f"{row['p']:.3g}",
            },
        )
    show_rest(facts)
