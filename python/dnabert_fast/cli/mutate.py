"""The verb `mutate`: what changes of a window do to its score."""

from __future__ import annotations

from .flags import analysis as a
from .flags import common as c
from .screen import note, show_counts, shown_progress

__all__ = ["mutate"]

_VIEWS = {"attention": "attention", "effect": "substitutions", "gradient": "gradients"}


def mutate(
    genome: a.MutatedGenome = None,
    *,
    model: c.Model,
    output: c.Folder,
    region: a.MutatedRegions = None,
    variants: a.MutatedVariants = None,
    windows: c.Windows = "centred",
    window: c.Window = None,
    sequences: a.MutatedSequences = None,
    mutations: a.Mutations = None,
    deletions: a.Deletions = 0,
    gradients: a.Gradients = 0,
    picture: a.Picture = False,
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
    """Score every single substitution of windows (deletions too), with maps of them, or mutations from a file."""
    from ..workflows.mutate import mutate as work

    with shown_progress(quiet) as progress:
        facts = work(
            genome,
            model=model,
            output=output,
            region=region or (),
            variants=variants,
            windows=windows,
            window=window,
            sequences=sequences,
            mutations=mutations,
            longest=deletions,
            gradients=gradients,
            picture=picture,
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
    rows: dict[str, int | str] = {"windows": facts["windows"], "changed windows": facts["mutants"]}
    rows |= {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]}
    if "alleles" in facts:
        rows |= {"ALT alleles": facts["alleles"], "scored": facts["scored"]}
        rows |= {f"  {reason}": count for reason, count in facts["reasons"].items()}
    for pair, found in facts.get("agreement", {}).items():
        one, _, other = pair.partition("_")
        rows[f"rank correlation, {_VIEWS[one]} and {_VIEWS[other]}"] = _shown(found)
    if "pictures" in facts:
        rows["pictures"] = len(facts["pictures"])
    show_counts(f"{facts['output']}  ({facts['seconds']:.1f} s)", rows)
    for text in facts["notes"]:
        note(text)


def _shown(found: dict[str, float | None]) -> str:
    """A mean over windows with its interval, if there are several."""
    if found["spearman"] is None:
        return "none"
    if found["low"] is None:
        return f"{found['spearman']:.3f}"
    return f"{found['spearman']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
