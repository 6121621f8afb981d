"""The verbs that score and read: variants, scan, predict, embed, tokenize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import flags as o
from .estimate import make_or_foretell
from .screen import show_run, shown_progress
from .verb import flags_of, takes

__all__ = ["embed", "predict", "scan", "tokenize", "variants"]


@takes(o.machine, o.page, o.shards, precision="auto")
def variants(
    vcf: o.Vcf,
    genome: o.Genome,
    output: o.VcfOutput,
    model: o.NamedModels = None,
    models: o.ModelList = None,
    ensemble: o.EnsembleScores = None,
    fields: o.ScoreFields = None,
    windows: o.Windows = "centred",
    window: o.Window = None,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    ref_mismatch: o.RefMismatch = "skip",
    normalize: o.Normalize = False,
    alias: o.Alias = None,
    overwrite: o.Overwrite = False,
    table: o.KnownTable = None,
    **shared: Any,
) -> None:
    """Score every ALT allele of a VCF: P(REF window), P(ALT window), difference score and log-odds ratio."""
    flags = flags_of(locals())
    from ..workflows.variants import variants as work

    def show(facts: dict[str, Any]) -> None:
        show_run(
            facts,
            {"records": facts["records"], "ALT alleles": facts["alleles"], "scored": facts["scored"]}
            | ({"  out of the table": facts["from_table"]} if table is not None else {})
            | {f"  {reason}": count for reason, count in facts["reasons"].items()}
            | {f"contig {names}": count for names, count in facts["aliased"].items()}
            | {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]},
            facts["scored"],
            "alleles",
        )

    make_or_foretell(work, flags, show)


@takes(o.machine, o.page, o.shards)
def scan(
    genome: o.Genome,
    model: o.Model,
    output: o.ScanOutput,
    window: o.Window = None,
    stride: o.Stride = 100,
    strand: o.Strand = "+",
    regions: o.Regions = None,
    calls: o.Calls = None,
    threshold: o.Threshold = None,
    max_n: o.MaxN = 0.5,
    class_name: o.ClassName = None,
    **shared: Any,
) -> None:
    """Score every window of a genome: a per-base track or a table of windows, and called regions."""
    flags = flags_of(locals())
    from ..workflows.scan import scan as work

    make_or_foretell(work, flags, _show_scan)


@takes(o.machine, o.shards)
def predict(
    sequences: o.Sequences, model: o.Model, output: o.TableOutput, strand: o.Strand = "+", **shared: Any
) -> None:
    """Predict the class (or value) of every sequence of a file."""
    flags = flags_of(locals())
    from ..workflows.sequences import predict as work

    make_or_foretell(work, flags, _show_sequences)


@takes(o.machine, o.shards)
def embed(
    sequences: o.Sequences,
    model: o.Model,
    output: o.VectorOutput,
    pooling: o.Pooling = "mean",
    strand: o.Strand = "+",
    **shared: Any,
) -> None:
    """Write one vector for every sequence of a file."""
    flags = flags_of(locals())
    from ..workflows.sequences import embed as work

    make_or_foretell(work, flags, _show_sequences)


def tokenize(
    sequences: o.Sequences,
    k: o.Kmer = 6,
    output: o.TextOutput = Path("-"),
    ids: o.Ids = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the overlapping k-mers of every sequence, a line a sequence, as the original's files have them."""
    from ..workflows.sequences import tokenize as work

    with shown_progress(quiet) as progress:
        work(sequences, k=k, output=output, ids=ids, progress=progress)


def _show_scan(facts: dict[str, Any]) -> None:
    show_run(
        facts,
        {
            "windows scored": facts["windows"],
            "left out for unknown bases": facts["left_out_n"],
            "contigs shorter than the window": len(facts["short_contigs"]),
            "regions shorter than the window": facts["short_regions"],
            "pieces": facts["pieces"],
            "pieces encoded": facts["pieces_encoded"],
        },
        facts["windows"],
        "windows",
    )


def _show_sequences(facts: dict[str, Any]) -> None:
    show_run(
        facts,
        {"sequences": facts["sequences"], "shorter than k, without an answer": facts["shorter_than_k"]},
        facts["sequences"],
        "sequences",
    )
