"""What `predict` and `embed` make of a unit of sequences: rows of a table or an array, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.model import Model
from ..errors import FormatError
from ..io import TABLES, ends_with
from ..io.columns import packed
from ..io.sequences import SequenceUnit
from ..seq.batch import Windows, kmer_ids
from ..seq.table import TextColumn
from ..seq.types import F32, I64
from ..seq.vocab import UNK
from .outputs import Output

__all__ = ["Answered", "counts_of", "predictions", "sequence_notes", "vectors"]

_NAMED = 5  # names that a note gives


@dataclass(frozen=True)
class Answered:
    """A unit and its rows."""

    unit: SequenceUnit
    rows: F32


def predictions(model: Model, path: str | Path) -> Output[Answered]:
    """A table of probabilities (values)."""
    if not ends_with(path, TABLES):
        raise FormatError(f"{path}: unknown kind of table; name the output {', '.join(TABLES)}")
    regression = model.network.config.regression
    columns = [("name", "str")]
    columns += [("base", "int"), ("letter", "str")] if model.labels_bases else [("length", "int")]
    columns += [("value", "float")] if regression else [(f"p_{label}", "float") for label in model.labels]
    columns += [] if regression else [("predicted", "str")]

    def put(sink: Any, answered: Answered) -> None:
        unit, answers = answered.unit, answered.rows
        about = _bases_of(unit) if model.labels_bases else [packed(unit.names), unit.windows.lengths]
        rows = [*about, *np.ascontiguousarray(answers.T)]
        if not regression:
            rows.append(packed([model.labels[i] if i >= 0 else "." for i in _likeliest(answers)]))
        sink.write(rows)

    return Output("output", path, {"kind": "table", "columns": columns}, put)


def vectors(path: str | Path, width: int) -> Output[Answered]:
    """An array or a table of vectors."""

    def put_rows(sink: Any, answered: Answered) -> None:
        sink.write([packed(answered.unit.names), *np.ascontiguousarray(answered.rows.T)])

    if ends_with(path, (".npy",)):
        return Output("output", path, {"kind": "array", "columns": width}, lambda sink, of: sink.write(of.rows))
    if not ends_with(path, (".parquet",)):
        raise FormatError(f"{path}: unknown kind of output; name it .npy or .parquet")
    columns = [("name", "str"), *((f"d{i}", "float") for i in range(width))]
    return Output("output", path, {"kind": "table", "columns": columns}, put_rows)


def _bases_of(unit: SequenceUnit) -> list[TextColumn]:
    """Name, place and letter of every base of a unit."""
    windows = unit.windows
    lengths = windows.lengths
    letters, bounds = packed(unit.names)
    names = Windows(letters, bounds).take(np.repeat(np.arange(len(unit.names)), lengths))
    place = np.arange(len(windows.bases)) - np.repeat(windows.offsets[:-1], lengths)
    return [(names.bases, names.offsets), place, (windows.bases, np.arange(len(windows.bases) + 1))]


def counts_of(unit: SequenceUnit, k: int) -> dict[str, Any]:
    """What a unit is counted as.

    `unknown_letters` counts those besides A, C, G and T (U), `unknown_kmers` the k-mers over them, which models see as
    [UNK]; `unread`: the first names of sequences without another k-mer.
    """
    kmers, known = _kmers(unit.windows, k)
    letters, unknown, short = _unknown_letters(unit.windows), int((kmers - known).sum()), kmers == 0
    if unit.second is not None:
        others, of_others = _kmers(unit.second, k)
        letters += _unknown_letters(unit.second)
        unknown += int((others - of_others).sum())
        short |= others == 0
    rows = np.flatnonzero((kmers > 0) & (known == 0)).tolist()
    return {
        "sequences": len(unit.windows),
        "shorter_than_k": int(np.count_nonzero(short)),
        "without_known_kmer": len(rows),
        "unknown_kmers": unknown,
        "unknown_letters": dict(letters),
        "unread": [unit.names[row] for row in rows[:_NAMED]],
    }


def _kmers(windows: Windows, k: int) -> tuple[I64, I64]:
    """How many k-mers each window has, and how many of A, C, G and T alone, i64[n] each."""
    starts, kmers = windows.offsets[:-1], np.maximum(windows.lengths - k + 1, 0)
    running = np.zeros(len(windows.bases) + 1, np.int64)
    known = kmer_ids(windows.bases, k) != UNK
    np.cumsum(known, out=running[1 : len(known) + 1])
    return kmers, running[starts + kmers] - running[starts]


def _unknown_letters(windows: Windows) -> Counter[str]:
    """How often each letter besides A, C, G, T and U stands in the windows, in upper case."""
    counts = np.bincount(windows.bases, minlength=256)
    counts[np.frombuffer(b"ACGTUacgtu", np.uint8)] = 0
    found: Counter[str] = Counter()
    for letter in np.flatnonzero(counts).tolist():
        found[chr(letter).upper()] += int(counts[letter])
    return found


def sequence_notes(counts: Mapping[str, Any], unread: Sequence[str], k: int) -> list[str]:
    """What a user should know of sequences that a model could not read, by their counts; `unread` names some."""
    notes = []
    if letters := counts["unknown_letters"]:
        often = sorted(letters.items(), key=lambda one: (-one[1], one[0]))
        spelt = ", ".join(f"{letter} {number:,}" for letter, number in often)
        notes.append(
            f"letters besides A, C, G and T: {spelt}; {k}-mers over them, read as unknown: {counts['unknown_kmers']:,}"
        )
    if counts["sequences"] and counts["sequences"] == counts["shorter_than_k"]:
        notes.append(f"no sequence has an answer: all are shorter than one {k}-mer")
    if count := counts["without_known_kmer"]:
        shown = unread[:_NAMED]
        more = f" and {count - len(shown):,} more" if count > len(shown) else ""
        notes.append(
            f"sequences without one {k}-mer of A, C, G and T, whose answers say nothing: {count:,} "
            f"({', '.join(shown)}{more})"
        )
    return notes


def _likeliest(answers: F32) -> list[int]:
    """The column of the highest probability of each row, -1 where a row has no answer."""
    missing = np.isnan(answers[:, 0])
    best = np.where(missing, -1, np.nan_to_num(answers).argmax(axis=1))
    found: list[int] = best.tolist()
    return found
