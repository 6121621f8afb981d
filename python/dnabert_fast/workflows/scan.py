"""The verb `scan`: a genome in, a track or a table of window scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..analysis.scan import ScanSummary, ScanUnit, called, plan_scan
from ..analysis.scan import scan as scan_units
from ..engine.model import Model
from ..errors import DnabertError, FormatError
from ..io import TABLES, TRACKS, ends_with
from ..io.columns import repeated
from ..seq.aliases import AliasTable
from ..seq.genome import Genome
from ..seq.plan import Stretch
from .common import read_regions, window_length
from .estimate import estimate as foretold
from .estimate import of_stretches
from .jobs import Results, Task
from .measure import Watch
from .outputs import Output
from .precision import load_first
from .progress import Progress, silent
from .report import report as report_run
from .report_parts import command_line
from .session import Session
from .verb import run_verb
from .work import Work, precision_of, stored_input, try_places

__all__ = ["open_scan", "scan", "scan_facts"]

_BED = (".bed", ".bed.gz")
_OUTPUTS = (*TRACKS, *_BED, *TABLES)
_SHARD_STRETCHES = 4


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
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    ray: str | None = None,
    ray_cpus: int | None = None,
    estimate: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score every window of a genome and write a per-base track (.bw, .bedgraph.gz) or one row a window.

    genome: FASTA (plain, gzip, BGZF, "-") or 2bit. Windows start every `stride` bases of each contig (or merged region
    of the BED file `regions`) and lie wholly inside; those with more than `max_n` of their bases unknown are left out
    and counted. The track is the mean over the windows that cover a base. `calls` writes merged windows of a score of
    at least `threshold` (0.5) as BED. `precision` "auto" is the fastest that has passed a check on this model and
    device. `work`, `shard` and `shard_size` (in stretches of up to 1 Mb) make the run one that can be resumed and split
    (see docs/jobs.md), `ray` and `ray_cpus` one of the nodes of a Ray cluster (docs/clusters.md). `estimate` foretells
    the run on so many machines in place of making it. Returns the facts of the run, also written to `summary` as JSON;
    `report` is a page of them and the results.
    """
    asked = dict(locals())
    if threshold is not None and calls is None:
        raise DnabertError(f"--threshold {threshold:g} is that of calls; give --calls FILE.bed too")
    facts = run_verb(
        asked,
        open_scan,
        scan_facts,
        inputs=[genome, regions],
        outputs={"--output": output, "--calls": calls},
        stored=lambda work: {
            "genome": stored_input(work, "genome", genome),
            "regions": None if regions is None else stored_input(work, "regions", regions),
        },
        items="bases",
        shard_size=_SHARD_STRETCHES,
    )
    if report is not None and estimate is None:
        report_run(
            output, output=report, model=model, genome=genome, calls=calls, class_name=class_name, facts=facts,
            command=command_line(scan, asked), device=device if ray is None else "auto", threads=threads,
            progress=progress,
        )  # fmt: skip
    return facts


