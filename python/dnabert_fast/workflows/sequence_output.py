"""What `predict` and `embed` make of a unit of sequences: rows of a table or an array, and counts."""

from __future__ import annotations

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
from ..seq.types import F32
from ..seq.vocab import UNK
from .outputs import Output

__all__ = ["Answered", "counts_of", "predictions", "unread_note", "vectors"]

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
    """What a unit is counted as; `unread`: the first names of those without a known k-mer, so that the model sees
    nothing but [UNK]."""
    windows = unit.windows
    starts = windows.offsets[:-1]
    ends = windows.offsets[1:] - k + 1
    read = np.zeros(len(windows.bases) + 1, np.int64)
    if len(windows.bases) >= k:
        known = kmer_ids(windows.bases, k) != UNK
        np.cumsum(known, out=read[1 : len(known) + 1])
    long = ends > starts
    rows = np.flatnonzero(long)[read[ends[long]] == read[starts[long]]].tolist()
    short = ~long if unit.second is None else ~long | (unit.second.lengths < k)
    return {
        "sequences": len(windows),
        "shorter_than_k": int(np.count_nonzero(short)),
        "without_known_kmer": len(rows),
        "unread": [unit.names[row] for row in rows[:_NAMED]],
    }


def unread_note(count: int, names: list[str], k: int) -> list[str]:
    """A note that names sequences of which a model sees nothing but [UNK], if there are any."""
    if not count:
        return []
    shown = names[:_NAMED]
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    return [
        f"sequences without one {k}-mer of A, C, G and T, whose answers say nothing: {count:,} "
        f"({', '.join(shown)}{more})"
    ]


def _likeliest(answers: F32) -> list[int]:
    """The column of the highest probability of each row, -1 where a row has no answer."""
    missing = np.isnan(answers[:, 0])
    best = np.where(missing, -1, np.nan_to_num(answers).argmax(axis=1))
    found: list[int] = best.tolist()
    return found
