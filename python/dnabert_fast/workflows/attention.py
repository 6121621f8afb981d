"""The verb `attention`: sequences or windows of a genome in, a score a base out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.attention import AttendedUnit, AttentionSummary, attend_genome, attend_sequences, full_map
from ..analysis.scan import ScanSummary, plan_scan
from ..engine.model import UNIT_SEQUENCES, Model
from ..errors import DnabertError, FormatError
from ..io import TRACKS, ends_with
from ..io.atomic import writing
from ..io.columns import packed
from ..io.sequences import SequenceUnit, sequence_units
from ..seq.aliases import AliasTable
from ..seq.batch import PIECE, Windows, cut, reverse_complement
from ..seq.genome import Genome
from ..seq.plan import Plan, Stretch, tile
from ..seq.types import F32
from .attention_outputs import HighWriter, Rows, Write, open_output
from .common import check_outputs, read_regions, window_length, write_summary
from .precision import load_first, resolve_precision
from .progress import Progress, silent

__all__ = ["STRIDE", "attention", "plan_units", "tile_units"]

_UNIT_BASES = 1 << 22
"""Bases that the windows of a unit hold together at most, but for a single one: what is kept of each is a few bytes."""

STRIDE = 100
"""Bases between the starts of windows, where nothing is given."""


def attention(
    source: str | Path,
    *,
    model: str,
    output: str | Path,
    regions: str | Path | None = None,
    window: int | None = None,
    stride: int | None = None,
    strand: str = "+",
    raw: bool = False,
    high: str | Path | None = None,
    quantile: float | None = None,
    map_only: bool = False,
    max_n: float = 0.5,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Write how much [CLS] attends to each base in the last layer (see `Model.attention`).

    source: a file of sequences, or, with `regions`, `window`, `stride` or a track as output, a genome. Its windows are
    the regions of a BED file as they are, or with a window or stride those that start every `stride` (100) bases of
    each contig or merged region; of these, such with more than `max_n` of their bases unknown are left out.
    output: .npy (windows of one length), .npz (scores, offsets), .tsv, .tsv.gz, .parquet (a row a base), or of a genome
    a track (.bw, .bedgraph.gz): the mean over the windows that cover a base. `high` is a BED file of the regions of
    `high_regions`. `map_only` writes the whole map f32[heads, L, L] of a single window as .npy. `say` is told at once
    of a sequence longer than the model's window. Returns the facts of the run, also written to `summary` as JSON.
    """
    began = time.monotonic()
    check_outputs([source, regions], {"--output": output, "--high": high, "--summary": summary})
    if quantile is not None and high is None:
        raise DnabertError(f"--quantile {quantile:g} is that of high regions; give --high FILE.bed too")
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_pairs(False)
    of_genome = regions is not None or window is not None or stride is not None or ends_with(output, TRACKS)
    with ExitStack() as stack:
        genome = stack.enter_context(Genome.open(source)) if of_genome else None
        in_order = ends_with(output, TRACKS)
        asked = None if genome is None else _asked(genome, loaded, regions, window, stride, in_order=in_order)
        if map_only:
            if high is not None:
                raise DnabertError("--full-map writes the map of one window alone; leave --high out")
            return _map(source, asked, genome, loaded, output, summary, began)
        write = open_output(stack, output, genome)
        marks = None
        if high is not None:
            ordered = in_order or (asked is not None and asked.tiled)
            marks = HighWriter(stack, high, genome, quantile, ordered=ordered)
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)

        def put(rows: Rows) -> None:
            write(rows)
            if marks is not None:
                marks.write(rows)

        if asked is None or genome is None:
            long = _LongSequences(loaded, say)
            counts = _attend_sequences(source, loaded, put, raw, long, progress)
            notes = long.notes
        else:
            counts = asdict(_attend_genome(genome, asked, loaded, put, raw, max_n, progress))
            notes = list(genome.notes)
    facts = {
        "verb": "attention",
        "model": choice.network,
        "strand": strand,
        "raw": raw,
        **choice.facts(),
        **counts,
        **({} if marks is None else {"high_regions": marks.count}),
        "notes": [*notes, *_about(loaded), *choice.notes, *loaded.notes],
        **loaded.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    return facts


@dataclass(frozen=True)
class _Asked:
    """The windows of a genome that are asked for: how many, their units, and whether they lie on a grid."""

    windows: int
    units: Iterable[Plan]
    tiled: bool


def _asked(
    genome: Genome,
    model: Model,
    regions: str | Path | None,
    window: int | None,
    stride: int | None,
    *,
    in_order: bool,
) -> _Asked:
    """The windows, on a grid by contig and start, else as the file of regions has them, or `in_order` of the genome."""
    tiled = regions is None or window is not None or stride is not None
    k = 0 if tiled else model.k
    bounds = None if regions is None else read_regions(regions, genome, AliasTable(), k, may_be_empty=True)
    if tiled:
        window = window_length(window, model.block.window if model.block else None, model.k)
        none = bounds is not None and not len(bounds.start)
        step = stride or STRIDE
        grid = [] if none else plan_scan(genome, window, step, bounds, ScanSummary())
        count = sum(len(tile(stretch, window, step, halo=False)) for stretch in grid)
        return _Asked(count, tile_units(grid, window, step), tiled)
    assert bounds is not None
    plan = Plan(bounds.contig, bounds.start, bounds.end, bounds.reverse)
    if in_order:
        plan = plan.take(np.lexsort((plan.end, plan.start, plan.contig)))
    return _Asked(len(plan), plan_units(plan), tiled)


def tile_units(grid: Iterable[Stretch], window: int, stride: int) -> Iterator[Plan]:
    """The windows of a grid, in its order, in units of bounded size, which short stretches (regions) share."""
    held: list[Plan] = []
    for stretch in grid:
        starts = tile(stretch, window, stride, halo=False)
        if held and sum(map(len, held)) + len(starts) > UNIT_SEQUENCES:
            yield from plan_units(Plan.concatenate(held))
            held = []
        held.append(Plan.of(stretch.contig, starts, starts + window))
    if held:
        yield from plan_units(Plan.concatenate(held))


def plan_units(plan: Plan) -> Iterator[Plan]:
    """The windows of a plan in units of bounded size."""
    for part in cut(plan.end - plan.start, _UNIT_BASES):
        for first in range(part.start, part.stop, UNIT_SEQUENCES):
            yield plan[first : min(first + UNIT_SEQUENCES, part.stop)]


def _attend_genome(
    genome: Genome, asked: _Asked, model: Model, put: Write, raw: bool, max_n: float, progress: Progress
) -> AttentionSummary:
    names = packed(list(genome.names))

    def write(unit: AttendedUnit) -> None:
        contigs = Windows(*names).take(unit.plan.contig)
        put(Rows(unit.windows, unit.scores, (contigs.bases, contigs.offsets), unit.plan, _letter(model)))

    advance = progress("attending", "windows", asked.windows)
    # Regions that somebody names are wanted whatever their bases.
    most = max_n if asked.tiled else 1.0
    return attend_genome(model, genome, asked.units, write, raw=raw, max_n=most, progress=advance)


class _LongSequences:
    """Counts the sequences that are longer than a window of the model, and says so of the first: it may be a contig."""

    def __init__(self, model: Model, say: Callable[[str], None]) -> None:
        self.count = 0
        self.notes: list[str] = []
        self._most = model.block.window if model.block else PIECE + model.k - 1
        self._say = say

    def look(self, unit: SequenceUnit) -> None:
        """Count those of a unit."""
        rows = np.flatnonzero(unit.windows.lengths > self._most)
        if len(rows) and not self.count:
            name, length = unit.names[rows[0]], unit.windows.lengths[rows[0]]
            self.notes.append(
                f"sequence {name} has {length:,} bases, more than the {self._most:,} of the model's window, and is "
                "taken for one sequence; cut a genome into windows with --regions BED or --window BASES"
            )
            self._say(self.notes[0])
        self.count += len(rows)


def _attend_sequences(
    source: str | Path, model: Model, put: Write, raw: bool, long: _LongSequences, progress: Progress
) -> dict[str, int]:
    done = bases = 0
    advance = progress("attending", "sequences", None)

    def write(unit: SequenceUnit, scores: F32) -> None:
        nonlocal done, bases
        done += len(unit.windows)
        bases += len(scores)
        put(Rows(unit.windows, scores, packed(unit.names), None, _letter(model)))

    short = attend_sequences(model, _single(source, long), write, raw, advance)
    return {"sequences": done, "bases": bases, "shorter_than_k": short, "longer_than_window": long.count}


def _single(path: str | Path, long: _LongSequences | None = None) -> Iterator[SequenceUnit]:
    for unit in sequence_units(path):
        if unit.second is not None:
            raise FormatError(f"{path}: pairs, but attention is of single sequences; give one sequence a row")
        if long is not None:
            long.look(unit)
        yield unit


def _map(
    source: str | Path,
    asked: _Asked | None,
    genome: Genome | None,
    model: Model,
    output: str | Path,
    summary: str | Path | None,
    began: float,
) -> dict[str, Any]:
    """Write the map of the only window."""
    if not ends_with(output, [".npy"]):
        raise FormatError(f"{output}: a map is written as .npy, f32[heads, L, L]")
    if asked is None or genome is None:
        windows = next(_single(source)).windows
        count = len(windows)
    else:
        count = asked.windows
        plan = next(iter(asked.units), None)
        windows = Windows.concatenate([]) if plan is None else genome.fetch(plan.contig, plan.start, plan.end)
        if plan is not None and plan.reverse[0]:
            windows = reverse_complement(windows[:1])
    if count != 1:
        raise DnabertError(f"--full-map is of one window; here are {'several' if count else 'none'}")
    found = full_map(model, windows[0])
    with writing(output) as partial, open(partial, "wb") as file:
        np.save(file, found)
    facts = {
        "verb": "attention",
        "model": model.hash(),
        "strand": model.strand,
        "precision": "fp32",
        "heads": found.shape[0],
        "tokens": found.shape[1],
        "notes": _about(model),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    return facts


def _letter(model: Model) -> str:
    return "." if model.strand == "both" else model.strand


def _about(model: Model) -> list[str]:
    if model.network.config.head not in ("none", "mlm"):
        return []
    return [f"model {model.name} is not fine-tuned: this is the attention of its pre-training, not of a task"]
