"""What `finetune` starts from, and its run over many sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DnabertError
from .screen import Told, dim, err, note, plain, show_counts, shown_progress

__all__ = ["one_start", "run_battery"]

_FAILED, _INTERRUPTED = 1, 130


def one_start(
    model: Sequence[str] | None, network: Sequence[str] | None, baseline: Sequence[str] | None
) -> dict[str, str]:
    """What one run starts from, by the name of its flag; empty for the preset's network."""
    given = {"model": model or (), "network": network or (), "baseline": baseline or ()}
    several = next((name for name, values in given.items() if len(values) > 1), None)
    if several is not None:
        raise DnabertError(f"--{several} is given {len(given[several])} times; several models take --sets")
    if baseline and (model or network):
        raise DnabertError("--baseline starts from random weights of its own; leave --model and --network out")
    return {name: values[0] for name, values in given.items() if values}


def run_battery(
    sets: Path,
    output: Path,
    models: Sequence[str],
    networks: Sequence[str],
    baselines: Sequence[str],
    rates: Sequence[str],
    keep: str,
    alone: Mapping[str, Any],
    flags: dict[str, Any],
    quiet: bool,
) -> None:
    """Train all models on all sets, telling of each run; ends with code 1 where some failed."""
    from ..workflows.battery import battery

    stray = [name for name, value in {**alone, "--learning-rates": flags.pop("learning_rates")}.items() if value]
    if stray:
        raise DnabertError(f"{stray[0]} is about one set; with --sets the table gives files, and --rate rates by model")
    for name in ("precision", "task"):
        if flags[name] == "auto":
            del flags[name]

    def say(line: str) -> None:
        if not quiet:
            dim(line)

    try:
        with shown_progress(quiet) as progress:
            facts = battery(
                sets,
                output=output,
                models=models,
                networks=networks,
                baselines=baselines,
                rates=rates,
                keep=keep,
                progress=progress,
                say=say,
                **flags,
            )
    except KeyboardInterrupt:
        err.print(
            f"[red]stopped[/red]: what is done stands in {plain(str(output))}; the same command goes on from there"
        )
        raise Told(_INTERRUPTED) from None
    if not quiet:
        _show(facts)
    if facts["failed"]:
        err.print(
            f"[bold red]error[/bold red]: {len(facts['failed']):,} of {facts['runs']:,} runs failed", soft_wrap=True
        )
        raise Told(_FAILED)


def _show(facts: Mapping[str, Any]) -> None:
    for metric in ("mcc", "auroc", "pearson"):
        models = facts["metrics"].get(metric, {}).get("models", {})
        rows = {
            name: f"{found['mean']:.4f} over {found['sets']:,} sets" for name, found in models.items() if found["sets"]
        }
        if rows:
            show_counts(f"mean {metric} on test", rows)
    for line in facts["notes"]:
        note(line)
    note(f"{facts['output']}: results.tsv, sets.tsv, summary.md, summary.json, violins.png")
