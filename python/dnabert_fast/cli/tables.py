"""The verbs of tables of scores: saturate makes them, lookup reads them."""

from __future__ import annotations

from typing import Any

from ..errors import DnabertError
from . import flags as o
from .estimate import machines_of, show_estimate
from .screen import show_run
from .verb import carry_out, flags_of, takes

__all__ = ["lookup", "saturate"]


@takes(o.machine, o.shards, precision="auto")
def saturate(
    places: o.Places,
    model: o.Model,
    output: o.SavedTable = None,
    genome_wide: o.GenomeWide = False,
    background: o.Background = None,
    window: o.Window = None,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    assembly: o.Assembly = None,
    alias: o.Alias = None,
    **shared: Any,
) -> None:
    """Score every possible SNV of regions, or of a genome, into a table that lookup reads."""
    flags = flags_of(locals())
    from ..workflows.saturate import saturate as work

    *regions, genome = flags.pop("places")
    if len(regions) > 1:
        raise DnabertError(f"{' '.join(places)}: give one BED file of regions, and the genome")
    machines = machines_of(flags["estimate"], flags.pop("machines"))
    show, bed = _show_table if machines is None else show_estimate, regions[0] if regions else None
    carry_out(work, flags, show, genome=genome, regions=bed, estimate=machines)


def _show_table(facts: dict[str, Any]) -> None:
    ranked = facts["background"]
    show_run(
        facts if facts["output"] else facts | {"output": ranked["file"]},
        {"bases": facts["bases"], "  not known": facts["unknown_bases"], "SNVs": facts["snvs"]}
        | {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]}
        | ({} if ranked is None else {"SNVs of the background": ranked["snvs"]}),
        facts["snvs"],
        "SNVs",
    )


def lookup(
    vcf: o.Vcf,
    tables: o.Tables,
    output: o.AnnotatedOutput,
    genome: o.CheckedAgainst = None,
    columns: o.Columns = None,
    misses: o.Misses = None,
    alias: o.Alias = None,
    overwrite: o.OverwriteFields = False,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Annotate the alleles of a VCF from tables of scores, ours or CADD's, and set apart what they lack."""
    flags = flags_of(locals())
    from ..workflows.lookup import lookup as work

    names = [name.strip() for name in columns.split(",")] if columns else ()
    carry_out(work, flags, _show_found, columns=names)


def _show_found(facts: dict[str, Any]) -> None:
    show_run(
        facts,
        {"records": facts["records"], "ALT alleles": facts["alleles"], "found": facts["found"]}
        | {f"  {reason}": count for reason, count in facts["reasons"].items()}
        | {"records with alleles to score": facts["records_missed"]},
        facts["alleles"],
        "alleles",
    )
