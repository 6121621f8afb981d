"""The verb that tells which precisions may be trusted: check."""

from __future__ import annotations

from typing import Any

import typer

from .flags import common as c
from .flags import evaluate as e
from .screen import note, shown_progress

__all__ = ["check"]

_TITLES = ("precision", "against", "largest |Δlogit|", "same call", "rho", "rho of Δ", "sign of Δ", "speed", "")


def check(
    model: e.CheckedModel,
    device: e.CheckedDevice = "auto",
    precision: e.CheckedPrecision = "all",
    variants: e.CheckedVcf = None,
    genome: e.CheckedGenome = None,
    window: c.Window = None,
    count: e.Count = None,
    class_name: c.ClassName = None,
    scores: e.Scores = None,
    against: e.Against = None,
    threads: c.Threads = None,
    summary: c.Summary = None,
    quiet: c.Quiet = False,
) -> None:
    """Score real SNVs in every precision of this device and compare with fp32; exit code 1 where one fails.

    Verdicts are remembered, and --precision auto goes by them.
    """
    from ..workflows.check import check as work

    with shown_progress(quiet) as progress:
        facts = work(
            model,
            device=device,
            precision=precision,
            variants=variants,
            genome=genome,
            window=window,
            count=count,
            class_name=class_name,
            scores=scores,
            against=against,
            threads=threads,
            summary=summary,
            progress=progress,
        )
    if not quiet:
        _show(facts)
        for text in facts["notes"]:
            note(text)
    if facts["failed"]:
        raise typer.Exit(1)


def _show(facts: dict[str, Any]) -> None:
    print(f"{facts['snvs']:,} SNVs in windows of {facts['window']} bases, on {facts['device']}")
    rows = [list(_TITLES), *([row["label"], row["against"], *_cells(row)] for row in facts["precisions"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
    for row in rows:
        named = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:-1], widths[2:], strict=False)]
        print("  ".join([*named, *numbers, row[-1]]).rstrip())
    for name, why in facts["unavailable"].items():
        print(f"{name.ljust(widths[0])}  not here: {why}")


def _cells(row: dict[str, Any]) -> list[str]:
    shares = ("same_call", "spearman_scores", "spearman_changes", "sign_changes")
    verdict = {True: "PASS", False: "FAIL", None: "no rule"}[row["passed"]]
    largest = row["largest_difference"]
    return [
        "not finite" if largest is None else f"{largest:.1e}",
        *("-" if row.get(name) is None else f"{int(row[name] * 1e4) / 1e4:.4f}" for name in shares),
        f"{row['speed']:.2f} x",
        verdict,
    ]
