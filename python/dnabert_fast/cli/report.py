"""The verb that puts what a run left onto one page: report."""

from __future__ import annotations

from typing import Any

from . import flags as o
from .screen import title
from .verb import carry_out, flags_of

__all__ = ["report"]


def report(
    path: o.Reported,
    output: o.ReportOutput,
    model: o.ReportedModel = None,
    genome: o.ReportedGenome = None,
    windows: o.Windows = "centred",
    window: o.Window = None,
    class_name: o.ClassName = None,
    calls: o.ReportedCalls = None,
    alias: o.Alias = None,
    facts: o.Facts = None,
    maps: o.Maps = 4,
    device: o.Device = "auto",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Put what variants, scan, screen or motifs wrote onto one HTML page that needs nothing else."""
    flags = flags_of(locals())
    from ..workflows.report import report as work

    carry_out(work, flags, _show)


def _show(told: dict[str, Any]) -> None:
    title(f"{told['output']}  ({told['bytes'] / 1e6:.2f} MB)")
