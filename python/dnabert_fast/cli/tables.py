"""The verbs of tables of scores: saturate makes them, lookup reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ..errors import DnabertError
from .flags import common as c
from .screen import dim, note, show_counts, shown_progress

__all__ = ["lookup", "saturate"]

_Places: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="BED of what is scored (not with --genome-wide or --background alone), and FASTA or .2bit.",
        metavar="[REGIONS] GENOME",
        show_default=False,
    ),
]
_Table: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="The table: .tsv.gz, BGZF with its index.", metavar="FILE")
]
_GenomeWide: TypeAlias = Annotated[bool, typer.Option("--genome-wide", help="Score every contig, whole.")]
_Background: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="PHRED ranks among the SNVs of these regions; kept with the model.", metavar="BED"),
]
_Assembly: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Name of the assembly, for the header; VEP's CADD plugin asks for it.", metavar="NAME"),
]
_Tables: TypeAlias = Annotated[
    list[str],
    typer.Argument(help="Tables of saturate, or in CADD's layout; NAME= names the fields.", metavar="[NAME=]TABLE..."),
]
_Output: TypeAlias = Annotated[
    Path, typer.Option("--output", "-o", help=".vcf.gz, .vcf, .bcf, or - for VCF.", metavar="FILE")
]
_Genome: TypeAlias = Annotated[
    str | None,
    typer.Option("--genome", "-g", help="Check REF, and move insertions and deletions left.", metavar="GENOME"),
]
_Columns: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Columns to copy, with commas; default: ours but RawScore, else RawScore,PHRED.", metavar="NAMES"
    ),
]
_Misses: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write the records with an allele that no table has here.", metavar="VCF")
]
_Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace fields the input already has.")]


def saturate(
    places: _Places,
    model: c.Model,
    output: _Table = None,
    genome_wide: _GenomeWide = False,
    background: _Background = None,
    window: c.Window = None,
    strand: c.Strand = "+",
    class_name: c.ClassName = None,
    assembly: _Assembly = None,
    alias: c.Alias = None,
    precision: c.Precision = "auto",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    quiet: c.Quiet = False,
) -> None:
    """Score every possible SNV of regions, or of a genome, into a table that lookup reads."""
    from ..workflows.saturate import saturate as work

    if len(places) > 2:
        raise DnabertError(f"{' '.join(places)}: give one BED file of regions, and the genome")
    with shown_progress(quiet) as progress:
        facts = work(
            places[-1],
            model=model,
            output=output,
            regions=places[0] if len(places) == 2 else None,
            genome_wide=genome_wide,
            background=background,
            window=window,
            strand=strand,
            class_name=class_name,
            assembly=assembly,
            alias=alias,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            progress=progress,
        )
    if quiet:
        return
    ranked = facts["background"]
    rate = facts["snvs"] / max(facts["seconds"], 1e-3)
    show_counts(
        f"{facts['output'] or ranked['file']}  ({facts['seconds']:.1f} s, {rate:,.0f} SNVs/s)",
        {"bases": facts["bases"], "  not known": facts["unknown_bases"], "SNVs": facts["snvs"]}
        | {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]}
        | ({} if ranked is None else {"SNVs of the background": ranked["snvs"]}),
    )
    if facts["precision_reason"] != "asked for":
        dim(f"precision {facts['precision_reason']}")
    for text in facts["notes"]:
        note(text)


def lookup(
    vcf: c.Vcf,
    tables: _Tables,
    output: _Output,
    genome: _Genome = None,
    columns: _Columns = None,
    misses: _Misses = None,
    alias: c.Alias = None,
    overwrite: _Overwrite = False,
    summary: c.Summary = None,
    quiet: c.Quiet = False,
) -> None:
    """Annotate the alleles of a VCF from tables of scores, ours or CADD's, and set apart what they lack."""
    from ..workflows.lookup import lookup as work

    with shown_progress(quiet) as progress:
        facts = work(
            vcf,
            tables,
            output=output,
            genome=genome,
            columns=[name.strip() for name in columns.split(",")] if columns else (),
            misses=misses,
            alias=alias,
            overwrite=overwrite,
            summary=summary,
            progress=progress,
        )
    if quiet:
        return
    rate = facts["alleles"] / max(facts["seconds"], 1e-3)
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {rate:,.0f} alleles/s)",
        {"records": facts["records"], "ALT alleles": facts["alleles"], "found": facts["found"]}
        | {f"  {reason}": count for reason, count in facts["reasons"].items()}
        | {"records with alleles to score": facts["records_missed"]},
    )
    for text in facts["notes"]:
        note(text)
