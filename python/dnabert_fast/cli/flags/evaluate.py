"""The flags of what judges and measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from .kinds import argument, file, option

# Judging
Judged: TypeAlias = Annotated[
    Path | None, argument(help="Labelled rows: csv/tsv with columns sequence,label.", metavar="[TABLE]")
]
JudgedModels: TypeAlias = Annotated[
    list[str] | None, file("A model to judge; may be repeated.", "[NAME=]DIR", "--model", "-m")
]
Predictions: TypeAlias = Annotated[
    list[str] | None, file("Another tool's regions (.bed) or table of name,score; may be repeated.", "[NAME=]FILE")
]
Ensemble: TypeAlias = Annotated[bool, option("--ensemble", help="Judge the mean of all models too.")]
Calibrate: TypeAlias = Annotated[
    Path | None, file("Fit each model's temperature on this set and write it into its config.json.", "TABLE")
]
Results: TypeAlias = Annotated[
    Path | None, file("In place of TABLE: a row a set and model, to compare models over sets.", "FILE")
]
Metric: TypeAlias = Annotated[list[str] | None, option(help="Column of --results to go by; default: mcc.")]
Thresholds: TypeAlias = Annotated[
    list[str] | None, option("--threshold", help="Score from which class 1 is called.", metavar="NAME=SCORE")
]
Overlap: TypeAlias = Annotated[
    float, option(help="Share of row and region in common from which a region answers; 0: one base.")
]
Group: TypeAlias = Annotated[
    str | None, option(help="Judge 1,000-base stretches by max, mean or second-max of their windows.")
]
MaxMissing: TypeAlias = Annotated[float, option(help="Share of rows that may lack a predictor's answer.")]
Resamples: TypeAlias = Annotated[int, option(help="Bootstrap resamples of the intervals.")]
Interval: TypeAlias = Annotated[str, option(help="percentile or bca.")]
Level: TypeAlias = Annotated[float, option(help="Level of the intervals.")]
ResamplingSeed: TypeAlias = Annotated[int, option("--seed", help="Seed of the resamples.")]
JudgedVariants: TypeAlias = Annotated[
    list[str] | None,
    file("In place of TABLE: scored alleles (VCF, BCF, .tsv, .parquet); repeated, others add scores of them.", "FILE",
          "--variants"),
]  # fmt: skip
KnownTruth: TypeAlias = Annotated[
    str | None,
    option("--truth", help="What is known of them: FIELD of 0 and 1 or of numbers, or values of class 1 (and 0).",
            metavar="FIELD[=A,B[:C,D]]"),
]  # fmt: skip
JudgedScores: TypeAlias = Annotated[
    list[str] | None,
    option("--score", help="Judge this field too, or ours in this direction; may be repeated.",
            metavar="FIELD[:sign|neg|abs]"),
]  # fmt: skip
NearFeatures: TypeAlias = Annotated[
    list[str] | None,
    file("Tell alleles apart by their distance to these regions; may be repeated.", "[NAME=]BED", "--features"),
]
DistanceBins: TypeAlias = Annotated[
    str | None, option("--bins", help="Upper ends of the bins of distances; default: 100,1000,10000.")
]
Classifiers: TypeAlias = Annotated[
    list[str] | None,
    option("--classifier", help="Learn from all scores: logistic (default), boosting, none; may be repeated.",
            metavar="KIND"),
]  # fmt: skip

# Checking
CheckedModel: TypeAlias = Annotated[str, argument(help="Model folder, hub name, or 'demo'.", metavar="MODEL")]
CheckedPrecision: TypeAlias = Annotated[
    str, option("--precision", help="One of fp32, bf16, int8 (CPU), fp16, fp8 (GPU), or all the device has.")
]
CheckedDevice: TypeAlias = Annotated[str, option("--device", help="auto, cpu, cuda, or cuda:1 for a certain GPU.")]
CheckedVcf: TypeAlias = Annotated[
    Path | None, file("Take SNVs from this VCF or BCF; default: HG002's on a piece of chr20.", "VCF", "--variants")
]
CheckedGenome: TypeAlias = Annotated[Path | None, file("The genome of --variants.", "FASTA", "--genome")]
Count: TypeAlias = Annotated[int | None, option(help="SNVs, spread evenly over the file; default 256.", min=1)]
Scores: TypeAlias = Annotated[Path | None, file("Write the scores here, for --against on another machine.")]
Against: TypeAlias = Annotated[Path | None, file("Compare with --scores of another machine.")]

# Benchmarks
BenchModel: TypeAlias = Annotated[
    str | None,
    file("Model folder, hub name, 'demo' or a shape of random weights (dnabert-6); default: both.", "DIR",
          "--model", "-m"),
]  # fmt: skip
GueFolder: TypeAlias = Annotated[Path, argument(help="A folder of folders with train, dev and test.", metavar="DIR")]
GueModels: TypeAlias = Annotated[
    list[str] | None,
    file("Pre-trained model to fine-tune, or folder of a model a set; repeatable.", "[NAME=]DIR", "--model", "-m"),
]
Quick: TypeAlias = Annotated[bool, option("--quick", help="A second for each figure, and the small model alone.")]
Json: TypeAlias = Annotated[Path | None, file("Write the figures as JSON.", "FILE", "--json")]
