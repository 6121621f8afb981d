"""The verb haplotypes."""

from __future__ import annotations

from typing import Any

from . import flags as o
from .screen import show_run
from .verb import carry_out, flags_of, takes

__all__ = ["haplotypes"]


@takes(o.machine)
def haplotypes(
    vcf: o.Vcf,
    genome: o.Genome,
    model: o.Model,
    output: o.TableOutput,
    windows: o.HaplotypeWindows = "tiled",
    window: o.Window = None,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    normalize: o.Normalize = False,
    alias: o.Alias = None,
    work: o.Work = None,
    shard: o.Shard = None,
    shard_size: o.ShardSize = None,
    **shared: Any,
) -> None:
    """Score the alleles that samples carry together: both haplotypes of each window, and each allele alone."""
    flags = flags_of(locals())
    from ..workflows.haplotypes import haplotypes as run

    carry_out(run, flags, _show)


def _show(facts: dict[str, Any]) -> None:
    shown = {"samples": facts["samples"], "records": facts["records"]}
    if facts["without_genotypes"]:
        shown |= {"  without a known genotype": facts["without_genotypes"]}
    shown |= {"ALT alleles": facts["alleles"]}
    shown |= {f"  {reason}": count for reason, count in facts["reasons"].items()}
    shown |= {"windows with alleles": facts["windows_with_alleles"], "haplotypes": facts["haplotypes"]}
    shown |= {"  of two alleles or more": facts["several"], "scored": facts["scored"]}
    show_run(facts, shown | {f"  {flag}": count for flag, count in facts["flags"].items()})
