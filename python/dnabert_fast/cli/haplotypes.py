"""The verb haplotypes."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o
from .screen import note, show_counts, shown_progress

__all__ = ["haplotypes"]


def haplotypes(
    vcf: o.Vcf,
    genome: o.Genome,
    model: o.Model,
    output: o.TableOutput,
    windows: Annotated[
        str, typer.Option(help="'tiled' (neighbours share windows), 'centred' (one each allele), or a BED file.")
    ] = "tiled",
    window: o.Window = None,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    normalize: o.Normalize = False,
    alias: o.Alias = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
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
