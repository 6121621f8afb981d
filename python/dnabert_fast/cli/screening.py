"""The verb `screen`: from a genome and a VCF to ranked candidates."""

from __future__ import annotations

from typing import Any

from .flags import analysis as a
from .flags import common as c
from .screen import show_counts, show_rest, written
from .verb import carry_out, flags_of, takes

__all__ = ["screen"]

_OTHERS = {
    "inside": "the others inside",
    "windows": "those outside, in a window",
    "outside": "all outside",
}


@takes(c.machine, c.page)
def screen(
    vcf: a.ScreenedVcf,
    genome: c.Genome,
    model: c.Model,
    output: c.Folder,
    windows: a.ScreenedWindows = None,
    known: a.Known = None,
    top: a.Top = None,
    threshold: a.LeastDifference = None,
    window: c.Window = None,
    stride: a.AttendedStride = None,
    quantile: a.RegionQuantile = None,
    max_n: c.MaxN = 0.5,
    strand: c.Strand = "+",
    class_name: c.ClassName = None,
    normalize: c.Normalize = False,
    alias: c.Alias = None,
    overwrite: c.Overwrite = False,
    **shared: Any,
) -> None:
    """Find regions the model attends to, score the variants in them, rank these, and count known ones."""
    flags = flags_of(locals())
    from ..workflows.screen import screen as work

    carry_out(work, flags, _show, known=known or ())


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
