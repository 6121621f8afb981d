"""The verb `attention`: sequences or windows of a genome in, a score a base out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..analysis.attention import AttendedUnit, attend_genome, attend_sequences, full_map
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
    if map_only and high is not None:
        raise DnabertError("--full-map writes the map of one window alone; leave --high out")
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_pairs(False)
    of_genome = regions is not None or window is not None or stride is not None or ends_with(output, TRACKS)
    in_order = ends_with(output, TRACKS)
    marks = None
    with ExitStack() as stack:
        genome = stack.enter_context(Genome.open(source)) if of_genome else None
        looked_at: _LookedAt = _Sequences(source, loaded, say)
        if genome is not None:
            looked_at = _windows_of(genome, loaded, regions, window, stride, max_n, in_order=in_order)
        if map_only:
            facts = _write_map(looked_at, loaded, output)
        else:
            write = open_output(stack, output, genome)
            ordered = in_order or looked_at.tiled
            marks = None if high is None else HighWriter(stack, high, genome, quantile, ordered=ordered)
            loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
            counts = looked_at.attend(loaded, write if marks is None else _both(write, marks.write), raw, progress)
            facts = {"verb": "attention", "model": choice.network, "strand": strand, "raw": raw, **choice.facts()}
            notes = [*looked_at.notes, *_about(loaded), *choice.notes, *loaded.notes]
            facts |= counts | {"notes": notes} | loaded.facts()
    if marks is not None:
        facts["high_regions"] = marks.count  # known when its file is whole
    facts |= {"seconds": round(time.monotonic() - began, 3), "output": str(output)}
    write_summary(summary, facts)
    return facts


def _both(one: Write, other: Write) -> Write:
    def write(rows: Rows) -> None:
        one(rows)
        other(rows)

    return write


class _LookedAt(Protocol):
    """What the model attends to: sequences, or windows of a genome; `tiled` says whether these lie on a grid."""

    @property
    def tiled(self) -> bool: ...

    @property
    def notes(self) -> list[str]: ...

    def attend(self, model: Model, put: Write, raw: bool, progress: Progress) -> dict[str, int]:
        """Hand all scores to `put`, in order; the counts of the run."""

    def only(self) -> bytes:
        """The bases of the window, where there is one alone; DnabertError otherwise."""


class _Sequences:
    """The sequences of a file; of the first that is longer than a window of the model it is said, as of a contig."""

    tiled = False

    def __init__(self, path: str | Path, model: Model, say: Callable[[str], None]) -> None:
        self.notes: list[str] = []
        self._path = path
        self._most = model.block.window if model.block else PIECE + model.k - 1
        self._say = say
        self._longer = 0

    def attend(self, model: Model, put: Write, raw: bool, progress: Progress) -> dict[str, int]:
        """As `_LookedAt` says."""
        done = bases = 0
        advance = progress("attending", "sequences", None)

        def write(unit: SequenceUnit, scores: F32) -> None:
            nonlocal done, bases
            done += len(unit.windows)
            bases += len(scores)
            put(Rows(unit.windows, scores, packed(unit.names), None, _letter(model)))

        short = attend_sequences(model, self._units(), write, raw, advance)
        return {"sequences": done, "bases": bases, "shorter_than_k": short, "longer_than_window": self._longer}

    def only(self) -> bytes:
        """As `_LookedAt` says."""
        windows = next(self._units()).windows
        _check_alone(len(windows))
        return windows[0]

    def _units(self) -> Iterator[SequenceUnit]:
        for unit in sequence_units(self._path):
            if unit.second is not None:
                raise FormatError(f"{self._path}: pairs, but attention is of single sequences; give one sequence a row")
            self._look(unit)
            yield unit

    def _look(self, unit: SequenceUnit) -> None:
        rows = np.flatnonzero(unit.windows.lengths > self._most)
        if len(rows) and not self._longer:
            name, length = unit.names[rows[0]], unit.windows.lengths[rows[0]]
            self.notes.append(
                f"sequence {name} has {length:,} bases, more than the {self._most:,} of the model's window, and is "
                "taken for one sequence; cut a genome into windows with --regions BED or --window BASES"
            )
            self._say(self.notes[0])
        self._longer += len(rows)


@dataclass(frozen=True)
class _GenomeWindows:
    """`count` windows of a genome, in units; such with more than `max_n` of their bases unknown are left out."""

    genome: Genome
    count: int
    units: Iterable[Plan]
    tiled: bool
    max_n: float

    @property
    def notes(self) -> list[str]:
        """What there is to say of the genome."""
        return list(self.genome.notes)

    def attend(self, model: Model, put: Write, raw: bool, progress: Progress) -> dict[str, int]:
        """As `_LookedAt` says."""
        names = packed(list(self.genome.names))

        def write(unit: AttendedUnit) -> None:
            contigs = Windows(*names).take(unit.plan.contig)
            put(Rows(unit.windows, unit.scores, (contigs.bases, contigs.offsets), unit.plan, _letter(model)))

        advance = progress("attending", "windows", self.count)
        summary = attend_genome(model, self.genome, self.units, write, raw=raw, max_n=self.max_n, progress=advance)
        return asdict(summary)

    def only(self) -> bytes:
        """As `_LookedAt` says."""
        _check_alone(self.count)
        plan = next(iter(self.units))
        windows = self.genome.fetch(plan.contig, plan.start, plan.end)
        return (reverse_complement(windows) if plan.reverse[0] else windows)[0]


def _windows_of(
    genome: Genome,
    model: Model,
    regions: str | Path | None,
    window: int | None,
    stride: int | None,
    max_n: float,
    *,
    in_order: bool,
) -> _GenomeWindows:
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
        return _GenomeWindows(genome, count, tile_units(grid, window, step), tiled, max_n)
    assert bounds is not None
    plan = Plan(bounds.contig, bounds.start, bounds.end, bounds.reverse)
    if in_order:
        plan = plan.take(np.lexsort((plan.end, plan.start, plan.contig)))
    # Regions that somebody names are wanted whatever their bases.
    return _GenomeWindows(genome, len(plan), plan_units(plan), tiled, 1.0)


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


def _write_map(looked_at: _LookedAt, model: Model, output: str | Path) -> dict[str, Any]:
    """Write the map of the only window; the facts of it."""
    if not ends_with(output, [".npy"]):
        raise FormatError(f"{output}: a map is written as .npy, f32[heads, L, L]")
    found = full_map(model, looked_at.only())
    with writing(output) as partial, open(partial, "wb") as file:
        np.save(file, found)
    return {
        "verb": "attention",
        "model": model.hash(),
        "strand": model.strand,
        "precision": "fp32",
        "heads": found.shape[0],
        "tokens": found.shape[1],
        "notes": _about(model),
    }


def _check_alone(count: int) -> None:
    if count != 1:
        raise DnabertError(f"--full-map is of one window; here are {'several' if count else 'none'}")


def _letter(model: Model) -> str:
    return "." if model.strand == "both" else model.strand


def _about(model: Model) -> list[str]:
    if model.network.config.head not in ("none", "mlm"):
        return []
    return [f"model {model.name} is not fine-tuned: this is the attention of its pre-training, not of a task"]
