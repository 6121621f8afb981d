"""The flags of the verbs, each written once so that it means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_option, _argument = typer.Option, typer.Argument


def _file(help: str, metavar: str = "FILE", *names: str) -> object:
    return _option(*names, help=help, metavar=metavar)


# What goes in
Vcf: TypeAlias = Annotated[str, _argument(help="VCF (plain, gzip, BGZF or - for stdin) or BCF.", metavar="VCF")]
Genome: TypeAlias = Annotated[
    str, _argument(help="FASTA (plain, gzip, BGZF or - for stdin) or UCSC .2bit.", metavar="GENOME")
]
Sequences: TypeAlias = Annotated[
    str, _argument(help="FASTA, or csv/tsv with a column 'sequence'; plain, gzip or -.", metavar="SEQS")
]

# The model and the machine
Model: TypeAlias = Annotated[str, _file("Model folder, hub name, or 'demo'.", "DIR", "--model", "-m")]
NamedModels: TypeAlias = Annotated[
    list[str] | None,
    _file(
        "Model folder, hub name or 'demo'; NAME= goes into the fields' names. Once for each of several models.",
        "[NAME=]DIR", "--model", "-m",
    ),
]  # fmt: skip
ModelList: TypeAlias = Annotated[
    Path | None, _file("Several models: lines of name, folder and, if wanted, class, with tabs between.", "FILE")
]
EnsembleScores: TypeAlias = Annotated[
    str | None, _option(help="mean: scores of the mean of the models' log-odds too.", metavar="mean")
]
ScoreFields: TypeAlias = Annotated[
    str | None, _option("--fields", help="Scores to write of each model: some of REF,ALT,DIFF,LOGOR.", metavar="LIST")
]
Strand: TypeAlias = Annotated[str, _option(help="Strand the model reads: +, - or both (their mean).")]
ClassName: TypeAlias = Annotated[
    str | None, _option("--class", help="Class to score, for models of more than two.", metavar="NAME")
]
Precision: TypeAlias = Annotated[
    str, _option(help="auto (the fastest that passed `check`), fp32, bf16, int8 (CPU), fp16 or fp8 (GPU).")
]
Device: TypeAlias = Annotated[
    str, _option(help="auto, cpu, cuda (all GPUs), cuda:1, or a list such as cuda:0,cuda:1 or cpu,cpu.")
]
Threads: TypeAlias = Annotated[int | None, _option(help="CPU threads; default: all cores.", min=1)]

# Windows
Window: TypeAlias = Annotated[int | None, _option(help="Bases of a window; default: what the model was trained on.")]
Windows: TypeAlias = Annotated[
    str, _option(help="'centred', 'tiled' (neighbours share windows), or a BED file whose regions are the windows.")
]
Stride: TypeAlias = Annotated[int, _option(help="Bases between the starts of windows.", min=1)]
Regions: TypeAlias = Annotated[Path | None, _file("Scan these regions only.", "BED")]
MaxN: TypeAlias = Annotated[
    float, _option(help="Leave out windows with more than this share of unknown bases.", min=0, max=1)
]

# Variants
RefMismatch: TypeAlias = Annotated[
    str, _option(help="Where REF differs from the genome: error, warn (score all the same) or skip.")
]
Normalize: TypeAlias = Annotated[
    bool, _option(help="Trim and left-align alleles for scoring; records stay as written.")
]
Alias: TypeAlias = Annotated[Path | None, _file("Contig names: a UCSC chromAlias.txt.")]
KnownTable: TypeAlias = Annotated[
    Path | None, _file("Scores of `saturate`: alleles in it are not scored again.", "TSV.GZ", "--table")
]
Overwrite: TypeAlias = Annotated[bool, _option(help="Replace DNABERT fields that the input already has.")]

# What comes out
Quiet: TypeAlias = Annotated[bool, _option("--quiet", "-q", help="No progress and no summary on the screen.")]
Summary: TypeAlias = Annotated[Path | None, _file("Write the facts of the run here, as JSON.")]
VcfOutput: TypeAlias = Annotated[
    Path, _file(".vcf.gz, .vcf, .bcf, .tsv.gz, .tsv, .parquet, or - for VCF.", "FILE", "--output", "-o")
]
ScanOutput: TypeAlias = Annotated[
    Path, _file(".bw, .bedgraph.gz (a score a base), .bed.gz, .tsv.gz, .parquet (a window).", "FILE", "--output", "-o")
]
TableOutput: TypeAlias = Annotated[Path, _file(".tsv, .tsv.gz or .parquet.", "FILE", "--output", "-o")]
VectorOutput: TypeAlias = Annotated[Path, _file(".npy or .parquet.", "FILE", "--output", "-o")]
TextOutput: TypeAlias = Annotated[Path, _file("A text file (.gz: BGZF), or - for stdout.", "FILE", "--output", "-o")]
Folder: TypeAlias = Annotated[Path, _file("Folder for the results.", "DIR", "--output", "-o")]
Calls: TypeAlias = Annotated[Path | None, _file("Write merged windows over the threshold here.", "BED")]
Threshold: TypeAlias = Annotated[
    float | None, _option(help="Score from which a window is part of a call; default 0.5.")
]
Pooling: TypeAlias = Annotated[str, _option(help="mean (over the k-mers) or cls.")]
Kmer: TypeAlias = Annotated[int, _option("--kmer", "-k", help="Length of the k-mers.", min=3, max=6)]
Ids: TypeAlias = Annotated[bool, _option(help="Token ids in place of letters.")]

# Jobs in shards
Work: TypeAlias = Annotated[
    Path | None, _file("Keep what is done here, shard by shard; the same command goes on from it.", "DIR", "--work")
]
Shard: TypeAlias = Annotated[
    str | None, _option("--shard", help="Compute this part of the shards alone, for `merge`.", metavar="I/N")
]
ShardSize: TypeAlias = Annotated[
    int | None, _option("--shard-size", help="Sections (VCF), stretches (scan) or units of sequences a shard.", min=1)
]
Ray: TypeAlias = Annotated[
    str | None, _option("--ray", help="Run the shards on a Ray cluster: auto (this machine's) or HOST:PORT.",
                        metavar="ADDRESS")
]  # fmt: skip
RayCpus: TypeAlias = Annotated[
    int | None, _option("--ray-cpus", help="Cores of each actor; default: all of the smallest node, or a GPU's share.",
                        min=1)
]  # fmt: skip
Job: TypeAlias = Annotated[Path, _argument(help="The folder that --work was given.", metavar="DIR")]
Merged: TypeAlias = Annotated[
    Path | None, _file("Of the job's kind of file; default: where it was begun to write.", "FILE", "--output", "-o")
]
MergedCalls: TypeAlias = Annotated[Path | None, _file("The same for --calls of a scan.", "BED", "--calls")]

# Attention
Attended: TypeAlias = Annotated[
    str, _argument(help="Sequences (FASTA, csv/tsv), or with --window or --regions a genome.", metavar="INPUT")
]
AttentionOutput: TypeAlias = Annotated[
    Path, _file(".npy, .npz, .tsv.gz, .parquet; of a genome .bw, .bedgraph.gz.", "FILE", "--output", "-o")
]
AttendedRegions: TypeAlias = Annotated[
    Path | None, _file("Each region is a window; with --window or --stride: tile these regions.", "BED", "--regions")
]
AttendedStride: TypeAlias = Annotated[
    int | None, _option("--stride", help="Bases between the starts of windows; default 100.", min=1)
]
Raw: TypeAlias = Annotated[bool, _option("--raw", help="Scores as they are, not divided by each window's norm.")]
High: TypeAlias = Annotated[
    Path | None, _file("Write regions above the window's mean and 10 times its lowest score here.", "BED")
]
Quantile: TypeAlias = Annotated[
    float | None, _option(help="High is above this quantile of the window instead.", min=0, max=1)
]
FullMap: TypeAlias = Annotated[
    bool, _option("--full-map", help="Write every token's attention to every other, of a single window, as .npy.")
]

# Changing windows
MutatedGenome: TypeAlias = Annotated[
    str | None, _argument(help="FASTA or .2bit of --region or --variants.", metavar="[GENOME]")
]
MutatedRegions: TypeAlias = Annotated[
    list[str] | None,
    _option("--region", help="A window of GENOME, from 1 with both ends; may be repeated.", metavar="CONTIG:START-END"),
]
MutatedVariants: TypeAlias = Annotated[
    Path | None, _file("The windows of these variants, which are drawn on the maps.", "VCF", "--variants")
]
MutatedSequences: TypeAlias = Annotated[
    Path | None, _file("Each is a window: FASTA, or csv/tsv with a column 'sequence'.", "FILE", "--sequences")
]
Mutations: TypeAlias = Annotated[
    Path | None, _file("Score these changes alone: lines of row of --sequences (from 0), start, end, allele.")
]
Deletions: TypeAlias = Annotated[int, _option(help="Delete 1 to so many bases at every place, too.", min=0)]
Gradients: TypeAlias = Annotated[int, _option(help="Integrated gradients in so many steps, too.", min=0)]
Picture: TypeAlias = Annotated[bool, _option("--picture", help="Draw a map of each window.")]

# Screening
ScreenedVcf: TypeAlias = Annotated[str, _argument(help="VCF (plain, gzip, BGZF) or BCF; read twice.", metavar="VCF")]
ScreenedWindows: TypeAlias = Annotated[
    Path | None, _file("Look at these windows only, and score variants in them; default: a grid.", "BED", "--windows")
]
Known: TypeAlias = Annotated[
    list[str] | None,
    _file("Known variants: VCF, BCF, or a table of chrom, pos, ref, alt; may be repeated.", "NAME=FILE"),
]
Top: TypeAlias = Annotated[
    int | None, _option("--top", help="Candidates: so many of the largest |difference|; default 100.", min=1)
]
LeastDifference: TypeAlias = Annotated[
    float | None, _option("--threshold", help="Candidates: all from this |difference| on instead.", min=0)
]
RegionQuantile: TypeAlias = Annotated[
    float | None,
    _option("--quantile", help="Regions are above this quantile of their window, not its mean.", min=0, max=1),
]

# Motifs
MotifSequences: TypeAlias = Annotated[
    str, _argument(help="csv/tsv with columns sequence,label or FASTA with labels; with --negatives without.",
                   metavar="SEQS")
]  # fmt: skip
MotifModel: TypeAlias = Annotated[str | None, _file("Model folder, hub name, or 'demo'.", "DIR", "--model", "-m")]
Negatives: TypeAlias = Annotated[Path | None, _file("Sequences without the motifs, where SEQS has no labels.", "FILE")]
BaseScores: TypeAlias = Annotated[
    str, _option("--scores", help="attention, gradients, mutagenesis, or what `attention` wrote (.npy, .npz).",
                 metavar="WAY|FILE")
]  # fmt: skip
Database: TypeAlias = Annotated[Path | None, _file("Known motifs (MEME or JASPAR .pfm) to compare with.", "FILE")]
PositiveClass: TypeAlias = Annotated[
    str | None, _option("--class", help="The positive class; default: 1 of two.", metavar="NAME")
]
MotifWidth: TypeAlias = Annotated[int, _option("--width", help="Bases of a motif with its flanks.", min=1)]
MinLength: TypeAlias = Annotated[int, _option(help="Bases of the shortest region.", min=1)]
Cutoff: TypeAlias = Annotated[float, _option(help="Adjusted p-value below which a string is enriched.")]
MinSites: TypeAlias = Annotated[int, _option(help="Sites that a motif must have.", min=1)]
AllTies: TypeAlias = Annotated[
    bool, _option("--all-ties", help="Add a string that fits several motifs equally well to all of them.")
]
SingleStrand: TypeAlias = Annotated[
    bool, _option("--single-strand", help="Count strings on the strand as written alone.")
]
Logos: TypeAlias = Annotated[bool, _option(help="Draw a logo of each motif.")]

# Checking
CheckedModel: TypeAlias = Annotated[str, _argument(help="Model folder, hub name, or 'demo'.", metavar="MODEL")]
CheckedPrecision: TypeAlias = Annotated[
    str, _option("--precision", help="One of fp32, bf16, int8 (CPU), fp16, fp8 (GPU), or all the device has.")
]
CheckedDevice: TypeAlias = Annotated[str, _option("--device", help="auto, cpu, cuda, or cuda:1 for a certain GPU.")]
CheckedVcf: TypeAlias = Annotated[
    Path | None, _file("Take SNVs from this VCF or BCF; default: HG002's on a piece of chr20.", "VCF", "--variants")
]
CheckedGenome: TypeAlias = Annotated[Path | None, _file("The genome of --variants.", "FASTA", "--genome")]
Count: TypeAlias = Annotated[int | None, _option(help="SNVs, spread evenly over the file; default 256.", min=1)]
Scores: TypeAlias = Annotated[Path | None, _file("Write the scores here, for --against on another machine.")]
Against: TypeAlias = Annotated[Path | None, _file("Compare with --scores of another machine.")]

# Training
Train: TypeAlias = Annotated[
    str,
    _file("Training set: csv/tsv with columns sequence,label (pairs: sequence2 too), FASTA, BED, or a FASTA a class.",
          "FILE[,FILE...]"),
]  # fmt: skip
Dev: TypeAlias = Annotated[str, _file("Development set: the best step is chosen on it.", "FILE[,FILE...]")]
Test: TypeAlias = Annotated[str | None, _file("Held-out set, judged once at the end.", "FILE[,FILE...]")]
Labels: TypeAlias = Annotated[
    Path | None, _file("Lines of name and label for FASTA; default: label= in its headers.", "FILE")
]
TrainGenome: TypeAlias = Annotated[
    Path | None, _file("The sets are BED on this genome; column 5 (or 4) is the label.", "GENOME", "--genome")
]
LabelTask: TypeAlias = Annotated[
    str, _option("--task", help="What labels are: auto, classes, regression or tokens (one a base).")
]
Classes: TypeAlias = Annotated[str | None, _option(help="Names of the classes 0, 1, ...", metavar="NAME,NAME...")]
Preset: TypeAlias = Annotated[str, _option(help="Recipe: general, prom-300, prom-core, prom-scan, tf, splice or demo.")]
Head: TypeAlias = Annotated[
    str | None, _option(help="How pieces of long windows are joined: auto, concat, rnn or mean.")
]
LearningRates: TypeAlias = Annotated[
    str | None, _option(help="Try each from the same start; dev chooses.", metavar="RATE,RATE...")
]
Seeds: TypeAlias = Annotated[
    int, _option(help="Runs, with seeds from --seed on; the best by dev is kept (with --sets: all are).", min=1)
]
WarmUpShare: TypeAlias = Annotated[
    float | None, _option("--warm-up", help="Share of the steps over which the learning rate rises.")
]
WeightDecay: TypeAlias = Annotated[float | None, _option(help="Decay of weights a step, in learning rates.")]
Dropout: TypeAlias = Annotated[float | None, _option(help="Dropout before the head; default: the encoder's.")]
ClassWeights: TypeAlias = Annotated[
    str | None, _option(help="Weights of the classes in the loss.", metavar="balanced|W0,W1,...")
]
Shift: TypeAlias = Annotated[int | None, _option(help="Move windows by up to so many bases in training.", min=0)]
Evaluations: TypeAlias = Annotated[int | None, _option(help="Evaluations on dev an epoch.")]
Patience: TypeAlias = Annotated[
    int | None, _option(help="Stop after so many evaluations without a better one; default: never.")
]
Lora: TypeAlias = Annotated[
    int | None, _option(help="Train adapters of this rank in place of the encoder.", metavar="RANK")
]
LoraAlpha: TypeAlias = Annotated[float | None, _option(help="Scale of the adapters times RANK; default: 2 RANK.")]
FreezeEncoder: TypeAlias = Annotated[bool | None, _option("--freeze-encoder", help="Train the head alone.")]
StartKmer: TypeAlias = Annotated[
    int | None, _option("--kmer", "-k", help="Length of the k-mers: that of --network, and checked of --model.")
]
Pretrained: TypeAlias = Annotated[
    str | None, _file("Pre-trained folder or hub name to start from.", "DIR", "--model", "-m")
]
Network: TypeAlias = Annotated[
    str | None, _option(help="Start from random weights of this shape, e.g. tiny or dnabert-6.")
]
PretrainedModels: TypeAlias = Annotated[
    list[str] | None,
    _file("Pre-trained folder or hub name to start from; with --sets repeatable.", "[NAME=]DIR", "--model", "-m"),
]
Networks: TypeAlias = Annotated[
    list[str] | None,
    _file("Start from random weights of this shape: tiny, dnabert-6 ..., or a folder's; with --sets repeatable.",
          "[NAME=]SHAPE|DIR"),
]  # fmt: skip
Baselines: TypeAlias = Annotated[
    list[str] | None,
    _file("Train cnn, cnn-lstm or cnn-gru over one-hot bases in place of DNABERT; with --sets repeatable.", "NAME",
          "--baseline"),
]  # fmt: skip
TrainOrSets: TypeAlias = Annotated[
    str | None,
    _file("Training set: csv/tsv with columns sequence,label (pairs: sequence2 too), FASTA, BED, or a FASTA a class.",
          "FILE[,FILE...]", "--train"),
]  # fmt: skip
DevOrSets: TypeAlias = Annotated[
    str | None, _file("Development set: the best step is chosen on it.", "FILE[,FILE...]", "--dev")
]
Sets: TypeAlias = Annotated[
    Path | None,
    _file("Train on many sets: a table of name, train, dev, test (and flags of each), or a folder of their folders.",
          "TABLE|DIR"),
]  # fmt: skip
Rates: TypeAlias = Annotated[
    list[str] | None, _option("--rate", help="Learning rate of one model of --sets.", metavar="NAME=RATE")
]
Keep: TypeAlias = Annotated[str, _option(help="What --sets leaves of each run: models or metrics.")]
MaxTrain: TypeAlias = Annotated[
    int | None, _option(help="Train on at most so many sequences, drawn by the seed, classes in their shares.")
]
OverwriteModel: TypeAlias = Annotated[bool, _option("--overwrite", help="Replace the model that the folder holds.")]
LearningRate: TypeAlias = Annotated[float | None, _option(help="Peak learning rate.")]
Epochs: TypeAlias = Annotated[int | None, _option(help="Passes over the training set.")]
Batch: TypeAlias = Annotated[int | None, _option(help="Sequences a step.")]
Anchor: TypeAlias = Annotated[str | None, _option(help="What stands where in the windows; written into the model.")]
BothStrands: TypeAlias = Annotated[bool | None, _option(help="Train on both strands.")]
Seed: TypeAlias = Annotated[int, _option(help="Seed of weights, order and dropout.")]

# Pre-training
Genomes: TypeAlias = Annotated[list[str], _argument(help="FASTA or .2bit files to train on.", metavar="GENOME...")]
PretrainPreset: TypeAlias = Annotated[
    str, _option("--preset", help="Recipe: dnabert-3 to dnabert-6 (the paper's), small, mini or tiny.")
]
OtherKmer: TypeAlias = Annotated[int | None, _option("--kmer", "-k", help="Other k-mers than the preset's: 3 to 6.")]
Steps: TypeAlias = Annotated[int | None, _option(help="Steps to make.")]
TotalSteps: TypeAlias = Annotated[int | None, _option(help="Steps after which the learning rate would be 0.")]
WarmUp: TypeAlias = Annotated[int | None, _option(help="Steps over which the learning rate rises.")]
MaskRate: TypeAlias = Annotated[
    str | None, _option(help="Share of tokens to mask, or a schedule.", metavar="RATE[,RATE@STEP...]")
]
WholeSpans: TypeAlias = Annotated[
    bool | None, _option("--whole-spans/--by-token", help="Draw what replaces masked k-mers once a span, or for each.")
]
Span: TypeAlias = Annotated[int | None, _option(help="K-mers masked side by side; default: k.")]
Longest: TypeAlias = Annotated[
    int | None, _option(help="Bases of the longest samples; default: what 510 k-mers span. Short ones train sooner.")
]
Positions: TypeAlias = Annotated[
    str | None,
    _option(help="How the position table starts: random, or sinusoidal, which small networks need."),
]
TrainedStrand: TypeAlias = Annotated[str | None, _option("--strand", help="Strand of the samples: + or both.")]
Include: TypeAlias = Annotated[
    list[str] | None, _option(help="Train on these contigs or regions alone; may be repeated.", metavar="CONTIG|BED")
]
Exclude: TypeAlias = Annotated[
    list[str] | None, _option(help="Hold these out for evaluation; may be repeated.", metavar="CONTIG|BED")
]
SaveEvery: TypeAlias = Annotated[int, _option(help="Steps between checkpoints.")]
EvaluateEvery: TypeAlias = Annotated[
    int | None, _option(help="Steps between evaluations on what is held out; default: --save-every.")
]
EvaluateSamples: TypeAlias = Annotated[int, _option(help="Samples of an evaluation.")]
MaxTokens: TypeAlias = Annotated[
    int | None, _option(help="Tokens the device computes at a time; changes memory, not the recipe.")
]
Resume: TypeAlias = Annotated[bool, _option("--resume", help="Go on from the newest whole checkpoint of the folder.")]
TrainedPrecision: TypeAlias = Annotated[
    str, _option("--precision", help="auto (bf16 on GPUs, fp32 on processors), bf16 or fp32.")
]
TensorBoard: TypeAlias = Annotated[Path | None, _file("Write the log for TensorBoard too.", "DIR")]

# Judging
Judged: TypeAlias = Annotated[
    Path | None, _argument(help="Labelled rows: csv/tsv with columns sequence,label.", metavar="[TABLE]")
]
JudgedModels: TypeAlias = Annotated[
    list[str] | None, _file("A model to judge; may be repeated.", "[NAME=]DIR", "--model", "-m")
]
Predictions: TypeAlias = Annotated[
    list[str] | None, _file("Another tool's regions (.bed) or table of name,score; may be repeated.", "[NAME=]FILE")
]
Ensemble: TypeAlias = Annotated[bool, _option("--ensemble", help="Judge the mean of all models too.")]
Calibrate: TypeAlias = Annotated[
    Path | None, _file("Fit each model's temperature on this set and write it into its config.json.", "TABLE")
]
Results: TypeAlias = Annotated[
    Path | None, _file("In place of TABLE: a row a set and model, to compare models over sets.", "FILE")
]
Metric: TypeAlias = Annotated[list[str] | None, _option(help="Column of --results to go by; default: mcc.")]
Thresholds: TypeAlias = Annotated[
    list[str] | None, _option("--threshold", help="Score from which class 1 is called.", metavar="NAME=SCORE")
]
Overlap: TypeAlias = Annotated[
    float, _option(help="Share of row and region in common from which a region answers; 0: one base.")
]
Group: TypeAlias = Annotated[
    str | None, _option(help="Judge 1,000-base stretches by max, mean or second-max of their windows.")
]
MaxMissing: TypeAlias = Annotated[float, _option(help="Share of rows that may lack a predictor's answer.")]
Resamples: TypeAlias = Annotated[int, _option(help="Bootstrap resamples of the intervals.")]
Interval: TypeAlias = Annotated[str, _option(help="percentile or bca.")]
Level: TypeAlias = Annotated[float, _option(help="Level of the intervals.")]
ResamplingSeed: TypeAlias = Annotated[int, _option("--seed", help="Seed of the resamples.")]
JudgedVariants: TypeAlias = Annotated[
    list[str] | None,
    _file("In place of TABLE: scored alleles (VCF, BCF, .tsv, .parquet); repeated, others add scores of them.", "FILE",
          "--variants"),
]  # fmt: skip
KnownTruth: TypeAlias = Annotated[
    str | None,
    _option("--truth", help="What is known of them: FIELD of 0 and 1 or of numbers, or values of class 1 (and 0).",
            metavar="FIELD[=A,B[:C,D]]"),
]  # fmt: skip
JudgedScores: TypeAlias = Annotated[
    list[str] | None,
    _option("--score", help="Judge this field too, or ours in this direction; may be repeated.",
            metavar="FIELD[:sign|neg|abs]"),
]  # fmt: skip
NearFeatures: TypeAlias = Annotated[
    list[str] | None,
    _file("Tell alleles apart by their distance to these regions; may be repeated.", "[NAME=]BED", "--features"),
]
DistanceBins: TypeAlias = Annotated[
    str | None, _option("--bins", help="Upper ends of the bins of distances; default: 100,1000,10000.")
]
Classifiers: TypeAlias = Annotated[
    list[str] | None,
    _option("--classifier", help="Learn from all scores: logistic (default), boosting, none; may be repeated.",
            metavar="KIND"),
]  # fmt: skip

# Reports
Report: TypeAlias = Annotated[
    Path | None, _file("Write a page of the results here, which needs nothing else.", "FILE.html")
]
Reported: TypeAlias = Annotated[
    Path, _argument(help="What variants or scan wrote, or the folder of screen or motifs.", metavar="RESULTS")
]
ReportOutput: TypeAlias = Annotated[Path, _file("The page, .html.", "FILE.html", "--output", "-o")]
ReportedModel: TypeAlias = Annotated[
    str | None, _file("The run's model, for its card and for mutation maps.", "[NAME=]DIR", "--model", "-m")
]
ReportedGenome: TypeAlias = Annotated[
    Path | None, _file("The run's genome, for mutation maps.", "GENOME", "--genome", "-g")
]
ReportedCalls: TypeAlias = Annotated[Path | None, _file("The regions that --calls of a scan wrote.", "BED", "--calls")]
Facts: TypeAlias = Annotated[Path | None, _file("What --summary of the run wrote.", "JSON")]
Maps: TypeAlias = Annotated[int, _option(help="Mutation maps of so many of the largest changes.", min=0)]

# Estimates and benchmarks
Estimate: TypeAlias = Annotated[bool, _option("--estimate", help="Tell what the run would take in place of making it.")]
Machines: TypeAlias = Annotated[
    int | None, _option("--machines", help="Tell also what --estimate expects of so many such machines.", min=1)
]
BenchModel: TypeAlias = Annotated[
    str | None,
    _file("Model folder, hub name, 'demo' or a shape of random weights (dnabert-6); default: both.", "DIR",
          "--model", "-m"),
]  # fmt: skip
GueFolder: TypeAlias = Annotated[Path, _argument(help="A folder of folders with train, dev and test.", metavar="DIR")]
GueModels: TypeAlias = Annotated[
    list[str] | None,
    _file("Pre-trained model to fine-tune, or folder of a model a set; repeatable.", "[NAME=]DIR", "--model", "-m"),
]
Quick: TypeAlias = Annotated[bool, _option("--quick", help="A second for each figure, and the small model alone.")]
Json: TypeAlias = Annotated[Path | None, _file("Write the figures as JSON.", "FILE", "--json")]
