"""The flags of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from .kinds import argument, file, option

# Training
Train: TypeAlias = Annotated[
    str,
    file("Training set: csv/tsv with columns sequence,label (pairs: sequence2 too), FASTA, BED, or a FASTA a class.",
          "FILE[,FILE...]"),
]  # fmt: skip
Dev: TypeAlias = Annotated[str, file("Development set: the best step is chosen on it.", "FILE[,FILE...]")]
Test: TypeAlias = Annotated[str | None, file("Held-out set, judged once at the end.", "FILE[,FILE...]")]
Labels: TypeAlias = Annotated[
    Path | None, file("Lines of name and label for FASTA; default: label= in its headers.", "FILE")
]
TrainGenome: TypeAlias = Annotated[
    Path | None, file("The sets are BED on this genome; column 5 (or 4) is the label.", "GENOME", "--genome")
]
LabelTask: TypeAlias = Annotated[
    str, option("--task", help="What labels are: auto, classes, regression or tokens (one a base).")
]
Classes: TypeAlias = Annotated[str | None, option(help="Names of the classes 0, 1, ...", metavar="NAME,NAME...")]
Preset: TypeAlias = Annotated[str, option(help="Recipe: general, prom-300, prom-core, prom-scan, tf, splice or demo.")]
Head: TypeAlias = Annotated[
    str | None, option(help="How pieces of long windows are joined: auto, concat, rnn or mean.")
]
LearningRates: TypeAlias = Annotated[
    str | None, option(help="Try each from the same start; dev chooses.", metavar="RATE,RATE...")
]
Seeds: TypeAlias = Annotated[
    int, option(help="Runs, with seeds from --seed on; the best by dev is kept (with --sets: all are).", min=1)
]
WarmUpShare: TypeAlias = Annotated[
    float | None, option("--warm-up", help="Share of the steps over which the learning rate rises.")
]
WeightDecay: TypeAlias = Annotated[float | None, option(help="Decay of weights a step, in learning rates.")]
Dropout: TypeAlias = Annotated[float | None, option(help="Dropout before the head; default: the encoder's.")]
ClassWeights: TypeAlias = Annotated[
    str | None, option(help="Weights of the classes in the loss.", metavar="balanced|W0,W1,...")
]
Shift: TypeAlias = Annotated[int | None, option(help="Move windows by up to so many bases in training.", min=0)]
Evaluations: TypeAlias = Annotated[int | None, option(help="Evaluations on dev an epoch.")]
Patience: TypeAlias = Annotated[
    int | None, option(help="Stop after so many evaluations without a better one; default: never.")
]
Lora: TypeAlias = Annotated[
    int | None, option(help="Train adapters of this rank in place of the encoder.", metavar="RANK")
]
LoraAlpha: TypeAlias = Annotated[float | None, option(help="Scale of the adapters times RANK; default: 2 RANK.")]
FreezeEncoder: TypeAlias = Annotated[bool | None, option("--freeze-encoder", help="Train the head alone.")]
StartKmer: TypeAlias = Annotated[
    int | None, option("--kmer", "-k", help="Length of the k-mers: that of --network, and checked of --model.")
]
Pretrained: TypeAlias = Annotated[
    str | None, file("Pre-trained folder or hub name to start from.", "DIR", "--model", "-m")
]
Network: TypeAlias = Annotated[
    str | None, option(help="Start from random weights of this shape, e.g. tiny or dnabert-6.")
]
PretrainedModels: TypeAlias = Annotated[
    list[str] | None,
    file("Pre-trained folder or hub name to start from; with --sets repeatable.", "[NAME=]DIR", "--model", "-m"),
]
Networks: TypeAlias = Annotated[
    list[str] | None,
    file("Start from random weights of this shape: tiny, dnabert-6 ..., or a folder's; with --sets repeatable.",
          "[NAME=]SHAPE|DIR"),
]  # fmt: skip
Baselines: TypeAlias = Annotated[
    list[str] | None,
    file("Train cnn, cnn-lstm or cnn-gru over one-hot bases in place of DNABERT; with --sets repeatable.", "NAME",
          "--baseline"),
]  # fmt: skip
TrainOrSets: TypeAlias = Annotated[
    str | None,
    file("Training set: csv/tsv with columns sequence,label (pairs: sequence2 too), FASTA, BED, or a FASTA a class.",
          "FILE[,FILE...]", "--train"),
]  # fmt: skip
DevOrSets: TypeAlias = Annotated[
    str | None, file("Development set: the best step is chosen on it.", "FILE[,FILE...]", "--dev")
]
Sets: TypeAlias = Annotated[
    Path | None,
    file("Train on many sets: a table of name, train, dev, test (and flags of each), or a folder of their folders.",
          "TABLE|DIR"),
]  # fmt: skip
Rates: TypeAlias = Annotated[
    list[str] | None, option("--rate", help="Learning rate of one model of --sets.", metavar="NAME=RATE")
]
Keep: TypeAlias = Annotated[str, option(help="What --sets leaves of each run: models or metrics.")]
MaxTrain: TypeAlias = Annotated[
    int | None, option(help="Train on at most so many sequences, drawn by the seed, classes in their shares.")
]
OverwriteModel: TypeAlias = Annotated[bool, option("--overwrite", help="Replace the model that the folder holds.")]
LearningRate: TypeAlias = Annotated[float | None, option(help="Peak learning rate.")]
Epochs: TypeAlias = Annotated[int | None, option(help="Passes over the training set.")]
Batch: TypeAlias = Annotated[int | None, option(help="Sequences a step.")]
Anchor: TypeAlias = Annotated[str | None, option(help="What stands where in the windows; written into the model.")]
BothStrands: TypeAlias = Annotated[bool | None, option(help="Train on both strands.")]
Seed: TypeAlias = Annotated[int, option(help="Seed of weights, order and dropout.")]

# Pre-training
Genomes: TypeAlias = Annotated[list[str], argument(help="FASTA or .2bit files to train on.", metavar="GENOME...")]
PretrainPreset: TypeAlias = Annotated[
    str, option("--preset", help="Recipe: dnabert-3 to dnabert-6 (the paper's), small, mini or tiny.")
]
OtherKmer: TypeAlias = Annotated[
    int | None, option("--kmer", "-k", help="Other k-mers than the preset's: 3 to 6. Those of --model are checked.")
]
Steps: TypeAlias = Annotated[int | None, option(help="Steps to make.")]
TotalSteps: TypeAlias = Annotated[int | None, option(help="Steps after which the learning rate would be 0.")]
WarmUp: TypeAlias = Annotated[int | None, option(help="Steps over which the learning rate rises.")]
MaskRate: TypeAlias = Annotated[
    str | None, option(help="Share of tokens to mask, or a schedule.", metavar="RATE[,RATE@STEP...]")
]
WholeSpans: TypeAlias = Annotated[
    bool | None, option("--whole-spans/--by-token", help="Draw what replaces masked k-mers once a span, or for each.")
]
Span: TypeAlias = Annotated[int | None, option(help="K-mers masked side by side; default: k.")]
Longest: TypeAlias = Annotated[
    int | None, option(help="Bases of the longest samples; default: what 510 k-mers span. Short ones train sooner.")
]
Positions: TypeAlias = Annotated[
    str | None,
    option(help="How the position table starts: random, or sinusoidal, which small networks need."),
]
TrainedStrand: TypeAlias = Annotated[str | None, option("--strand", help="Strand of the samples: + or both.")]
Include: TypeAlias = Annotated[
    list[str] | None, option(help="Train on these contigs or regions alone; may be repeated.", metavar="CONTIG|BED")
]
Exclude: TypeAlias = Annotated[
    list[str] | None, option(help="Hold these out for evaluation; may be repeated.", metavar="CONTIG|BED")
]
SaveEvery: TypeAlias = Annotated[int, option(help="Steps between checkpoints.")]
EvaluateEvery: TypeAlias = Annotated[
    int | None, option(help="Steps between evaluations on what is held out; default: --save-every.")
]
EvaluateSamples: TypeAlias = Annotated[int, option(help="Samples of an evaluation.")]
MaxTokens: TypeAlias = Annotated[
    int | None, option(help="Tokens the device computes at a time; changes memory, not the recipe.")
]
Resume: TypeAlias = Annotated[bool, option("--resume", help="Go on from the newest whole checkpoint of the folder.")]
TrainedPrecision: TypeAlias = Annotated[
    str, option("--precision", help="auto (bf16 on GPUs, fp32 on processors), bf16 or fp32.")
]
TensorBoard: TypeAlias = Annotated[Path | None, file("Write the log for TensorBoard too.", "DIR")]
