"""The verb `prepare`, with a word for each kind of set: promoters, prom-scan, tfbs, splice, windows, hard-negatives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from . import flags as o
from .flags import datasets as p
from .screen import note, show_counts
from .verb import carry_out, flags_of, takes

__all__ = ["app"]

app = typer.Typer(
    help="Make labelled sets out of a genome and annotation, with splits, a leak check and a card.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMON = ("genome", "output", "dev", "seed", "max_n", "leak_share", "alias")
_LISTS = ("train", "test")


def _make(kind: str, flags: dict[str, Any]) -> None:
    """Make a set of a kind out of a command's flags: those that every kind has, then its own."""
    from ..workflows import prepare

    common = {name: flags.pop(name) for name in _COMMON} | {name: flags.pop(name) or () for name in _LISTS}
    work = getattr(prepare, kind)
    carry_out(work, flags, lambda card: _show(card, common["output"]), common=prepare.Common(**common))


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
@takes(p.splits, ..., p.drawing)
def promoters(
    genome: p.Genome,
    tss: p.Tss,
    window: p.PromoterLength = 300,
    tss_at: p.TssAt = "auto",
    transcripts: p.Transcripts = "canonical",
    tata: p.Tata = "all",
    negatives: p.PromoterNegatives = "public",
    tata_place: p.TataPlace = "like",
    away: p.Away = 1000,
    tolerance: p.Tolerance = 0.02,
    **shared: Any,
) -> None:
    """Promoters around start sites, and a negative of each."""
    _make("promoters", flags_of(locals()))


@app.command("prom-scan")
@takes(p.splits, ..., p.drawing)
def prom_scan(
    genome: p.Genome,
    tss: p.Tss,
    tss_at: p.TssAt = "auto",
    transcripts: p.Transcripts = "canonical",
    both_strands: p.BothStrands = False,
    **shared: Any,
) -> None:
    """Windows of 1,001 bases every 100 over the 10,000 bases around each TSS."""
    _make("prom_scan", flags_of(locals()))


@app.command()
@takes(p.splits, ..., p.background, p.drawing)
def tfbs(
    genome: p.Genome,
    peaks: p.Peaks,
    window: p.Length = 101,
    **shared: Any,
) -> None:
    """Binding sites around the summits of peaks, and negatives."""
    _make("tfbs", flags_of(locals()))


@app.command()
@takes(p.splits, ..., p.drawing)
def splice(
    genome: p.Genome,
    exons: p.Exons,
    window: p.Length = 400,
    transcripts: p.Transcripts = "canonical",
    negatives: p.SpliceNegatives = "between",
    per_positive: p.PerSite = 1.0,
    away: p.AwayFromSites = 20,
    only_gt_ag: p.OnlyGtAg = False,
    **shared: Any,
) -> None:
    """Acceptors, donors and windows that are neither."""
    _make("splice", flags_of(locals()))


@app.command()
@takes(p.splits, ..., p.background, p.drawing)
def windows(
    genome: p.Genome,
    regions: p.Regions,
    label_column: p.LabelColumn = None,
    window: p.Around = None,
    **shared: Any,
) -> None:
    """Regions with labels, or regions against the background."""
    _make("windows", flags_of(locals()))


@app.command("hard-negatives")
def hard_negatives(
    data: p.Prepared,
    genome: p.Genome,
    output: p.RoundsFolder,
    rounds: p.Rounds = 2,
    regions: o.Regions = None,
    stride: o.Stride = 100,
    threshold: p.CallThreshold = 0.5,
    most: p.Most = 1000,
    near: p.Near = None,
    model: o.Pretrained = None,
    preset: o.Preset = "general",
    network: o.Network = None,
    learning_rate: o.LearningRate = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    seed: p.Seed = 42,
    device: o.Device = "auto",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Train, scan, add false calls as negatives, and train again."""
    flags = flags_of(locals())
    from ..workflows.hard_negatives import hard_negatives as work

    carry_out(work, flags, _show_rounds)


def _show_rounds(report: Mapping[str, Any]) -> None:
    for row in report["rounds"]:
        rest = {name.replace("_", " "): value for name, value in row.items() if name != "round"}
        show_counts(f"round {row['round']}", rest)
    show_counts("last model", {"folder": report["model"]})
