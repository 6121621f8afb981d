"""The verb `attention`: what a model looks at."""

from __future__ import annotations

from .flags import analysis as a
from .flags import common as c
from .screen import note, show_counts, shown_progress

__all__ = ["attention"]


def attention(
    source: a.Attended,
    model: c.Model,
    output: a.AttentionOutput,
    regions: a.AttendedRegions = None,
    window: c.Window = None,
    stride: a.AttendedStride = None,
    strand: c.Strand = "+",
    raw: a.Raw = False,
    high: a.High = None,
    quantile: a.Quantile = None,
    full_map: a.FullMap = False,
    max_n: c.MaxN = 0.5,
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    summary: c.Summary = None,
    quiet: c.Quiet = False,
) -> None:
    """Write how much the model attends to each base: arrays, tables, tracks, and the regions attended to most."""
    from ..workflows.attention import attention as work

    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if not quiet:
            note(line)

    with shown_progress(quiet) as progress:
        facts = work(
            source,
            model=model,
            output=output,
            regions=regions,
            window=window,
            stride=stride,
            strand=strand,
            raw=raw,
            high=high,
            quantile=quantile,
            map_only=full_map,
            max_n=max_n,
            precision=precision,
            device=device,
            threads=threads,
            summary=summary,
            progress=progress,
            say=say,
        )
    if quiet:
        return
    shown = {
        "windows": "windows",
        "left_out_n": "left out for unknown bases",
        "sequences": "sequences",
        "shorter_than_k": "shorter than k, without a score",
        "longer_than_window": "longer than the model's window",
        "bases": "bases",
        "high_regions": "high regions",
        "heads": "heads",
        "tokens": "tokens",
    }
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s)",
        {words: facts[name] for name, words in shown.items() if name in facts},
    )
    for text in facts["notes"]:
        if text not in told:
            note(text)
