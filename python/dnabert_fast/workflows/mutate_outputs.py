"""What `mutate` writes of changed windows: tables, pictures, and how far three views of a base agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.mutagenesis import LETTERS, Edits
from ..engine.scores import Readout, log_odds_ratio, weighted_difference
from ..evaluate.agreement import spearman
from ..evaluate.bootstrap import estimates
from ..evaluate.weighted import Weights
from ..io import open_table
from ..io.columns import packed
from ..report.mutation_map import Mark, MutationMap, mutation_map
from ..seq.batch import Windows
from ..seq.table import TextColumn
from ..seq.types import F32, F64, I64
from .mutate_inputs import Targets, Variants

__all__ = ["Agreements", "Changed", "MapPictures", "Tables", "VariantTable", "changed_attention", "effects", "scores"]


@dataclass(frozen=True)
class Changed:
    """Windows and what changes do to them, as scores (natural log-odds of the class, or values of a regression).

    attention f32[B]; reference f64[n]; mutant f64[B, 4], NaN for the base that is there; deletions with a score f64[d]
    each; gradients f32[B], None where not asked for.
    """

    targets: Targets
    windows: Windows
    attention: F32
    reference: F64
    mutant: F64
    deletions: Edits
    deleted: F64
    gradients: F32 | None


def scores(readout: Readout, ref: F64, alt: F64) -> dict[str, F64]:
    """What tables say of a change from score `ref` to `alt`, by the names of their columns."""
    found = {"p_ref": readout.value(ref), "p_alt": readout.value(alt)}
    if readout.regression:
        return {"value_ref": ref, "value_alt": alt, "difference": alt - ref}
    return found | {"difference": weighted_difference(ref, alt), "log_odds_ratio": log_odds_ratio(ref, alt)}


def effects(reference: F64, mutant: F64, lengths: I64) -> F64:
    """How far the three substitutions of each base move the score on average, without sign, f64[B]."""
    moved = np.abs(mutant - np.repeat(reference, lengths)[:, None])
    counts = (~np.isnan(moved)).sum(axis=1)
    found: F64 = np.nansum(moved, axis=1) / np.maximum(counts, 1)
    return found


def changed_attention(attention: F32, offsets: I64, window: I64, at: I64, deleted: I64) -> F32:
    """The mean attention over the bases that each change replaces, f32[m]; of an insertion over that behind it."""
    running = np.concatenate([[0.0], np.cumsum(attention, dtype=np.float64)])
    end = offsets[window + 1]
    first = np.minimum(offsets[window] + at, end - 1)
    last = np.minimum(first + np.maximum(deleted, 1), end)
    found: F32 = ((running[last] - running[first]) / (last - first)).astype(np.float32)
    return found


class Tables:
    """scores.tsv (a row a substitution), bases.tsv (a row a base) and, with `deletions`, deletions.tsv in a folder."""

    def __init__(self, stack: ExitStack, folder: Path, readout: Readout, *, deletions: bool, gradients: bool) -> None:
        self._readout = readout
        named = [(name, "float") for name in scores(readout, np.zeros(1), np.zeros(1))]
        place = [("window", "str"), ("position", "int")]
        alleles = [("ref", "str"), ("alt", "str")]
        self._scores = stack.enter_context(
            open_table(folder / "scores.tsv", [*place, *alleles, *named, ("attention", "float")])
        )
        of_base = [("base", "str"), ("attention", "float"), ("effect", "float")]
        of_base += [("gradient", "float")] if gradients else []
        self._bases = stack.enter_context(open_table(folder / "bases.tsv", [*place, *of_base]))
        self._deletions = None
        if deletions:
            columns = [*place, ("length", "int"), ("deleted", "str"), *named, ("attention", "float")]
            self._deletions = stack.enter_context(open_table(folder / "deletions.tsv", columns))

    def write(self, found: Changed) -> None:
        """Write the rows of some windows."""
        windows, targets = found.windows, found.targets
        owner = np.repeat(np.arange(len(windows)), windows.lengths)
        position = np.arange(len(owner)) - windows.offsets[owner] + targets.first[owner]
        base, letter = np.nonzero(~np.isnan(found.mutant))
        alt = np.frombuffer(LETTERS.encode(), np.uint8)[letter]
        told = scores(self._readout, found.reference[owner[base]], found.mutant[base, letter])
        row = [_names(targets, owner[base]), position[base], _letters(windows.bases[base]), _letters(alt)]
        self._scores.write([*row, *_floats(told), found.attention[base]])
        effect = effects(found.reference, found.mutant, windows.lengths).astype(np.float32)
        of_base: list[TextColumn] = [_names(targets, owner), position, _letters(windows.bases), found.attention, effect]
        self._bases.write([*of_base, *([] if found.gradients is None else [found.gradients])])
        if self._deletions is not None:
            self._write_deletions(found)

    def _write_deletions(self, found: Changed) -> None:
        assert self._deletions is not None
        edits, offsets = found.deletions, found.windows.offsets
        told = scores(self._readout, found.reference[edits.window], found.deleted)
        start = offsets[edits.window] + edits.at
        gone = Windows.from_spans(found.windows.bases, start, start + edits.deleted)
        attention = changed_attention(found.attention, offsets, edits.window, edits.at, edits.deleted)
        position = edits.at + found.targets.first[edits.window]
        row = [_names(found.targets, edits.window), position, edits.deleted, (gone.bases, gone.offsets)]
        self._deletions.write([*row, *_floats(told), attention])


class VariantTable:
    """variants.tsv in a folder: a row an allele of a VCF, with the mean attention over the bases that it changes."""

    def __init__(self, stack: ExitStack, folder: Path, readout: Readout, variants: Variants) -> None:
        named = [(name, "float") for name in scores(readout, np.zeros(1), np.zeros(1))]
        columns = [("contig", "str"), ("position", "int"), ("ref", "str"), ("alt", "str"), ("window", "str")]
        self._table = stack.enter_context(
            open_table(folder / "variants.tsv", [*columns, *named, ("attention", "float"), ("flag", "str")])
        )
        self._variants = variants
        self._attention = np.empty(len(variants), np.float32)
        self._windows = [""] * len(variants)

    def add(self, found: Changed, first: int) -> None:
        """Windows are done, the first of which is number `first` of all."""
        given = self._variants
        rows = np.flatnonzero((given.window >= first) & (given.window < first + len(found.windows)))
        window = given.window[rows] - first
        self._attention[rows] = changed_attention(
            found.attention, found.windows.offsets, window, given.at[rows], given.deleted[rows]
        )
        for row, at in zip(rows.tolist(), window.tolist(), strict=True):
            self._windows[row] = found.targets.names[at]

    def write(self) -> None:
        """Write the rows, when all windows are done."""
        given = self._variants
        texts = [packed(column) for column in (given.contig, given.ref, given.alt, self._windows, given.flags)]
        contig, ref, alt, windows, flags = texts
        values = list(given.scores.values())
        self._table.write([contig, given.position, ref, alt, windows, *values, self._attention, flags])


class MapPictures:
    """A picture a window, `map.NAME.png` and `.svg`, in a folder; `paths` are those that were written."""

    def __init__(self, folder: Path, readout: Readout, variants: Variants | None) -> None:
        self.paths: list[str] = []
        self._folder = folder
        self._readout = readout
        self._variants = variants
        self._taken: set[str] = set()

    def draw(self, found: Changed, first: int) -> None:
        """Draw some windows, of which the first is number `first` of all."""
        offsets = found.windows.offsets
        for row, name in enumerate(found.targets.names):
            part = slice(offsets[row], offsets[row + 1])
            reference = float(found.reference[row])
            told = scores(self._readout, np.float64(reference), found.mutant[part])
            _, mutant, difference, *odds = told.values()
            start = int(found.targets.first[row])
            shown = MutationMap(
                letters=found.windows[row].decode().upper(),
                first=start,
                attention=found.attention[part],
                reference=float(self._readout.value(np.array([reference]))[0]),
                mutant=mutant,
                difference=difference,
                log_odds=odds[0] if odds else None,
                deletions=self._deletions(found, row, part.stop - part.start),
                score=self._readout.label if self._readout.regression else f"P({self._readout.label})",
                marks=self._marks(first + row),
            )
            self.paths += map(str, mutation_map(self._folder / f"map.{self._file(name)}.png", shown, name))

    def _deletions(self, found: Changed, row: int, length: int) -> F64 | None:
        own = np.flatnonzero(found.deletions.window == row)
        if not len(own):
            return None
        deleted = found.deletions.deleted[own]
        table = np.full((int(deleted.max()), length), np.nan)
        told = scores(self._readout, np.full(len(own), found.reference[row]), found.deleted[own])
        table[deleted - 1, found.deletions.at[own]] = [*told.values()][-1]
        return table

    def _marks(self, window: int) -> list[Mark]:
        given = self._variants
        if given is None:
            return []
        marks = []
        for i in np.flatnonzero(given.window == window).tolist():
            label = f"{given.position[i]:,} {_short(given.ref[i])}>{_short(given.alt[i])}"
            marks.append(Mark(int(given.at[i]), label, float(given.scores["DIFF"][i])))
        return marks

    def _file(self, name: str) -> str:
        """A name that files may have, used once."""
        plain = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("_")[:80] or "window"
        found, number = plain, 1
        while found in self._taken:
            number += 1
            found = f"{plain}.{number}"
        self._taken.add(found)
        return found


class Agreements:
    """Rank correlations, a window each, between attention, the effect of substitutions, and gradients' size."""

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def add(self, found: Changed) -> None:
        """Compare the three in some windows."""
        offsets = found.windows.offsets
        views = {
            "attention": found.attention.astype(np.float64),
            "effect": effects(found.reference, found.mutant, found.windows.lengths),
        }
        if found.gradients is not None:
            views["gradient"] = np.abs(found.gradients.astype(np.float64))
        names = list(views)
        for a, one in enumerate(names):
            for other in names[a + 1 :]:
                rows = self._rows.setdefault(f"{one}_{other}", [])
                for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
                    rows.append(spearman(views[one][start:end], views[other][start:end]))

    def facts(self) -> dict[str, dict[str, float | int | None]]:
        """Of each pair the mean over windows, and its 95 % bootstrap interval where there are two windows or more."""
        return {name: _mean(np.array(rows)) for name, rows in self._rows.items()}


