"""What changes of a window do to its answer: every substitution, deletions by length, or those that somebody names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..engine.meter import Meter, in_turn
from ..engine.model import Model
from ..engine.predict import Prepared
from ..errors import DnabertError
from ..seq.batch import Windows
from ..seq.edits import edit_windows
from ..seq.types import F32, I64, U8, Bool

__all__ = [
    "LETTERS",
    "UNIT_EDITS",
    "Edits",
    "MutationSummary",
    "all_substitutions",
    "codes",
    "deletions",
    "edited",
    "edited_logits",
    "substitutions",
]

LETTERS = "ACGT"
"""The bases in the order in which substitutions are numbered."""

UNIT_EDITS = 4096
"""Changed windows that a unit holds at most."""

_UNIT_BASES = 1 << 24
"""Bases that the changed windows of a unit hold together at most, but for a single one."""

_CODES = np.full(256, -1, np.int64)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _CODES[np.frombuffer(_letters, np.uint8)] = _code


@dataclass(frozen=True)
class Edits:
    """Changes of windows, one a row, ascending by window.

    `deleted` bases of window `window` from its base `at` on give way to `inserted`, and the window has `lengths` bases
    then: what is longer is cut on the right, what is shorter takes in what follows. All i64[m] but `inserted`.
    """

    window: I64
    at: I64
    deleted: I64
    inserted: Windows
    lengths: I64

    def __len__(self) -> int:
        return len(self.window)

    def take(self, rows: I64) -> Edits:
        """These changes, in the order given."""
        numbers = self.window[rows], self.at[rows], self.deleted[rows]
        return Edits(*numbers, self.inserted.take(rows), self.lengths[rows])


@dataclass
class MutationSummary:
    """What was done: windows, their changes, and pieces of both; a piece is encoded once a unit."""

    windows: int = 0
    mutants: int = 0
    pieces: int = 0
    pieces_encoded: int = 0


def substitutions(windows: Windows) -> Edits:
    """Every base of every window put in turn for each of A, C, G, T that it is not, in this order.

    Three a base; four where the window has another letter.
    """
    code = codes(windows.bases)
    base, letter = np.nonzero(code[:, None] != np.arange(4))
    owner = np.repeat(np.arange(len(windows)), windows.lengths)[base]
    inserted = Windows(np.frombuffer(LETTERS.encode(), np.uint8)[letter], np.arange(len(base) + 1))
    ones = np.ones(len(base), np.int64)
    return Edits(owner, base - windows.offsets[owner], ones, inserted, windows.lengths[owner])


def deletions(lengths: I64, longest: int) -> Edits:
    """All stretches of 1 to `longest` bases of windows of these lengths, i64[n], left out in turn.

    A window's come by length, then by place; it keeps its length.
    """
    sizes = np.arange(1, min(longest, int(lengths.max(initial=0))) + 1)
    counts = np.maximum(0, lengths[:, None] - sizes + 1)
    each = counts.reshape(-1)
    window = np.repeat(np.arange(len(lengths)), counts.sum(axis=1))
    at = np.arange(len(window)) - np.repeat(np.cumsum(each) - each, each)
    none = Windows(np.empty(0, np.uint8), np.zeros(len(window) + 1, np.int64))
    return Edits(window, at, np.repeat(np.tile(sizes, len(lengths)), each), none, lengths[window])


def codes(bases: U8) -> I64:
    """The place of each base in `LETTERS`, of either case and with U as T; -1 for another letter."""
    return _CODES[bases]


def edited(spans: Windows, edits: Edits) -> Windows:
    """The windows with their changes made; `spans` as of `edited_logits`."""
    return edit_windows(spans.take(edits.window), edits.at, edits.deleted, edits.inserted, edits.lengths)


def all_substitutions(
    model: Model,
    windows: Windows,
    reverse: Bool | None = None,
    summary: MutationSummary | None = None,
    progress: Callable[[int], None] = lambda mutants: None,
) -> tuple[F32, F32]:
    """Logits of the windows, f32[n, C], and with each of their bases put for each other, f32[B, 4, C].

    B are the bases of all windows end to end, the second axis is A, C, G, T; what the window has already is the window
    itself. Windows of one length L: reshape to [n, L, 4, C]. As `edited_logits` in all else.
    """
    edits = substitutions(windows)
    reference, changed = edited_logits(model, windows, windows.lengths, edits, reverse, summary, progress)
    owner = np.repeat(np.arange(len(windows)), windows.lengths)
    table = np.repeat(reference[owner][:, None], 4, axis=1)
    table[windows.offsets[edits.window] + edits.at, codes(edits.inserted.bases)] = changed
    return reference, table


def edited_logits(
    model: Model,
    spans: Windows,
    lengths: I64,
    edits: Edits,
    reverse: Bool | None = None,
    summary: MutationSummary | None = None,
    progress: Callable[[int], None] = lambda mutants: None,
) -> tuple[F32, F32]:
    """Logits of the windows, f32[n, C], and of one window a change, f32[m, C].

    A window is the first `lengths[i]` bases of its span; what follows it there comes in where a deletion leaves room,
    then N. Changed windows are encoded in units of 4,096 with the windows they come from, those that spell the same
    once, so that a change that changes nothing has exactly its window's logits. `reverse` bool[n]: windows on the other
    strand. Raises DnabertError for a model that does not score windows, and for windows shorter than k.
    """
    _check(model, lengths, edits)
    plan = _plan(lengths, edits)
    backward = np.zeros(len(spans), np.bool_) if reverse is None else reverse
    reference: list[F32] = []
    changed: list[F32] = []
    progress = in_turn(progress)

    def read(unit: _Unit) -> tuple[_Unit, list[Prepared]]:
        part = plan.take(unit.rows)
        prepared = model.prepare(edited(spans, part), backward[part.window])
        if summary is not None:
            summary.windows += int(unit.own.sum())
            summary.mutants += int((~unit.own).sum()) - unit.repeats
            summary.pieces += sum(len(side.batch) for side in prepared)
            summary.pieces_encoded += sum(len(side.distinct.first) for side in prepared)
        return unit, prepared

    def compute(work: tuple[_Unit, list[Prepared]]) -> Callable[[], tuple[_Unit, F32]]:
        unit, prepared = work
        meter = Meter(int((~unit.own).sum()) - unit.repeats, progress)
        asked = model.begin(prepared, meter.tick)

        def finish() -> tuple[_Unit, F32]:
            logits = asked()
            meter.close()
            return unit, logits

        return finish

    def keep(result: tuple[_Unit, F32]) -> None:
        unit, logits = result
        own = unit.own
        if unit.repeats:
            # A window whose changes are in several units has its logits from the first, here as well.
            again, logits, own = logits[0], logits[1:], own[1:]
            first = plan.window[unit.rows[1:]] == plan.window[unit.rows[0]]
            logits = np.where((first & (logits == again).all(axis=1))[:, None], reference[-1][-1], logits)
        reference.extend([logits[own]] if own.any() else [])
        changed.append(logits[~own])

    model.run(_units(plan), read, compute, keep)
    columns = max(1, len(model.labels))
    none = np.empty((0, columns), np.float32)
    return np.concatenate([none, *reference]), np.concatenate([none, *changed])


@dataclass(frozen=True)
class _Unit:
    """Rows i64[u] of a plan; `own` bool[u]: windows as they are. `repeats` 1: the first is one of an earlier unit."""

    rows: I64
    own: Bool
    repeats: int


def _plan(lengths: I64, edits: Edits) -> Edits:
    """The edits of each window behind one that changes nothing."""
    n = len(lengths)
    window = np.concatenate([np.arange(n), edits.window])
    order = np.argsort(window, kind="stable")
    zeros = np.zeros(n, np.int64)
    offsets = np.concatenate([zeros, edits.inserted.offsets])
    every = Edits(
        window,
        np.concatenate([zeros, edits.at]),
        np.concatenate([zeros, edits.deleted]),
        Windows(edits.inserted.bases, offsets),
        np.concatenate([lengths, edits.lengths]),
    )
    return every.take(order)


def _units(plan: Edits) -> Iterator[_Unit]:
    own = np.diff(plan.window, prepend=-1) > 0
    home = np.flatnonzero(own)[plan.window]
    ends = np.cumsum(plan.lengths)
    first = done = 0
    while first < len(plan):
        last = int(np.searchsorted(ends, done + _UNIT_BASES, side="right"))
        last = min(max(first + 1, last), first + UNIT_EDITS)
        rows = np.arange(first, min(last, len(plan)))
        repeats = int(not own[first])
        if repeats:
            rows = np.concatenate([home[first : first + 1], rows])
        yield _Unit(rows, np.concatenate([np.zeros(repeats, np.bool_), own[rows[repeats:]]]), repeats)
        first = int(rows[-1]) + 1
        done = int(ends[first - 1])


def _check(model: Model, lengths: I64, edits: Edits) -> None:
    model.need_head()
    model.need_pairs(False)
    if not model.scores_windows:
        raise DnabertError(f"model {model.name} scores bases, not windows; use it with predict")
    for what, sizes in (("window", lengths), ("changed window", edits.lengths)):
        short = np.flatnonzero(sizes < model.k)
        if len(short):
            at = int(short[0])
            raise DnabertError(
                f"{what} {at + 1} has {sizes[at]} bases; the model reads {model.k}-mers and needs {model.k}"
            )
