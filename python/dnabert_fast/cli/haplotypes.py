"""The verb haplotypes."""

from __future__ import annotations

from typing import Annotated

import typer

from .flags import common as c
from .screen import note, show_counts, shown_progress

__all__ = ["haplotypes"]


def haplotypes(
    vcf: c.Vcf,
    genome: c.Genome,
    model: c.Model,
    output: c.TableOutput,
    windows: Annotated[
        str, typer.Option(help="'tiled' (neighbours share windows), 'centred' (one each allele), or a BED file.")
    ] = "tiled",
    window: c.Window = None,
    strand: c.Strand = "+",
    class_name: c.ClassName = None,
    normalize: c.Normalize = False,
    alias: c.Alias = None,
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    quiet: c.Quiet = False,
) -> None:
    """Score the alleles that samples carry together: both haplotypes of each window, and each allele alone."""
    from ..workflows.haplotypes import haplotypes as run

    with shown_progress(quiet) as progress:
        facts = run(
            vcf,
            genome,
            model=model,
            output=output,
            windows=windows,
            window=window,
            strand=strand,
            class_name=class_name,
            normalize=normalize,
            alias=alias,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            progress=progress,
        )
    if quiet:
        return
    shown = {"samples": facts["samples"], "records": facts["records"]}
    if facts["without_genotypes"]:
        shown |= {"  without a known genotype": facts["without_genotypes"]}
    shown |= {"ALT alleles": facts["alleles"]}
    shown |= {f"  {reason}": count for reason, count in facts["reasons"].items()}
    shown |= {"windows with alleles": facts["windows_with_alleles"], "haplotypes": facts["haplotypes"]}
    shown |= {"  of two alleles or more": facts["several"], "scored": facts["scored"]}
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s)",
        shown | {f"  {flag}": count for flag, count in facts["flags"].items()},
    )
    for text in facts["notes"]:
        note(text)