class _Mean:
    """The mean of values f64[n], as a statistic to draw resamples of."""

    names = ("mean",)

    def __init__(self, values: F64) -> None:
        self._values = values

    def __call__(self, weights: Weights) -> F64:
        found: F64 = (weights @ self._values / weights.sum(axis=1))[:, None]
        return found


def _mean(values: F64) -> dict[str, float | int | None]:
    values = values[~np.isnan(values)]
    if not len(values):
        return {"windows": 0, "spearman": None, "low": None, "high": None}
    [found] = estimates([_Mean(values)], np.zeros(len(values), np.int64))
    mean = found["mean"]
    low, high = (None, None) if len(values) < 2 or isnan(mean.low) else (mean.low, mean.high)
    return {"windows": len(values), "spearman": mean.value, "low": low, "high": high}


def _names(targets: Targets, rows: I64) -> TextColumn:
    taken = Windows(*packed(targets.names)).take(rows)
    return taken.bases, taken.offsets


def _letters(bases: np.ndarray[Any, np.dtype[np.uint8]]) -> TextColumn:
    return np.ascontiguousarray(bases), np.arange(len(bases) + 1)


def _floats(columns: dict[str, F64]) -> Sequence[F32]:
    return [column.astype(np.float32) for column in columns.values()]


def _short(allele: str) -> str:
    return (allele if len(allele) <= 8 else f"{allele[:5]}...") or "-"
