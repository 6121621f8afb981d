"""The verb that puts what a run left onto one page: report."""

from __future__ import annotations

from . import options as o
from .screen import shown_progress, title

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
    from ..workflows.report import report as work

    with shown_progress(quiet) as progress:
        told = work(
            path,
            output=output,
            model=model,
            genome=genome,
            windows=windows,
            window=window,
            class_name=class_name,
            calls=calls,
            alias=alias,
            facts=facts,
            maps=maps,
            device=device,
            threads=threads,
            progress=progress,
        )
    if not quiet:
        title(f"{told['output']}  ({told['bytes'] / 1e6:.2f} MB)")
