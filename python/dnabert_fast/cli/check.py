"""The verb that tells which precisions may be trusted: check."""

from __future__ import annotations

from typing import Any

import typer

from . import flags as o
from .screen import show_notes
from .verb import carry_out, flags_of

__all__ = ["check"]

_TITLES = ("precision", "against", "largest |Δlogit|", "same call", "rho", "rho of Δ", "sign of Δ", "speed", "")


def check(
    model: o.CheckedModel,
    device: o.CheckedDevice = "auto",
    precision: o.CheckedPrecision = "all",
    variants: o.CheckedVcf = None,
    genome: o.CheckedGenome = None,
    window: o.Window = None,
    count: o.Count = None,
    class_name: o.ClassName = None,
    scores: o.Scores = None,
    against: o.Against = None,
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Score real SNVs in every precision of this device and compare with fp32; exit code 1 where one fails.

    Verdicts are remembered, and --precision auto goes by them.
    """
    flags = flags_of(locals())
    from ..workflows.check import check as work

    facts = carry_out(work, flags, _show)
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
    show_notes(facts)


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
