"""The verb `screen`: from a genome and a VCF to ranked candidates."""

from __future__ import annotations

from .flags import analysis as a
from .flags import common as c
from .screen import note, show_counts, shown_progress

__all__ = ["screen"]


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
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    report: c.Report = None,
    quiet: c.Quiet = False,
) -> None:
    """Find regions the model attends to, score the variants in them, rank these, and count known ones."""
    from ..workflows.screen import screen as work

    with shown_progress(quiet) as progress:
        facts = work(
            vcf,
            genome,
            model=model,
            output=output,
            windows=windows,
            known=known or (),
            top=top,
            threshold=threshold,
            window=window,
            stride=stride,
            quantile=quantile,
            max_n=max_n,
            strand=strand,
            class_name=class_name,
            normalize=normalize,
            alias=alias,
            overwrite=overwrite,
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
    for text in facts["notes"]:
        note(text)


_OTHERS = {
    "inside": "the others inside",
    "windows": "those outside, in a window",
    "outside": "all outside",
}
