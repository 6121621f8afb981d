"""The verb `scan`: a genome in, a track or a table of window scores out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.scan import CallMerger, ScanSummary, ScanUnit, plan_scan
from ..analysis.scan import scan as scan_units
from ..errors import DnabertError, FormatError
from ..io import TABLES, TRACKS, ends_with, open_table, open_track
from ..io.bed import BedSink
from ..io.bgzf import TabixColumns
from ..io.columns import repeated
from ..seq.aliases import AliasTable
from ..seq.genome import Genome
from .common import check_outputs, read_regions, window_length, write_summary
from .precision import load_first, resolve_precision
from .progress import Progress, silent
from .report import check_report
from .report import report as report_run
from .report_parts import command_line

__all__ = ["scan"]

_BED = (".bed", ".bed.gz")
_OUTPUTS = (*TRACKS, *_BED, *TABLES)


def scan(
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    window: int | None = None,
    stride: int = 100,
    strand: str = "+",
    regions: str | Path | None = None,
    calls: str | Path | None = None,
    threshold: float | None = None,
    max_n: float = 0.5,
    class_name: str | None = None,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    report: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score every window of a genome and write a per-base track (.bw, .bedgraph.gz) or one row a window.

    genome: FASTA (plain, gzip, BGZF, "-") or 2bit. Windows start every `stride` bases of each contig (or merged region
    of the BED file `regions`) and lie wholly inside; those with more than `max_n` of their bases unknown are left out
    and counted. The track is the mean over the windows that cover a base. `calls` writes merged windows of a score of
    at least `threshold` (0.5) as BED. `precision` "auto" is the fastest that has passed a check on this model and
    device. Returns the facts of the run, also written to `summary` as JSON; `report` is a page of them and the results.
    """
    asked = dict(locals())
    began = time.monotonic()
    if threshold is not None and calls is None:
        raise DnabertError(f"--threshold {threshold:g} is that of calls; give --calls FILE.bed too")
    check_outputs([genome, regions], {"--output": output, "--calls": calls, "--summary": summary, "--report": report})
    check_report(report, [], output)
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    window = window_length(window, loaded.block.window if loaded.block else None, loaded.k)
    counts = ScanSummary()
    with ExitStack() as stack:
        opened = stack.enter_context(Genome.open(genome))
        bounds = None if regions is None else read_regions(regions, opened, AliasTable())
        plan = plan_scan(opened, window, stride, bounds, counts)
        writers = [_output(stack, output, opened, window, strand)]
        writers += (
            [] if calls is None else [_calls(stack, calls, opened, window, 0.5 if threshold is None else threshold)]
        )
        bases = sum(s.end - s.start for s in plan)
        loaded, choice = resolve_precision(
            loaded, model, precision, device=device, expected=bases / stride, progress=progress
        )
        advance = progress("scanning", "bases", bases)
        scan_units(
            loaded,
            opened,
            plan,
            _together(writers),
            counts,
            window=window,
            stride=stride,
            readout=readout,
            max_n=max_n,
            progress=advance,
        )
    facts = {
        "verb": "scan",
        "model": choice.network,
        "window": window,
        "stride": stride,
        "strand": strand,
        "class": readout.label,
        **choice.facts(),
        **asdict(counts),
        "notes": [*opened.notes, *_nothing_scored(counts, max_n), *choice.notes, *loaded.notes],
        **loaded.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    if report is not None:
        report_run(
            output, output=report, model=model, genome=genome, calls=calls, class_name=class_name,
            facts=facts, command=command_line(scan, asked), device=device, threads=threads, progress=progress,
        )  # fmt: skip
    return facts


def _nothing_scored(counts: ScanSummary, max_n: float) -> list[str]:
    if counts.windows or not counts.left_out_n:
        return []
    return [f"no window was scored: in every one more than {max_n:g} of the bases are unknown (--max-n)"]


def _together(writers: Sequence[Callable[[ScanUnit], None]]) -> Callable[[ScanUnit], None]:
    def write(unit: ScanUnit) -> None:
        for writer in writers:
            writer(unit)

    return write


def _output(
    stack: ExitStack, output: str | Path, genome: Genome, window: int, strand: str
) -> Callable[[ScanUnit], None]:
    """What writes a unit to the file of this name: a track by base, or a table by window."""
    if not ends_with(output, _OUTPUTS):
        raise FormatError(f"{output}: unknown kind of output; name it {', '.join(_OUTPUTS)}")
    if ends_with(output, TRACKS):
        contigs = dict(zip(genome.names, genome.lengths.tolist(), strict=True))
        track = stack.enter_context(open_track(output, contigs))
        return lambda unit: track.write(genome.names[unit.stretch.contig], unit.stretch.start, unit.mean)
    if ends_with(output, _BED):
        bed = stack.enter_context(BedSink(output))
        return lambda unit: bed.write(genome.names[unit.stretch.contig], unit.start, unit.start + window, unit.score)
    columns = [("contig", "str"), ("start", "int"), ("end", "int"), ("strand", "str"), ("score", "float")]
    table = stack.enter_context(open_table(output, columns, TabixColumns(0, 1, 2, zero_based=True)))
    shown = "." if strand == "both" else strand

    def write_rows(unit: ScanUnit) -> None:
        n = len(unit.start)
        names = repeated(genome.names[unit.stretch.contig], n)
        table.write([names, unit.start, unit.start + window, repeated(shown, n), unit.score])

    return write_rows


def _calls(
    stack: ExitStack, path: str | Path, genome: Genome, window: int, threshold: float
) -> Callable[[ScanUnit], None]:
    """What merges windows over the threshold and writes each region when it is closed, the last one at the end."""
    bed = stack.enter_context(BedSink(path))
    merger = CallMerger(window, threshold)

    def put(regions: list[tuple[int, int, int, float]]) -> None:
        for contig, group in groupby(regions, key=itemgetter(0)):
            _, start, end, score = zip(*group, strict=True)
            bed.write(genome.names[contig], np.array(start), np.array(end), np.array(score, np.float32))

    def finish(kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            put(merger.close())

    stack.push(finish)
    return lambda unit: put(merger.add(unit))
