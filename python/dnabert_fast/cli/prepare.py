"""The verb `prepare`, with a word for each kind of set: promoters, prom-scan, tfbs, splice, windows, hard-negatives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from . import options as o
from .screen import note, show_counts, shown_progress

if TYPE_CHECKING:
    from ..workflows.prepare import Common

__all__ = ["app"]

app = typer.Typer(
    help="Make labelled sets out of a genome and annotation, with splits, a leak check and a card.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_option = typer.Option

GenomeFile: TypeAlias = Annotated[
    str, typer.Argument(help="FASTA (plain, gzip, BGZF) or UCSC .2bit.", metavar="GENOME")
]
SetFolder: TypeAlias = Annotated[
    Path, _option("--output", "-o", help="Folder for train, dev and test.csv.gz and the card.", metavar="DIR")
]
TrainOn: TypeAlias = Annotated[
    list[str] | None, _option("--train", help="Contigs or regions to train on; default: all that is not held out.")
]
DevOn: TypeAlias = Annotated[
    list[str], _option("--dev", help="Contigs or regions of the development set, e.g. chr20:8-9M; may be repeated.")
]
TestOn: TypeAlias = Annotated[list[str] | None, _option("--test", help="Contigs or regions of the test set.")]
Seed: TypeAlias = Annotated[int, _option(help="Seed of all that is drawn.", min=0)]
MaxN: TypeAlias = Annotated[float, _option(help="Most of a window that may be unknown, as a share.", min=0, max=1)]
LeakShare: TypeAlias = Annotated[
    float, _option(help="Share of 31-mers in common from which a window leaks.", min=0.001, max=1)
]
Tss: TypeAlias = Annotated[
    Path, _option(help="Start sites: BED with strands, EPDnew's BED, or .gtf(.gz).", metavar="FILE")
]
TssAt: TypeAlias = Annotated[
    str, _option(help="Where in a BED region the TSS is: start, end, after, or auto (start; EPDnew's thick part).")
]
Transcripts: TypeAlias = Annotated[str, _option(help="Of a GTF: canonical (else the longest), longest or all.")]
Length: TypeAlias = Annotated[int, _option("--window", help="Bases of a window.", min=2)]
PerPositive: TypeAlias = Annotated[int, _option(help="Negatives a positive.", min=1)]
Away: TypeAlias = Annotated[int, _option(help="Bases between negatives of the genome and any positive.", min=0)]
Tolerance: TypeAlias = Annotated[float, _option(help="Most that matched G+C shares may differ.", min=0, max=1)]
Flank: TypeAlias = Annotated[int, _option(help="Bases from a window to its flank.", min=1)]
Negatives: TypeAlias = Annotated[str, _option(help="matched (G+C and length), flanks or shuffle (dinucleotides).")]


def _common(
    genome: str, output: Path, train: list[str] | None, dev: list[str], test: list[str] | None, **given: Any
) -> Common:
    from ..workflows.prepare import Common

    return Common(genome=genome, output=output, train=train or (), dev=dev, test=test or (), **given)


def _show(card: Mapping[str, Any], output: Path, quiet: bool) -> None:
    if quiet:
        return
    rows: dict[str, int | float | str] = {}
    for split, by_class in card["sequences"].items():
        rows |= {f"{split}: {name}": count for name, count in by_class.items()}
    rows |= card["found"] | {what: count for what, count in card["left_out"].items() if count}
    leaks = {what: count for what, count in card["leak_check"].items() if isinstance(count, int) and count}
    show_counts(f"{output}", rows | {what.replace("_", " "): count for what, count in leaks.items()})
    if short := card["left_out"].get("negatives that the genome does not give"):
        note(f"{short:,} negatives could not be had; the classes are not of one size")


@app.command()
def promoters(
    genome: GenomeFile,
    tss: Tss,
    output: SetFolder,
    dev: DevOn,
    test: TestOn = None,
    train: TrainOn = None,
    window: Annotated[int, _option(help="300 (-249..+50) or 70 (-34..+35).")] = 300,
    tss_at: TssAt = "auto",
    transcripts: Transcripts = "canonical",
    tata: Annotated[str, _option(help="all, only (those with a TATA box) or without.")] = "all",
    negatives: Annotated[
        str, _option(help="public (tata or segments by the promoter), tata, segments, shuffle or matched.")
    ] = "public",
    tata_place: Annotated[
        str, _option(help="Of tata negatives' boxes: like (as in promoters), anywhere or fixed.")
    ] = "like",
    away: Away = 1000,
    tolerance: Tolerance = 0.02,
    seed: Seed = 42,
    max_n: MaxN = 0.0,
    leak_share: LeakShare = 0.25,
    alias: o.Alias = None,
    quiet: o.Quiet = False,
) -> None:
    """Promoters around start sites, and a negative of each."""
    from ..workflows.prepare import promoters as work

    common = _common(genome, output, train, dev, test, seed=seed, max_n=max_n, leak_share=leak_share, alias=alias)
    with shown_progress(quiet) as progress:
        card = work(
            common,
            tss=tss,
            window=window,
            tss_at=tss_at,
            transcripts=transcripts,
            tata=tata,
            negatives=negatives,
            tata_place=tata_place,
            away=away,
            tolerance=tolerance,
            progress=progress,
        )
    _show(card, output, quiet)


@app.command("prom-scan")
def prom_scan(
    genome: GenomeFile,
    tss: Tss,
    output: SetFolder,
    dev: DevOn,
    test: TestOn = None,
    train: TrainOn = None,
    tss_at: TssAt = "auto",
    transcripts: Transcripts = "canonical",
    both_strands: Annotated[bool, _option("--both-strands", help="Also the strand that has no TSS.")] = False,
    seed: Seed = 42,
    max_n: MaxN = 0.0,
    leak_share: LeakShare = 0.25,
    alias: o.Alias = None,
    quiet: o.Quiet = False,
) -> None:
    """Windows of 1,001 bases every 100 over the 10,000 bases around each TSS."""
    from ..workflows.prepare import prom_scan as work

    common = _common(genome, output, train, dev, test, seed=seed, max_n=max_n, leak_share=leak_share, alias=alias)
    with shown_progress(quiet) as progress:
        card = work(
            common, tss=tss, tss_at=tss_at, transcripts=transcripts, both_strands=both_strands, progress=progress
        )
    _show(card, output, quiet)


@app.command()
def tfbs(
    genome: GenomeFile,
    peaks: Annotated[Path, _option(help="narrowPeak (column 10 is the summit) or BED.", metavar="FILE")],
    output: SetFolder,
    dev: DevOn,
    test: TestOn = None,
    train: TrainOn = None,
    window: Length = 101,
    negatives: Negatives = "matched",
    per_positive: PerPositive = 1,
    away: Away = 1000,
    tolerance: Tolerance = 0.02,
    flank: Flank = 500,
    seed: Seed = 42,
    max_n: MaxN = 0.0,
    leak_share: LeakShare = 0.25,
    alias: o.Alias = None,
    quiet: o.Quiet = False,
) -> None:
    """Binding sites around the summits of peaks, and negatives."""
    from ..workflows.prepare import tfbs as work

    common = _common(genome, output, train, dev, test, seed=seed, max_n=max_n, leak_share=leak_share, alias=alias)
    with shown_progress(quiet) as progress:
        card = work(
            common,
            peaks=peaks,
            window=window,
            negatives=negatives,
            per_positive=per_positive,
            away=away,
            tolerance=tolerance,
            flank=flank,
            progress=progress,
        )
    _show(card, output, quiet)


@app.command()
def splice(
    genome: GenomeFile,
    exons: Annotated[Path, _option(help="Exons: .gtf(.gz), or BED with names and strands.", metavar="FILE")],
    output: SetFolder,
    dev: DevOn,
    test: TestOn = None,
    train: TrainOn = None,
    window: Length = 400,
    transcripts: Transcripts = "canonical",
    negatives: Annotated[str, _option(help="between (sites), or decoys: there too, with GT or AG.")] = "between",
    per_positive: Annotated[float, _option(help="Negatives for each of the larger class of sites.", min=0.01)] = 1.0,
    away: Annotated[int, _option(help="Bases between the middle of a negative and any site.", min=0)] = 20,
    only_gt_ag: Annotated[bool, _option("--only-gt-ag", help="Leave out other introns.")] = False,
    seed: Seed = 42,
    max_n: MaxN = 0.0,
    leak_share: LeakShare = 0.25,
    alias: o.Alias = None,
    quiet: o.Quiet = False,
) -> None:
    """Acceptors, donors and windows that are neither."""
    from ..workflows.prepare import splice as work

    common = _common(genome, output, train, dev, test, seed=seed, max_n=max_n, leak_share=leak_share, alias=alias)
    with shown_progress(quiet) as progress:
        card = work(
            common,
            exons=exons,
            window=window,
            transcripts=transcripts,
            negatives=negatives,
            per_positive=per_positive,
            away=away,
            only_gt_ag=only_gt_ag,
            progress=progress,
        )
    _show(card, output, quiet)


@app.command()
def windows(
    genome: GenomeFile,
    regions: Annotated[Path, _option(help="The windows, as BED.", metavar="BED")],
    output: SetFolder,
    dev: DevOn,
    test: TestOn = None,
    train: TrainOn = None,
    label_column: Annotated[
        int | None, _option(help="Column with the class, from 1; default: regions against background.", min=4)
    ] = None,
    window: Annotated[
        int | None, _option(help="Bases around each region's middle; default: the region.", min=2)
    ] = None,
    negatives: Negatives = "matched",
    per_positive: PerPositive = 1,
    away: Away = 1000,
    tolerance: Tolerance = 0.02,
    flank: Flank = 500,
    seed: Seed = 42,
    max_n: MaxN = 0.0,
    leak_share: LeakShare = 0.25,
    alias: o.Alias = None,
    quiet: o.Quiet = False,
) -> None:
    """Regions with labels, or regions against the background."""
    from ..workflows.prepare import windows as work

    common = _common(genome, output, train, dev, test, seed=seed, max_n=max_n, leak_share=leak_share, alias=alias)
    with shown_progress(quiet) as progress:
        card = work(
            common,
            regions=regions,
            label_column=label_column,
            window=window,
            negatives=negatives,
            per_positive=per_positive,
            away=away,
            tolerance=tolerance,
            flank=flank,
            progress=progress,
        )
    _show(card, output, quiet)


@app.command("hard-negatives")
def hard_negatives(
    data: Annotated[Path, typer.Argument(help="Folder that prepare made.", metavar="DIR")],
    genome: GenomeFile,
    output: Annotated[Path, _option("--output", "-o", help="Folder for models, tables and the report.", metavar="DIR")],
    rounds: Annotated[int, _option(help="How often false calls are added.", min=1)] = 2,
    regions: o.Regions = None,
    stride: o.Stride = 100,
    threshold: Annotated[float, _option(help="Probability of a call.", min=0, max=1)] = 0.5,
    most: Annotated[int, _option(help="Windows added in a round, at most.", min=1)] = 1000,
    near: Annotated[
        int | None, _option(help="A call this near a known site is true; default: half a window.", min=0)
    ] = None,
    model: Annotated[
        str | None, _option("--model", "-m", help="Pre-trained folder or hub name to start from.", metavar="DIR")
    ] = None,
    preset: o.Preset = "general",
    network: Annotated[str | None, _option(help="Start from random weights of this shape, e.g. tiny.")] = None,
    learning_rate: o.LearningRate = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    seed: Seed = 42,
    device: o.Device = "auto",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Train, scan, add false calls as negatives, and train again."""
    from ..workflows.hard_negatives import hard_negatives as work

    with shown_progress(quiet) as progress:
        report = work(
            data,
            genome,
            output=output,
            rounds=rounds,
            regions=regions,
            stride=stride,
            threshold=threshold,
            most=most,
            near=near,
            model=model,
            preset=preset,
            network=network,
            learning_rate=learning_rate,
            epochs=epochs,
            batch=batch,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )
    if quiet:
        return
    for row in report["rounds"]:
        rest = {name.replace("_", " "): value for name, value in row.items() if name != "round"}
        show_counts(f"round {row['round']}", rest)
    show_counts("last model", {"folder": report["model"]})
