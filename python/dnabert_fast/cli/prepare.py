"""The verb `prepare`, with a word for each kind of set: promoters, prom-scan, tfbs, splice, windows, hard-negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from .flags import common as c
from .flags import datasets as d
from .flags import train as t
from .screen import note, show_counts, shown_progress

__all__ = ["app"]

app = typer.Typer(
    help="Make labelled sets out of a genome and annotation, with splits, a leak check and a card.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMON = ("genome", "output", "dev", "seed", "max_n", "leak_share", "alias")
_LISTS = ("train", "test")


def _make(work: Callable[..., Mapping[str, Any]], flags: dict[str, Any]) -> None:
    """Make a set out of a command's flags: those that every kind has, then its own."""
    from ..workflows.prepare import Common

    quiet = flags.pop("quiet")
    shared = {name: flags.pop(name) for name in _COMMON} | {name: flags.pop(name) or () for name in _LISTS}
    with shown_progress(quiet) as progress:
        card = work(Common(**shared), **flags, progress=progress)
    if not quiet:
        _show(card, shared["output"])


def _show(card: Mapping[str, Any], output: Path) -> None:
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
    genome: d.Genome,
    tss: d.Tss,
    output: d.Folder,
    dev: d.Dev,
    test: d.Test = None,
    train: d.Train = None,
    window: d.PromoterLength = 300,
    tss_at: d.TssAt = "auto",
    transcripts: d.Transcripts = "canonical",
    tata: d.Tata = "all",
    negatives: d.PromoterNegatives = "public",
    tata_place: d.TataPlace = "like",
    away: d.Away = 1000,
    tolerance: d.Tolerance = 0.02,
    seed: d.Seed = 42,
    max_n: d.MaxN = 0.0,
    leak_share: d.LeakShare = 0.25,
    alias: c.Alias = None,
    quiet: c.Quiet = False,
) -> None:
    """Promoters around start sites, and a negative of each."""
    flags = dict(locals())
    from ..workflows.prepare import promoters as work

    _make(work, flags)


@app.command("prom-scan")
def prom_scan(
    genome: d.Genome,
    tss: d.Tss,
    output: d.Folder,
    dev: d.Dev,
    test: d.Test = None,
    train: d.Train = None,
    tss_at: d.TssAt = "auto",
    transcripts: d.Transcripts = "canonical",
    both_strands: d.BothStrands = False,
    seed: d.Seed = 42,
    max_n: d.MaxN = 0.0,
    leak_share: d.LeakShare = 0.25,
    alias: c.Alias = None,
    quiet: c.Quiet = False,
) -> None:
    """Windows of 1,001 bases every 100 over the 10,000 bases around each TSS."""
    flags = dict(locals())
    from ..workflows.prepare import prom_scan as work

    _make(work, flags)


@app.command()
def tfbs(
    genome: d.Genome,
    peaks: d.Peaks,
    output: d.Folder,
    dev: d.Dev,
    test: d.Test = None,
    train: d.Train = None,
    window: d.Length = 101,
    negatives: d.Negatives = "matched",
    per_positive: d.PerPositive = 1,
    away: d.Away = 1000,
    tolerance: d.Tolerance = 0.02,
    flank: d.Flank = 500,
    seed: d.Seed = 42,
    max_n: d.MaxN = 0.0,
    leak_share: d.LeakShare = 0.25,
    alias: c.Alias = None,
    quiet: c.Quiet = False,
) -> None:
    """Binding sites around the summits of peaks, and negatives."""
    flags = dict(locals())
    from ..workflows.prepare import tfbs as work

    _make(work, flags)


@app.command()
def splice(
    genome: d.Genome,
    exons: d.Exons,
    output: d.Folder,
    dev: d.Dev,
    test: d.Test = None,
    train: d.Train = None,
    window: d.Length = 400,
    transcripts: d.Transcripts = "canonical",
    negatives: d.SpliceNegatives = "between",
    per_positive: d.PerSite = 1.0,
    away: d.AwayFromSites = 20,
    only_gt_ag: d.OnlyGtAg = False,
    seed: d.Seed = 42,
    max_n: d.MaxN = 0.0,
    leak_share: d.LeakShare = 0.25,
    alias: c.Alias = None,
    quiet: c.Quiet = False,
) -> None:
    """Acceptors, donors and windows that are neither."""
    flags = dict(locals())
    from ..workflows.prepare import splice as work

    _make(work, flags)


@app.command()
def windows(
    genome: d.Genome,
    regions: d.Regions,
    output: d.Folder,
    dev: d.Dev,
    test: d.Test = None,
    train: d.Train = None,
    label_column: d.LabelColumn = None,
    window: d.Around = None,
    negatives: d.Negatives = "matched",
    per_positive: d.PerPositive = 1,
    away: d.Away = 1000,
    tolerance: d.Tolerance = 0.02,
    flank: d.Flank = 500,
    seed: d.Seed = 42,
    max_n: d.MaxN = 0.0,
    leak_share: d.LeakShare = 0.25,
    alias: c.Alias = None,
    quiet: c.Quiet = False,
) -> None:
    """Regions with labels, or regions against the background."""
    flags = dict(locals())
    from ..workflows.prepare import windows as work

    _make(work, flags)


@app.command("hard-negatives")
def hard_negatives(
    data: d.Prepared,
    genome: d.Genome,
    output: d.RoundsFolder,
    rounds: d.Rounds = 2,
    regions: c.Regions = None,
    stride: c.Stride = 100,
    threshold: d.CallThreshold = 0.5,
    most: d.Most = 1000,
    near: d.Near = None,
    model: t.Pretrained = None,
    preset: t.Preset = "general",
    network: t.Network = None,
    learning_rate: t.LearningRate = None,
    epochs: t.Epochs = None,
    batch: t.Batch = None,
    seed: d.Seed = 42,
    device: c.Device = "auto",
    threads: c.Threads = None,
    quiet: c.Quiet = False,
) -> None:
    """Train, scan, add false calls as negatives, and train again."""
    flags = dict(locals())
    from ..workflows.hard_negatives import hard_negatives as work

    del flags["quiet"]
    with shown_progress(quiet) as progress:
        report = work(**flags, progress=progress)
    if quiet:
        return
    for row in report["rounds"]:
        rest = {name.replace("_", " "): value for name, value in row.items() if name != "round"}
        show_counts(f"round {row['round']}", rest)
    show_counts("last model", {"folder": report["model"]})
