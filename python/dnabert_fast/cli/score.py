"""The verbs that score and read: variants, scan, predict, embed, tokenize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .estimate import machines_of, show_estimate
from .flags import common as c
from .screen import dim, note, show_counts, shown_progress

__all__ = ["embed", "predict", "scan", "tokenize", "variants"]


def variants(
    vcf: c.Vcf,
    genome: c.Genome,
    output: c.VcfOutput,
    model: c.NamedModels = None,
    models: c.ModelList = None,
    ensemble: c.EnsembleScores = None,
    fields: c.ScoreFields = None,
    windows: c.Windows = "centred",
    window: c.Window = None,
    strand: c.Strand = "+",
    class_name: c.ClassName = None,
    ref_mismatch: c.RefMismatch = "skip",
    normalize: c.Normalize = False,
    alias: c.Alias = None,
    overwrite: c.Overwrite = False,
    table: c.KnownTable = None,
    precision: c.Precision = "auto",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    report: c.Report = None,
    work: c.Work = None,
    shard: c.Shard = None,
    shard_size: c.ShardSize = None,
    ray: c.Ray = None,
    ray_cpus: c.RayCpus = None,
    estimate: c.Estimate = False,
    machines: c.Machines = None,
    quiet: c.Quiet = False,
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
    genome: c.Genome,
    model: c.Model,
    output: c.ScanOutput,
    window: c.Window = None,
    stride: c.Stride = 100,
    strand: c.Strand = "+",
    regions: c.Regions = None,
    calls: c.Calls = None,
    threshold: c.Threshold = None,
    max_n: c.MaxN = 0.5,
    class_name: c.ClassName = None,
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    report: c.Report = None,
    work: c.Work = None,
    shard: c.Shard = None,
    shard_size: c.ShardSize = None,
    ray: c.Ray = None,
    ray_cpus: c.RayCpus = None,
    estimate: c.Estimate = False,
    machines: c.Machines = None,
    quiet: c.Quiet = False,
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
    sequences: c.Sequences,
    model: c.Model,
    output: c.TableOutput,
    strand: c.Strand = "+",
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    work: c.Work = None,
    shard: c.Shard = None,
    shard_size: c.ShardSize = None,
    ray: c.Ray = None,
    ray_cpus: c.RayCpus = None,
    estimate: c.Estimate = False,
    machines: c.Machines = None,
    quiet: c.Quiet = False,
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
    sequences: c.Sequences,
    model: c.Model,
    output: c.VectorOutput,
    pooling: c.Pooling = "mean",
    strand: c.Strand = "+",
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    work: c.Work = None,
    shard: c.Shard = None,
    shard_size: c.ShardSize = None,
    ray: c.Ray = None,
    ray_cpus: c.RayCpus = None,
    estimate: c.Estimate = False,
    machines: c.Machines = None,
    quiet: c.Quiet = False,
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
    sequences: c.Sequences,
    k: c.Kmer = 6,
    output: c.TextOutput = Path("-"),
    ids: c.Ids = False,
    quiet: c.Quiet = False,
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
