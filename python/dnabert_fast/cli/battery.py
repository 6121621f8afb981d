"""What `finetune` starts from, and its run over many sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DnabertError
from .screen import Told, aloud, dim, err, note, plain, show_counts, show_notes
from .verb import carry_out

__all__ = ["one_start", "run_battery"]

_FAILED, _INTERRUPTED = 1, 130


def one_start(starts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What one run starts from, by the name of its flag, out of all that were given; empty for the preset's network."""
    several = next((name for name, values in starts.items() if len(values) > 1), None)
    if several is not None:
        raise DnabertError(f"--{several} is given {len(starts[several])} times; several models take --sets")
    if starts["baseline"] and (starts["model"] or starts["network"]):
        raise DnabertError("--baseline starts from random weights of its own; leave --model and --network out")
    return {name: values[0] for name, values in starts.items() if values}


def run_battery(flags: dict[str, Any], starts: Mapping[str, Sequence[str]], rates: Sequence[str]) -> None:
    """Train from all starts on all sets, telling of each run; ends with code 1 where some failed."""
    from ..workflows.battery import battery as work

    alone = {name: flags.pop(name) for name in ("train", "dev", "test", "overwrite", "learning_rates")}
    stray = next((name for name, value in alone.items() if value), None)
    if stray is not None:
        what = f"--{stray.replace('_', '-')} is about one set"
        raise DnabertError(f"{what}; with --sets the table gives files, and --rate rates by model")
    for name in ("precision", "task"):
        if flags[name] == "auto":
            del flags[name]
    several = {f"{name}s": values for name, values in starts.items()}
    try:
        facts = carry_out(work, flags, _show, **several, rates=rates, say=aloud(dim, flags["quiet"]))
    except KeyboardInterrupt:
        kept = plain(str(flags["output"]))
        err.print(f"[red]stopped[/red]: what is done stands in {kept}; the same command goes on from there")
        raise Told(_INTERRUPTED) from None
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
    show_notes(facts)
    note(f"{facts['output']}: results.tsv, sets.tsv, summary.md, summary.json, violins.png")
