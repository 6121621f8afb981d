"""The flags that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from .kinds import argument, file, option

# What goes in
Vcf: TypeAlias = Annotated[str, argument(help="VCF (plain, gzip, BGZF or - for stdin) or BCF.", metavar="VCF")]
Genome: TypeAlias = Annotated[
    str, argument(help="FASTA (plain, gzip, BGZF or - for stdin) or UCSC .2bit.", metavar="GENOME")
]
Sequences: TypeAlias = Annotated[
    str, argument(help="FASTA, or csv/tsv with a column 'sequence'; plain, gzip or -.", metavar="SEQS")
]

# The model and the machine
Model: TypeAlias = Annotated[str, file("Model folder, hub name, or 'demo'.", "DIR", "--model", "-m")]
NamedModels: TypeAlias = Annotated[
    list[str] | None,
    file(
        "Model folder, hub name or 'demo'; NAME= goes into the fields' names. Once for each of several models.",
        "[NAME=]DIR", "--model", "-m",
    ),
]  # fmt: skip
ModelList: TypeAlias = Annotated[
    Path | None, file("Several models: lines of name, folder and, if wanted, class, with tabs between.", "FILE")
]
EnsembleScores: TypeAlias = Annotated[
    str | None, option(help="mean: scores of the mean of the models' log-odds too.", metavar="mean")
]
ScoreFields: TypeAlias = Annotated[
    str | None, option("--fields", help="Scores to write of each model: some of REF,ALT,DIFF,LOGOR.", metavar="LIST")
]
Strand: TypeAlias = Annotated[str, option(help="Strand the model reads: +, - or both (their mean).")]
ClassName: TypeAlias = Annotated[
    str | None, option("--class", help="Class to score, for models of more than two.", metavar="NAME")
]
Precision: TypeAlias = Annotated[
    str, option(help="auto (the fastest that passed `check`), fp32, bf16, int8 (CPU), fp16 or fp8 (GPU).")
]
Device: TypeAlias = Annotated[
    str, option(help="auto, cpu, cuda (all GPUs), cuda:1, or a list such as cuda:0,cuda:1 or cpu,cpu.")
]
Threads: TypeAlias = Annotated[int | None, option(help="CPU threads; default: all cores.", min=1)]

# Windows
Window: TypeAlias = Annotated[int | None, option(help="Bases of a window; default: what the model was trained on.")]
Windows: TypeAlias = Annotated[
    str, option(help="'centred', 'tiled' (neighbours share windows), or a BED file whose regions are the windows.")
]
Stride: TypeAlias = Annotated[int, option(help="Bases between the starts of windows.", min=1)]
Regions: TypeAlias = Annotated[Path | None, file("Scan these regions only.", "BED")]
MaxN: TypeAlias = Annotated[
    float, option(help="Leave out windows with more than this share of unknown bases.", min=0, max=1)
]

# Variants
RefMismatch: TypeAlias = Annotated[
    str, option(help="Where REF differs from the genome: error, warn (score all the same) or skip.")
]
Normalize: TypeAlias = Annotated[bool, option(help="Trim and left-align alleles for scoring; records stay as written.")]
Alias: TypeAlias = Annotated[Path | None, file("Contig names: a UCSC chromAlias.txt.")]
KnownTable: TypeAlias = Annotated[
    Path | None, file("Scores of `saturate`: alleles in it are not scored again.", "TSV.GZ", "--table")
]
Overwrite: TypeAlias = Annotated[bool, option(help="Replace DNABERT fields that the input already has.")]

# What comes out
Quiet: TypeAlias = Annotated[bool, option("--quiet", "-q", help="No progress and no summary on the screen.")]
Summary: TypeAlias = Annotated[Path | None, file("Write the facts of the run here, as JSON.")]
VcfOutput: TypeAlias = Annotated[
    Path, file(".vcf.gz, .vcf, .bcf, .tsv.gz, .tsv, .parquet, or - for VCF.", "FILE", "--output", "-o")
]
ScanOutput: TypeAlias = Annotated[
    Path, file(".bw, .bedgraph.gz (a score a base), .bed.gz, .tsv.gz, .parquet (a window).", "FILE", "--output", "-o")
]
TableOutput: TypeAlias = Annotated[Path, file(".tsv, .tsv.gz or .parquet.", "FILE", "--output", "-o")]
VectorOutput: TypeAlias = Annotated[Path, file(".npy or .parquet.", "FILE", "--output", "-o")]
TextOutput: TypeAlias = Annotated[Path, file("A text file (.gz: BGZF), or - for stdout.", "FILE", "--output", "-o")]
Folder: TypeAlias = Annotated[Path, file("Folder for the results.", "DIR", "--output", "-o")]
Calls: TypeAlias = Annotated[Path | None, file("Write merged windows over the threshold here.", "BED")]
Threshold: TypeAlias = Annotated[float | None, option(help="Score from which a window is part of a call; default 0.5.")]
Pooling: TypeAlias = Annotated[str, option(help="mean (over the k-mers) or cls.")]
Kmer: TypeAlias = Annotated[int, option("--kmer", "-k", help="Length of the k-mers.", min=3, max=6)]
Ids: TypeAlias = Annotated[bool, option(help="Token ids in place of letters.")]
Report: TypeAlias = Annotated[
    Path | None, file("Write a page of the results here, which needs nothing else.", "FILE.html")
]

# Jobs in shards, and what they would take
Work: TypeAlias = Annotated[
    Path | None, file("Keep what is done here, shard by shard; the same command goes on from it.", "DIR", "--work")
]
Shard: TypeAlias = Annotated[
    str | None, option("--shard", help="Compute this part of the shards alone, for `merge`.", metavar="I/N")
]
ShardSize: TypeAlias = Annotated[
    int | None, option("--shard-size", help="Sections (VCF), stretches (scan) or units a shard.", min=1)
]
Ray: TypeAlias = Annotated[
    str | None, option("--ray", help="Run the shards on a Ray cluster: auto (this machine's) or HOST:PORT.",
                        metavar="ADDRESS")
]  # fmt: skip
RayCpus: TypeAlias = Annotated[
    int | None, option("--ray-cpus", help="Cores of each actor; default: all of the smallest node, or a GPU's share.",
                        min=1)
]  # fmt: skip
Job: TypeAlias = Annotated[Path, argument(help="The folder that --work was given.", metavar="DIR")]
Merged: TypeAlias = Annotated[
    Path | None, file("Of the job's kind of file; default: where it was begun to write.", "FILE", "--output", "-o")
]
MergedCalls: TypeAlias = Annotated[Path | None, file("The same for --calls of a scan.", "BED", "--calls")]
Estimate: TypeAlias = Annotated[bool, option("--estimate", help="Tell what the run would take in place of making it.")]
Machines: TypeAlias = Annotated[
    int | None, option("--machines", help="Tell also what --estimate expects of so many such machines.", min=1)
]


# Groups of flags, for verbs that take them alike
def machine(
    precision: Precision = "fp32", device: Device = "auto", threads: Threads = None, summary: Summary = None
) -> None:
    """What runs a model, and how exactly; and where the run tells of itself."""


def page(report: Report = None) -> None:
    """What else a run whose results can be looked at writes."""


def shards(
    work: Work = None,
    shard: Shard = None,
    shard_size: ShardSize = None,
    ray: Ray = None,
    ray_cpus: RayCpus = None,
    estimate: Estimate = False,
    machines: Machines = None,
) -> None:
    """How a run is made in parts, and what it would take."""


def quiet(quiet: Quiet = False) -> None:
    """Whether anything is shown; the last flag of a verb."""
