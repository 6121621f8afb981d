"""Attention of [CLS] as one score a base, of sequences and of windows of a genome, and whole maps of one window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..engine.attention import Attended, Ragged, normalised
from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..errors import DnabertError
from ..nn.packed import Packed
from ..seq.batch import Windows, tokenize
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import F32
from .scan import unknown_bases
from .sequences import Unit, answer_units

__all__ = [
    "AttendedUnit",
    "AttentionSummary",
    "Ragged",
    "attend_genome",
    "attend_sequences",
    "attention_scores",
    "begin_attention",
    "full_map",
    "normalised",
]


@dataclass
class AttentionSummary:
    """What was done: windows scored and left out, their bases, and pieces encoded."""

    windows: int = 0
    left_out_n: int = 0
    bases: int = 0
    pieces: int = 0
    pieces_encoded: int = 0

    def add(self, other: AttentionSummary) -> None:
        """Count what another did too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class AttendedUnit:
    """Windows of a genome, their bases, and scores f32[B] aligned with `windows.bases` (in genome order).

    `counts` are of this unit alone.
    """

    plan: Plan
    windows: Windows
    scores: F32
    counts: AttentionSummary = field(default_factory=AttentionSummary)


def attention_scores(
    model: Model, windows: Windows, raw: bool = False, tick: Callable[[int], None] | None = None
) -> Ragged:
    """Scores f32[B] aligned with `windows.bases`; see `Model.attention`. `tick` is told of windows as they are done."""
    return model.attention(windows, raw, tick or (lambda done: None))


def begin_attention(
    model: Model, prepared: list[Prepared], raw: bool = False, tick: Callable[[float], None] | None = None
) -> Callable[[], Attended]:
    """Ask for logits f32[n, C] and scores f32[B] of prepared windows, out of one pass; the call waits for them.

    C is 0 where the model does not score windows. The windows have a k-mer each.
    """
    return _normalised(model, prepared, raw, model.begin_attention(prepared, tick))


def full_map(model: Model, window: bytes, layer: int = -1) -> F32:
    """What every token of a window attends to in one layer (-1: the last): f32[heads, L, L], queries first.

    Token 0 is [CLS], then come the k-mers of the forward strand ("-": of the reverse complement), then [SEP]. Computed
    in fp32 on the model's device. Raises DnabertError for strand "both", and for a window of no k-mer or of more than
    one piece.
    """
    if model.strand == "both":
        raise DnabertError("a map is of one strand; choose --strand + or -")
    if len(window) < model.k:
        raise DnabertError(f"a window of {len(window)} bases; the model reads {model.k}-mers and needs {model.k}")
    batch = tokenize(Windows.from_strings([window]), model.k, model.strand == "-")
    if len(batch) > 1:
        raise DnabertError(f"a window of {len(window)} bases is {len(batch)} pieces; a map is of one, up to 510 k-mers")
    network = model.network
    with torch.inference_mode():
        packed = Packed.from_arrays(batch.ids, batch.cu_seqlens, device=network.backend.device, rows="all")
        found: F32 = network.attention_map(packed, layer).cpu().numpy()
    return found


def attend_sequences(
    model: Model,
    units: Iterable[Unit],
    write: Callable[[Unit, F32], None],
    raw: bool = False,
    progress: Callable[[int], None] = lambda sequences: None,
) -> int:
    """Hand each unit of sequences with its scores f32[B] (see `Model.attention`) to `write`, in order.

    Returns how many sequences are shorter than k; their scores are NaN.
    """
    model.need_pairs(False)

    def ask(prepared: list[Prepared], tick: Callable[[float], None]) -> Callable[[], F32]:
        asked = _begin_scores(model, prepared, raw, tick)
        return lambda: asked()[:, None]

    return answer_units(model, units, ask, 1, lambda unit, table: write(unit, table[:, 0]), progress, along_bases=True)


def attend_genome(
    model: Model,
    genome: Genome,
    units: Iterable[Plan],
    write: Callable[[AttendedUnit], None],
    *,
    raw: bool = False,
    max_n: float = 1.0,
    progress: Callable[[int], None] = lambda windows: None,
) -> AttentionSummary:
    """Hand each unit of windows with its scores to `write`, in order.

    Windows lie inside their contigs and have a k-mer each; one with more than `max_n` of its bases other than A, C, G,
    T is left out and counted.
    """
    model.need_pairs(False)
    summary = AttentionSummary()
    progress = in_turn(progress)

    def read(plan: Plan) -> _Work:
        stretch = _stretch(plan)
        if stretch is None:
            windows = genome.fetch(plan.contig, plan.start, plan.end)
            bases, starts = windows.bases, windows.offsets[:-1]
        else:
            bases, starts = genome.bases(genome.names[stretch[0]], *stretch[1:]), plan.start - stretch[1]
            windows = Windows.from_spans(bases, starts, starts + plan.end - plan.start)
        rows = np.flatnonzero(unknown_bases(bases, starts, starts + windows.lengths) <= max_n * windows.lengths)
        left_out = len(plan) - len(rows)
        if left_out:
            windows, plan, starts = windows.take(rows), plan.take(rows), starts[rows]
        if not len(rows):
            return _Work(plan, windows, None, left_out)
        if stretch is None:
            return _Work(plan, windows, model.prepare(windows, plan.reverse), left_out)
        prepared = model.prepare_spans(bases, starts, starts + windows.lengths, plan.reverse)
        return _Work(plan, windows, prepared, left_out)

    def compute(work: _Work) -> Callable[[], AttendedUnit]:
        plan, windows, prepared = work.plan, work.windows, work.prepared
        meter = Meter(len(plan) + work.left_out, progress)
        counts = AttentionSummary(len(plan), work.left_out, len(windows.bases))
        for side in prepared or []:
            counts.pieces += len(side.batch.owner)
            counts.pieces_encoded += len(side.distinct.first)
        summary.add(counts)
        asked = None if prepared is None else _begin_scores(model, prepared, raw, meter.tick)

        def finish() -> AttendedUnit:
            scores = np.empty(0, np.float32) if asked is None else asked()
            meter.close()
            return AttendedUnit(plan, windows, scores, counts)

        return finish

    model.run(units, read, compute, write)
    return summary


@dataclass(frozen=True)
class _Work:
    plan: Plan
    windows: Windows
    prepared: list[Prepared] | None
    left_out: int


def _stretch(plan: Plan) -> tuple[int, int, int] | None:
    """The stretch of a contig that windows lie in, where they overlap so much that it is shorter than they are."""
    first, last = int(plan.start.min()), int(plan.end.max())
    if (plan.contig != plan.contig[0]).any() or last - first >= int((plan.end - plan.start).sum()):
        return None
    return int(plan.contig[0]), first, last


def _begin_scores(
    model: Model, prepared: list[Prepared], raw: bool, tick: Callable[[float], None]
) -> Callable[[], F32]:
    asked = _normalised(model, prepared, raw, model.begin_attention(prepared, tick, logits=False))
    return lambda: asked()[1]


def _normalised(
    model: Model, prepared: list[Prepared], raw: bool, asked: Callable[[], Attended]
) -> Callable[[], Attended]:
    if raw:
        return asked
    batch, n = prepared[0].batch, prepared[0].n_windows

    def finish() -> Attended:
        logits, scores = asked()
        kmers = np.bincount(batch.owner, weights=batch.lengths - 2, minlength=n).astype(np.int64)
        return logits, normalised(scores, kmers + model.k - 1)

    return finish
