"""The flags of what asks a model about windows, alleles and strings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from .kinds import argument, file, option

# Attention
Attended: TypeAlias = Annotated[
    str, argument(help="Sequences (FASTA, csv/tsv), or with --window or --regions a genome.", metavar="INPUT")
]
AttentionOutput: TypeAlias = Annotated[
    Path, file(".npy, .npz, .tsv.gz, .parquet; of a genome .bw, .bedgraph.gz.", "FILE", "--output", "-o")
]
AttendedRegions: TypeAlias = Annotated[
    Path | None, file("Each region is a window; with --window or --stride: tile these regions.", "BED", "--regions")
]
AttendedStride: TypeAlias = Annotated[
    int | None, option("--stride", help="Bases between the starts of windows; default 100.", min=1)
]
Raw: TypeAlias = Annotated[bool, option("--raw", help="Scores as they are, not divided by each window's norm.")]
High: TypeAlias = Annotated[
    Path | None, file("Write regions above the window's mean and 10 times its lowest score here.", "BED")
]
Quantile: TypeAlias = Annotated[
    float | None, option(help="High is above this quantile of the window instead.", min=0, max=1)
]
FullMap: TypeAlias = Annotated[
    bool, option("--full-map", help="Write every token's attention to every other, of a single window, as .npy.")
]

# Changing windows
MutatedGenome: TypeAlias = Annotated[
    str | None, argument(help="FASTA or .2bit of --region or --variants.", metavar="[GENOME]")
]
MutatedRegions: TypeAlias = Annotated[
    list[str] | None,
    option("--region", help="A window of GENOME, from 1 with both ends; may be repeated.", metavar="CONTIG:START-END"),
]
MutatedVariants: TypeAlias = Annotated[
    Path | None, file("The windows of these variants, which are drawn on the maps.", "VCF", "--variants")
]
MutatedSequences: TypeAlias = Annotated[
    Path | None, file("Each is a window: FASTA, or csv/tsv with a column 'sequence'.", "FILE", "--sequences")
]
Mutations: TypeAlias = Annotated[
    Path | None, file("Score these changes alone: lines of row of --sequences (from 0), start, end, allele.")
]
Deletions: TypeAlias = Annotated[int, option(help="Delete 1 to so many bases at every place, too.", min=0)]
Gradients: TypeAlias = Annotated[int, option(help="Integrated gradients in so many steps, too.", min=0)]
Picture: TypeAlias = Annotated[bool, option("--picture", help="Draw a map of each window.")]

# Screening
ScreenedVcf: TypeAlias = Annotated[str, argument(help="VCF (plain, gzip, BGZF) or BCF; read twice.", metavar="VCF")]
ScreenedWindows: TypeAlias = Annotated[
    Path | None, file("Look at these windows only, and score variants in them; default: a grid.", "BED", "--windows")
]
Known: TypeAlias = Annotated[
    list[str] | None,
    file("Known variants: VCF, BCF, or a table of chrom, pos, ref, alt; may be repeated.", "NAME=FILE"),
]
Top: TypeAlias = Annotated[
    int | None, option("--top", help="Candidates: so many of the largest |difference|; default 100.", min=1)
]
LeastDifference: TypeAlias = Annotated[
    float | None, option("--threshold", help="Candidates: all from this |difference| on instead.", min=0)
]
RegionQuantile: TypeAlias = Annotated[
    float | None,
    option("--quantile", help="Regions are above this quantile of their window, not its mean.", min=0, max=1),
]

# Motifs
MotifSequences: TypeAlias = Annotated[
    str, argument(help="csv/tsv with columns sequence,label or FASTA with labels; with --negatives without.",
                   metavar="SEQS")
]  # fmt: skip
MotifModel: TypeAlias = Annotated[str | None, file("Model folder, hub name, or 'demo'.", "DIR", "--model", "-m")]
Negatives: TypeAlias = Annotated[Path | None, file("Sequences without the motifs, where SEQS has no labels.", "FILE")]
BaseScores: TypeAlias = Annotated[
    str, option("--scores", help="attention, gradients, mutagenesis, or what `attention` wrote (.npy, .npz).",
                 metavar="WAY|FILE")
]  # fmt: skip
Database: TypeAlias = Annotated[Path | None, file("Known motifs (MEME or JASPAR .pfm) to compare with.", "FILE")]
PositiveClass: TypeAlias = Annotated[
    str | None, option("--class", help="The positive class; default: 1 of two.", metavar="NAME")
]
MotifWidth: TypeAlias = Annotated[int, option("--width", help="Bases of a motif with its flanks.", min=1)]
MinLength: TypeAlias = Annotated[int, option(help="Bases of the shortest region.", min=1)]
Cutoff: TypeAlias = Annotated[float, option(help="Adjusted p-value below which a string is enriched.")]
MinSites: TypeAlias = Annotated[int, option(help="Sites that a motif must have.", min=1)]
AllTies: TypeAlias = Annotated[
    bool, option("--all-ties", help="Add a string that fits several motifs equally well to all of them.")
]
SingleStrand: TypeAlias = Annotated[
    bool, option("--single-strand", help="Count strings on the strand as written alone.")
]
Logos: TypeAlias = Annotated[bool, option(help="Draw a logo of each motif.")]

# Haplotypes
HaplotypeWindows: TypeAlias = Annotated[
    str, option(help="'tiled' (neighbours share windows), 'centred' (one each allele), or a BED file.")
]

# Tables of scores
Places: TypeAlias = Annotated[
    list[str],
    argument(
        help="BED of what is scored (not with --genome-wide or --background alone), and FASTA or .2bit.",
        metavar="[REGIONS] GENOME",
        show_default=False,
    ),
]
SavedTable: TypeAlias = Annotated[
    Path | None, file("The table: .tsv.gz, BGZF with its index.", "FILE", "--output", "-o")
]
GenomeWide: TypeAlias = Annotated[bool, option("--genome-wide", help="Score every contig, whole.")]
Background: TypeAlias = Annotated[
    Path | None, file("PHRED ranks among the SNVs of these regions; kept with the model.", "BED")
]
Assembly: TypeAlias = Annotated[
    str | None, option(help="Name of the assembly, for the header; VEP's CADD plugin asks for it.", metavar="NAME")
]
Tables: TypeAlias = Annotated[
    list[str],
    argument(help="Tables of saturate, or in CADD's layout; NAME= names the fields.", metavar="[NAME=]TABLE..."),
]
AnnotatedOutput: TypeAlias = Annotated[Path, file(".vcf.gz, .vcf, .bcf, or - for VCF.", "FILE", "--output", "-o")]
CheckedAgainst: TypeAlias = Annotated[
    str | None, file("Check REF, and move insertions and deletions left.", "GENOME", "--genome", "-g")
]
Columns: TypeAlias = Annotated[
    str | None,
    option(help="Columns to copy, with commas; default: ours but RawScore, else RawScore,PHRED.", metavar="NAMES"),
]
Misses: TypeAlias = Annotated[Path | None, file("Write the records with an allele that no table has here.", "VCF")]
OverwriteFields: TypeAlias = Annotated[bool, option("--overwrite", help="Replace fields the input already has.")]

# Reports
Reported: TypeAlias = Annotated[
    Path, argument(help="What variants or scan wrote, or the folder of screen or motifs.", metavar="RESULTS")
]
ReportOutput: TypeAlias = Annotated[Path, file("The page, .html.", "FILE.html", "--output", "-o")]
ReportedModel: TypeAlias = Annotated[
    str | None, file("The run's model, for its card and for mutation maps.", "[NAME=]DIR", "--model", "-m")
]
ReportedGenome: TypeAlias = Annotated[
    Path | None, file("The run's genome, for mutation maps.", "GENOME", "--genome", "-g")
]
ReportedCalls: TypeAlias = Annotated[Path | None, file("The regions that --calls of a scan wrote.", "BED", "--calls")]
Facts: TypeAlias = Annotated[Path | None, file("What --summary of the run wrote.", "JSON")]
Maps: TypeAlias = Annotated[int, option(help="Mutation maps of so many of the largest changes.", min=0)]
