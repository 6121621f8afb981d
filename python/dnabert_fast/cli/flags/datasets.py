"""The flags of `prepare`, each written once so that it means the same for every kind of set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from .common import Alias
from .kinds import argument, option

# What every kind takes
Genome: TypeAlias = Annotated[str, argument(help="FASTA (plain, gzip, BGZF) or UCSC .2bit.", metavar="GENOME")]
Folder: TypeAlias = Annotated[
    Path, option("--output", "-o", help="Folder for train, dev and test.csv.gz and the card.", metavar="DIR")
]
Train: TypeAlias = Annotated[
    list[str] | None, option("--train", help="Contigs or regions to train on; default: all that is not held out.")
]
Dev: TypeAlias = Annotated[
    list[str], option("--dev", help="Contigs or regions of the development set, e.g. chr20:8-9M; may be repeated.")
]
Test: TypeAlias = Annotated[list[str] | None, option("--test", help="Contigs or regions of the test set.")]
Seed: TypeAlias = Annotated[int, option(help="Seed of all that is drawn.", min=0)]
MaxN: TypeAlias = Annotated[float, option(help="Most of a window that may be unknown, as a share.", min=0, max=1)]
LeakShare: TypeAlias = Annotated[
    float, option(help="Share of 31-mers in common from which a window leaks.", min=0.001, max=1)
]

# Windows and negatives of several kinds
Length: TypeAlias = Annotated[int, option("--window", help="Bases of a window.", min=2)]
Transcripts: TypeAlias = Annotated[str, option(help="Of a GTF: canonical (else the longest), longest or all.")]
Negatives: TypeAlias = Annotated[str, option(help="matched (G+C and length), flanks or shuffle (dinucleotides).")]
PerPositive: TypeAlias = Annotated[int, option(help="Negatives a positive.", min=1)]
Away: TypeAlias = Annotated[int, option(help="Bases between negatives of the genome and any positive.", min=0)]
Tolerance: TypeAlias = Annotated[float, option(help="Most that matched G+C shares may differ.", min=0, max=1)]
Flank: TypeAlias = Annotated[int, option(help="Bases from a window to its flank.", min=1)]

# Promoters
Tss: TypeAlias = Annotated[
    Path, option(help="Start sites: BED with strands, EPDnew's BED, or .gtf(.gz).", metavar="FILE")
]
TssAt: TypeAlias = Annotated[
    str, option(help="Where in a BED region the TSS is: start, end, after, or auto (start; EPDnew's thick part).")
]
PromoterLength: TypeAlias = Annotated[int, option("--window", help="300 (-249..+50) or 70 (-34..+35).")]
Tata: TypeAlias = Annotated[str, option(help="all, only (those with a TATA box) or without.")]
PromoterNegatives: TypeAlias = Annotated[
    str,
    option("--negatives", help="public (tata or segments by the promoter), tata, segments, shuffle or matched."),
]
TataPlace: TypeAlias = Annotated[
    str, option(help="Of tata negatives' boxes: like (as in promoters), anywhere or fixed.")
]
BothStrands: TypeAlias = Annotated[bool, option("--both-strands", help="Also the strand that has no TSS.")]

# Binding sites, splice sites, regions
Peaks: TypeAlias = Annotated[Path, option(help="narrowPeak (column 10 is the summit) or BED.", metavar="FILE")]
Exons: TypeAlias = Annotated[Path, option(help="Exons: .gtf(.gz), or BED with names and strands.", metavar="FILE")]
SpliceNegatives: TypeAlias = Annotated[
    str, option("--negatives", help="between (sites), or decoys: there too, with GT or AG.")
]
PerSite: TypeAlias = Annotated[
    float, option("--per-positive", help="Negatives for each of the larger class of sites.", min=0.01)
]
AwayFromSites: TypeAlias = Annotated[
    int, option("--away", help="Bases between the middle of a negative and any site.", min=0)
]
OnlyGtAg: TypeAlias = Annotated[bool, option("--only-gt-ag", help="Leave out other introns.")]
Regions: TypeAlias = Annotated[Path, option(help="The windows, as BED.", metavar="BED")]
LabelColumn: TypeAlias = Annotated[
    int | None, option(help="Column with the class, from 1; default: regions against background.", min=4)
]
Around: TypeAlias = Annotated[
    int | None, option("--window", help="Bases around each region's middle; default: the region.", min=2)
]

# Hard negatives
Prepared: TypeAlias = Annotated[Path, argument(help="Folder that prepare made.", metavar="DIR")]
RoundsFolder: TypeAlias = Annotated[
    Path, option("--output", "-o", help="Folder for models, tables and the report.", metavar="DIR")
]
Rounds: TypeAlias = Annotated[int, option(help="How often false calls are added.", min=1)]
CallThreshold: TypeAlias = Annotated[float, option("--threshold", help="Probability of a call.", min=0, max=1)]
Most: TypeAlias = Annotated[int, option(help="Windows added in a round, at most.", min=1)]
Near: TypeAlias = Annotated[
    int | None, option(help="A call this near a known site is true; default: half a window.", min=0)
]


# Groups of flags, for verbs that take them alike
def splits(output: Folder, dev: Dev, test: Test = None, train: Train = None) -> None:
    """Where a set goes, and which parts of the genome are its splits."""


def background(
    negatives: Negatives = "matched",
    per_positive: PerPositive = 1,
    away: Away = 1000,
    tolerance: Tolerance = 0.02,
    flank: Flank = 500,
) -> None:
    """Which windows are negatives, where no label says so."""


def drawing(seed: Seed = 42, max_n: MaxN = 0.0, leak_share: LeakShare = 0.25, alias: Alias = None) -> None:
    """How windows of all kinds are drawn and left out."""
