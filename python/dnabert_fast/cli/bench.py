"""The verbs that compare: bench (this machine with a reference) and bench gue (models with published figures)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from . import flags as o
from .screen import aloud, dim, note, show_notes
from .verb import carry_out, flags_of

__all__ = ["bench"]

bench = typer.Typer(invoke_without_command=True)


@bench.callback()
def machine(
    context: typer.Context,
    model: o.BenchModel = None,
    device: o.CheckedDevice = "auto",
    precision: o.CheckedPrecision = "all",
    quick: o.Quick = False,
    threads: o.Threads = None,
    json_file: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Measure tokenizer, encoder, scan and variants on embedded data, beside a reference machine's figures."""
    flags = flags_of(locals())
    if flags.pop("context").invoked_subcommand is not None:
        return
    from ..workflows.bench import bench as work

    carry_out(work, flags, _show_machine)


@bench.command()
def gue(
    folder: o.GueFolder,
    output: o.Folder,
    model: o.GueModels = None,
    network: o.Networks = None,
    baseline: o.Baselines = None,
    preset: o.Preset = "general",
    learning_rate: o.LearningRate = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    max_train: o.MaxTrain = None,
    seed: o.Seed = 42,
    seeds: o.Seeds = 1,
    keep: o.Keep = "models",
    device: o.Device = "auto",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Fine-tune models on the sets of GUE, or take those that are, and set their MCC beside published figures."""
    flags = flags_of(locals())
    from ..workflows.bench_gue import gue as work

    several = {f"{name}s": flags.pop(name) or () for name in ("model", "network", "baseline")}
    facts = carry_out(work, flags, _show_gue, sets=flags.pop("folder"), **several, say=aloud(dim, quiet))
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
    show_notes(facts)
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
    show_notes(facts)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _print_table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(cells).rstrip())
