"""The verbs that compare: bench (this machine with a reference) and bench gue (models with published figures)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from .flags import common as c
from .flags import evaluate as e
from .flags import train as t
from .screen import dim, note, shown_progress

__all__ = ["bench"]

bench = typer.Typer(invoke_without_command=True)


@bench.callback()
def machine(
    context: typer.Context,
    model: e.BenchModel = None,
    device: e.CheckedDevice = "auto",
    precision: e.CheckedPrecision = "all",
    quick: e.Quick = False,
    threads: c.Threads = None,
    json_file: e.Json = None,
    quiet: c.Quiet = False,
) -> None:
    """Measure tokenizer, encoder, scan and variants on embedded data, beside a reference machine's figures."""
    if context.invoked_subcommand is not None:
        return
    from ..workflows.bench import bench as work

    with shown_progress(quiet) as progress:
        facts = work(
            model,
            device=device,
            precision=precision,
            quick=quick,
            threads=threads,
            json_file=json_file,
            progress=progress,
        )
    if quiet:
        return
    _show_machine(facts)


@bench.command()
def gue(
    folder: e.GueFolder,
    output: c.Folder,
    model: e.GueModels = None,
    network: t.Networks = None,
    baseline: t.Baselines = None,
    preset: t.Preset = "general",
    learning_rate: t.LearningRate = None,
    epochs: t.Epochs = None,
    batch: t.Batch = None,
    max_train: t.MaxTrain = None,
    seed: t.Seed = 42,
    seeds: t.Seeds = 1,
    keep: t.Keep = "models",
    device: c.Device = "auto",
    threads: c.Threads = None,
    quiet: c.Quiet = False,
) -> None:
    """Fine-tune models on the sets of GUE, or take those that are, and set their MCC beside published figures."""
    from ..workflows.bench_gue import gue as work

    with shown_progress(quiet) as progress:
        facts = work(
            folder,
            output=output,
            models=model or (),
            networks=network or (),
            baselines=baseline or (),
            preset=preset,
            learning_rate=learning_rate,
            epochs=epochs,
            batch=batch,
            max_train=max_train,
            seed=seed,
            seeds=seeds,
            keep=keep,
            device=device,
            threads=threads,
            progress=progress,
            say=(lambda line: None) if quiet else dim,
        )
    if not quiet:
        _show_gue(facts)
    if facts["failed"]:
        raise typer.Exit(1)


def _show_gue(facts: Mapping[str, Any]) -> None:
    names = [*facts["models"], *facts["published"]["models"]]
    rows = [("MCC x 100", *names)]
    for row in facts["rows"]:
        known = {**row["mcc"], **row["published"]}
        rows.append((row["set"], *(_hundredths(known.get(name)) for name in names)))
    rows.append((f"mean of {facts['means']['sets']} sets", *(_hundredths(facts["means"][name]) for name in names)))
    _print_table(rows, left=(0,))
    for text in facts["notes"]:
        note(text)
    note(f"{facts['output']}: bench.md, bench.json; published: {facts['published']['source']}")


def _hundredths(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _show_machine(facts: Mapping[str, Any]) -> None:
    machine, reference = facts["machine"], facts["reference"]
    print(f"here: {facts['device']}, {machine['cores']} cores; others used {facts['others']:.0%} of the processors")
    for gpu in facts["gpus_after"]:
        print(f"GPU: {gpu['name']}, {gpu['temperature_c']} °C, SM clock {gpu['sm_clock_mhz']} MHz, {gpu['held_back']}")
    if reference is not None:
        print(f"reference: {reference['device']}, {reference['date']}; others used {reference['others']:.0%}")
    rows = [("", "network", "precision", "a second", "", "reference", "here / reference")]
    for row, ratio in zip(facts["rows"], facts["ratios"], strict=True):
        known = ("-", "-") if ratio is None else (_rate(row["rate"] / ratio), f"{ratio:.2f} x")
        about = row["what"], row["network"] or "", row["precision"] or ""
        rows.append((*about, _rate(row["rate"]), row["unit"], *known))
    _print_table(rows, left=(0, 1, 2, 4))
    for name, why in facts["unavailable"].items():
        print(f"{name}: not here: {why}")
    for text in facts["notes"]:
        note(text)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _print_table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(cells).rstrip())
