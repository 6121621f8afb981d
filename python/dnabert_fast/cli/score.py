"""The verbs that score and read: variants, scan, predict, embed, tokenize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import options as o
from .estimate import machines_of, show_estimate
from .screen import dim, note, show_counts, shown_progress

__all__ = ["embed", "predict", "scan", "tokenize", "variants"]


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
    precision: o.Precision = "auto",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    report: o.Report = None,
    work: o.Work = None,
    shard: o.Shard = None,
    shard_size: o.ShardSize = None,
    ray: o.Ray = None,
    ray_cpus: o.RayCpus = None,
    estimate: o.Estimate = False,
    machines: o.Machines = None,
    quiet: o.Quiet = False,
) -> None:
    """Score every ALT allele of a VCF: P(REF window), P(ALT window), difference score and log-odds ratio."""
    from ..workflows.variants import variants as run

    with shown_progress(quiet) as progress:
        facts = run(
            vcf,
            genome,
            model=model,
            models=models,
            output=output,
            ensemble=ensemble,
            fields=fields,
            windows=windows,
            window=window,
            strand=strand,
            class_name=class_name,
            ref_mismatch=ref_mismatch,
            normalize=normalize,
            alias=alias,
            overwrite=overwrite,
            table=table,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            report=report,
            work=work,
            shard=shard,
            shard_size=shard_size,
            ray=ray,
            ray_cpus=ray_cpus,
            estimate=machines_of(estimate, machines),
            progress=progress,
        )
    if quiet:
        return
    if estimate:
        show_estimate(facts)
        return
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {_rate(facts['scored'], facts)} alleles/s)",
        {"records": facts["records"], "ALT alleles": facts["alleles"], "scored": facts["scored"]}
        | ({"  out of the table": facts["from_table"]} if table is not None else {})
        | {f"  {reason}": count for reason, count in facts["reasons"].items()}
        | {f"contig {names}": count for names, count in facts["aliased"].items()}
        | {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]},
    )
    _show_rest(facts)


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
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    report: o.Report = None,
    work: o.Work = None,
    shard: o.Shard = None,
    shard_size: o.ShardSize = None,
    ray: o.Ray = None,
    ray_cpus: o.RayCpus = None,
    estimate: o.Estimate = False,
    machines: o.Machines = None,
    quiet: o.Quiet = False,
) -> None:
    """Score every window of a genome: a per-base track or a table of windows, and called regions."""
    from ..workflows.scan import scan as run

    with shown_progress(quiet) as progress:
        facts = run(
            genome,
            model=model,
            output=output,
            window=window,
            stride=stride,
            strand=strand,
            regions=regions,
            calls=calls,
            threshold=threshold,
            max_n=max_n,
            class_name=class_name,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            report=report,
            work=work,
            shard=shard,
            shard_size=shard_size,
            ray=ray,
            ray_cpus=ray_cpus,
            estimate=machines_of(estimate, machines),
            progress=progress,
        )
    if quiet:
        return
    if estimate:
        show_estimate(facts)
        return
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {_rate(facts['windows'], facts)} windows/s)",
        {
            "windows scored": facts["windows"],
            "left out for unknown bases": facts["left_out_n"],
            "contigs shorter than the window": len(facts["short_contigs"]),
            "regions shorter than the window": facts["short_regions"],
            "pieces": facts["pieces"],
            "pieces encoded": facts["pieces_encoded"],
        },
    )
    _show_rest(facts)


def predict(
    sequences: o.Sequences,
    model: o.Model,
    output: o.TableOutput,
    strand: o.Strand = "+",
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    work: o.Work = None,
    shard: o.Shard = None,
    shard_size: o.ShardSize = None,
    ray: o.Ray = None,
    ray_cpus: o.RayCpus = None,
    estimate: o.Estimate = False,
    machines: o.Machines = None,
    quiet: o.Quiet = False,
) -> None:
    """Predict the class (or value) of every sequence of a file."""
    from ..workflows.sequences import predict as run

    with shown_progress(quiet) as progress:
        facts = run(
            sequences,
            model=model,
            output=output,
            strand=strand,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            work=work,
            shard=shard,
            shard_size=shard_size,
            ray=ray,
            ray_cpus=ray_cpus,
            estimate=machines_of(estimate, machines),
            progress=progress,
        )
    _show_sequences(facts, quiet)


def embed(
    sequences: o.Sequences,
    model: o.Model,
    output: o.VectorOutput,
    pooling: o.Pooling = "mean",
    strand: o.Strand = "+",
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    work: o.Work = None,
    shard: o.Shard = None,
    shard_size: o.ShardSize = None,
    ray: o.Ray = None,
    ray_cpus: o.RayCpus = None,
    estimate: o.Estimate = False,
    machines: o.Machines = None,
    quiet: o.Quiet = False,
) -> None:
    """Write one vector for every sequence of a file."""
    from ..workflows.sequences import embed as run

    with shown_progress(quiet) as progress:
        facts = run(
            sequences,
            model=model,
            output=output,
            pooling=pooling,
            strand=strand,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            work=work,
            shard=shard,
            shard_size=shard_size,
            ray=ray,
            ray_cpus=ray_cpus,
            estimate=machines_of(estimate, machines),
            progress=progress,
        )
    _show_sequences(facts, quiet)


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


def _rate(done: int, facts: dict[str, Any]) -> str:
    return f"{done / max(facts['seconds'], 1e-3):,.0f}"


def _show_sequences(facts: dict[str, Any], quiet: bool) -> None:
    if quiet:
        return
    if facts["verb"] == "estimate":
        show_estimate(facts)
        return
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {_rate(facts['sequences'], facts)} sequences/s)",
        {"sequences": facts["sequences"], "shorter than k, without an answer": facts["shorter_than_k"]},
    )
    _show_rest(facts)


def _show_rest(facts: dict[str, Any]) -> None:
    """Say which shards alone were computed, which precision `auto` took and why, and what else there is to know."""
    if "shards" in facts:
        shards = facts["shards"]
        if shards["last"] < shards["first"]:
            dim(f"none of the job's shards ({shards['of']:,}) is in this part, of which there are more")
        else:
            dim(f"shards {shards['first']:,} to {shards['last']:,} of {shards['of']:,}; when all are done, merge them")
    reasons = dict.fromkeys(told["precision_reason"] for told in facts.get("models", [facts]))
    for reason in reasons:
        if reason != "asked for":
            dim(f"precision {reason}")
    for text in facts["notes"]:
        note(text)
