"""The verb that puts what a run left onto one page: report."""

from __future__ import annotations

from .flags import analysis as a
from .flags import common as c
from .screen import shown_progress, title

__all__ = ["report"]


def report(
    path: a.Reported,
    output: a.ReportOutput,
    model: a.ReportedModel = None,
    genome: a.ReportedGenome = None,
    windows: c.Windows = "centred",
    window: c.Window = None,
    class_name: c.ClassName = None,
    calls: a.ReportedCalls = None,
    alias: c.Alias = None,
    facts: a.Facts = None,
    maps: a.Maps = 4,
    device: c.Device = "auto",
    threads: c.Threads = None,
    quiet: c.Quiet = False,
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
