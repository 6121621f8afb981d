"""The verb `mutate`: what changes of a window do to its score."""

from __future__ import annotations

from typing import Any

from . import flags as o
from .screen import show_run
from .verb import carry_out, flags_of, takes

__all__ = ["mutate"]

_VIEWS = {"attention": "attention", "effect": "substitutions", "gradient": "gradients"}


@takes(o.machine)
def mutate(
    genome: o.MutatedGenome = None,
    *,
    model: o.Model,
    output: o.Folder,
    region: o.MutatedRegions = None,
    variants: o.MutatedVariants = None,
    windows: o.Windows = "centred",
    window: o.Window = None,
    sequences: o.MutatedSequences = None,
    mutations: o.Mutations = None,
    deletions: o.Deletions = 0,
    gradients: o.Gradients = 0,
    picture: o.Picture = False,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    normalize: o.Normalize = False,
    alias: o.Alias = None,
    **shared: Any,
) -> None:
    """Score every single substitution of windows (deletions too), with maps of them, or mutations from a file."""
    flags = flags_of(locals())
    from ..workflows.mutate import mutate as work

    carry_out(work, flags, _show, region=region or (), longest=flags.pop("deletions"))


def _show(facts: dict[str, Any]) -> None:
    rows: dict[str, int | str] = {"windows": facts["windows"], "changed windows": facts["mutants"]}
    rows |= {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]}
    if "alleles" in facts:
        rows |= {"ALT alleles": facts["alleles"], "scored": facts["scored"]}
        rows |= {f"  {reason}": count for reason, count in facts["reasons"].items()}
    for pair, found in facts.get("agreement", {}).items():
        one, _, other = pair.partition("_")
        rows[f"rank correlation, {_VIEWS[one]} and {_VIEWS[other]}"] = _correlation(found)
    if "pictures" in facts:
        rows["pictures"] = len(facts["pictures"])
    show_run(facts, rows)


def _correlation(found: dict[str, float | None]) -> str:
    """A mean over windows with its interval, if there are several."""
    if found["spearman"] is None:
        return "none"
    if found["low"] is None:
        return f"{found['spearman']:.3f}"
    return f"{found['spearman']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