@contextmanager
def open_scan(
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    window: int | None,
    stride: int,
    strand: str,
    regions: str | Path | None,
    calls: str | Path | None,
    threshold: float | None,
    max_n: float,
    class_name: str | None,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[ScanUnit]]:
    """What `scan` of such arguments needs, opened; an estimate counts from when the verb `began`."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    window = window_length(window, loaded.block.window if loaded.block else None, loaded.k)
    passed_over = ScanSummary()
    genome = stored_input(work, "genome", genome)
    regions = None if regions is None else stored_input(work, "regions", regions)
    with Genome.open(genome) as opened:
        bounds = None if regions is None else read_regions(regions, opened, AliasTable())
        plan = plan_scan(opened, window, stride, bounds, passed_over)
        outputs = [_scores(output, opened, window, strand)]
        if calls is not None:
            outputs.append(_calls(calls, opened, window, 0.5 if threshold is None else threshold))
        bases = sum(s.end - s.start for s in plan)
        try_places(work, [output, calls])
        loaded, choice = precision_of(
            work, loaded, model, precision, device=device, expected=bases / stride, progress=progress
        )

        def score(
            model: Model, units: Iterable[Stretch], write: Callable[[ScanUnit], None], advance: Callable[[int], None]
        ) -> None:
            scan_units(
                model, opened, units, write, ScanSummary(), window=window, stride=stride, readout=readout, max_n=max_n,
                progress=advance,
            )  # fmt: skip

        def foretell(machines: int, shard: int) -> dict[str, Any]:
            def watched(watch: Watch, units: Iterable[Stretch], write: Callable[[ScanUnit], None]) -> None:
                score(watch.model(loaded), units, write, lambda bases: None)

            whole = of_stretches(plan, stride, shard)
            return foretold(
                "scan", loaded, whole, watched, outputs, began=began, machines=machines, about=choice.facts()
            )

        def answer(results: Results[ScanUnit], progress: Progress) -> None:
            chosen = list(results.of_shards(enumerate(plan)))
            advance = progress(results.doing("scanning"), "bases", sum(s.end - s.start for _, s in chosen))
            score(loaded, results.follow(chosen), results.write, advance)

        options = {"window": window, "stride": stride, "strand": strand, "class": readout.label}
        settings = {
            "model": choice.network, **options, **choice.facts(), "max_n": max_n, "notes": [*opened.notes],
            "later_notes": [*choice.notes], "summary": asdict(passed_over), "choices": [choice.facts()],
        }  # fmt: skip
        task = Task(
            "scan",
            {"genome": genome, "regions": regions},
            options | choice.decisive() | {"max_n": max_n, "threshold": threshold},
            settings,
            outputs,
            lambda unit: asdict(unit.counts),
            lambda: loaded.notes,
            lambda: len(plan),
        )
        yield Session(task, work, loaded, answer, foretell)


def scan_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = asdict(ScanSummary()) | dict(counts)
    for name, value in settings["summary"].items():  # of what the plan passed over
        counted[name] = counted[name] + value
    said = [*settings["notes"], *_nothing_scored(counted, settings["max_n"]), *settings["later_notes"], *notes]
    inner = ("max_n", "notes", "later_notes", "summary", "choices")
    told = {name: value for name, value in settings.items() if name not in inner}
    return {"verb": "scan", **told, **counted, "notes": said}


def _nothing_scored(counts: Mapping[str, Any], max_n: float) -> list[str]:
    if counts["windows"] or not counts["left_out_n"]:
        return []
    return [f"no window was scored: in every one more than {max_n:g} of the bases are unknown (--max-n)"]


def _scores(path: str | Path, genome: Genome, window: int, strand: str) -> Output[ScanUnit]:
    """A track by base, or a table by window, as the file's name says."""
    if not ends_with(path, _OUTPUTS):
        raise FormatError(f"{path}: unknown kind of output; name it {', '.join(_OUTPUTS)}")
    names = genome.names
    shown = "." if strand == "both" else strand

    def put_track(sink: Any, unit: ScanUnit) -> None:
        sink.write(names[unit.stretch.contig], unit.stretch.start, unit.mean)

    def put_bed(sink: Any, unit: ScanUnit) -> None:
        sink.write(names[unit.stretch.contig], unit.start, unit.start + window, unit.score)

    def put_rows(sink: Any, unit: ScanUnit) -> None:
        n = len(unit.start)
        contig = repeated(names[unit.stretch.contig], n)
        sink.write([contig, unit.start, unit.start + window, repeated(shown, n), unit.score])

    if ends_with(path, TRACKS):
        contigs = dict(zip(names, genome.lengths.tolist(), strict=True))
        return Output("output", path, {"kind": "track", "contigs": contigs}, put_track)
    if ends_with(path, _BED):
        return Output("output", path, {"kind": "bed"}, put_bed)
    columns = [("contig", "str"), ("start", "int"), ("end", "int"), ("strand", "str"), ("score", "float")]
    return Output("output", path, {"kind": "table", "columns": columns, "index": [0, 1, 2, True]}, put_rows)


def _calls(path: str | Path, genome: Genome, window: int, threshold: float) -> Output[ScanUnit]:
    """Windows over the threshold, merged."""

    def put(sink: Any, unit: ScanUnit) -> None:
        sink.write(unit.stretch.contig, *called(unit, window, threshold))

    return Output("calls", path, {"kind": "calls", "contigs": list(genome.names)}, put)
