"""The verbs `predict`, `embed` and `tokenize`: a file of sequences in, a row a sequence out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.sequences import embed_sequences, predict_sequences
from ..engine.model import Model
from ..errors import DnabertError, FormatError
from ..io import ends_with, open_table
from ..io.columns import packed
from ..io.npy import NpySink
from ..io.sequences import SequenceUnit, sequence_units
from ..io.text import open_text
from ..seq.batch import Windows, kmer_ids
from ..seq.table import TextColumn
from ..seq.types import F32
from ..seq.vocab import UNK, Vocabulary
from .common import check_outputs, write_summary
from .precision import Choice, load_first, resolve_precision
from .progress import Progress, silent

__all__ = ["embed", "predict", "tokenize"]

_NAMED = 5  # names that a note gives


def predict(
    sequences: str | Path,
    *,
    model: str,
    output: str | Path,
    strand: str = "+",
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write name, length, probability of each class and the likeliest class of every sequence (or its value).

    sequences: FASTA, or csv/tsv with a column `sequence` (bases or k-mers), of pairs `sequence2` too, plain or gzip.
    output: .tsv, .tsv.gz or .parquet. A model that labels bases gives a row a base, with its place in the sequence
    (from 0) and its letter. Sequences shorter than k get no answer and are counted. Returns the facts of the run.
    """
    began = time.monotonic()
    check_outputs([sequences], {"--output": output, "--summary": summary})
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_head()
    regression = loaded.network.config.regression
    columns = [("name", "str")]
    columns += [("base", "int"), ("letter", "str")] if loaded.labels_bases else [("length", "int")]
    columns += [("value", "float")] if regression else [(f"p_{label}", "float") for label in loaded.labels]
    columns += [] if regression else [("predicted", "str")]
    with ExitStack() as stack:
        table = stack.enter_context(open_table(output, columns))
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
        unread = _Unread(loaded.k)

        def write(unit: SequenceUnit, answers: F32) -> None:
            unread.look(unit)
            about = _bases_of(unit) if loaded.labels_bases else [packed(unit.names), unit.windows.lengths]
            rows = [*about, *np.ascontiguousarray(answers.T)]
            if not regression:
                rows.append(packed([loaded.labels[i] if i >= 0 else "." for i in _likeliest(answers)]))
            table.write(rows)

        counter = _Counter(progress("predicting", "sequences", None))
        units = _checked(sequence_units(sequences), lambda unit: loaded.need_pairs(unit.second is not None))
        short = predict_sequences(loaded, units, write, counter)
    return _facts("predict", loaded, output, counter.done, short, unread, choice, began, summary)


def embed(
    sequences: str | Path,
    *,
    model: str,
    output: str | Path,
    pooling: str = "mean",
    strand: str = "+",
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write one vector a sequence, the mean over its k-mers ("mean") or its [CLS] state ("cls").

    output: .npy (float32 [n, H]) or .parquet (name and one column a dimension). Returns the facts of the run.
    """
    if pooling not in ("mean", "cls"):
        raise DnabertError(f"--pooling {pooling}: choose mean or cls")
    began = time.monotonic()
    check_outputs([sequences], {"--output": output, "--summary": summary})
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    with ExitStack() as stack:
        write = _embedding_writer(stack, output, loaded.network.config.encoder.hidden_size)
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
        unread = _Unread(loaded.k)

        def look_and_write(unit: SequenceUnit, vectors: F32) -> None:
            unread.look(unit)
            write(unit, vectors)

        counter = _Counter(progress("embedding", "sequences", None))
        units = _checked(sequence_units(sequences), lambda unit: _need_single(unit, sequences))
        short = embed_sequences(loaded, units, look_and_write, pooling, counter)
    facts = _facts("embed", loaded, output, counter.done, short, unread, choice, began, summary)
    return facts | {"pooling": pooling}


def tokenize(
    sequences: str | Path, *, k: int, output: str | Path, ids: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Write the k-mers of every sequence, one line a sequence and blanks between them, as text or as token ids.

    Letters come out as they are; a k-mer over any letter but A, C, G, T is [UNK] among the ids. Returns counts.
    """
    check_outputs([sequences], {"--output": output})
    spelt = np.array([str(i) for i in range(Vocabulary(k).size)])
    counter = _Counter(progress("tokenizing", "sequences", None))
    with open_text(output) as sink:
        for unit in sequence_units(sequences):
            for row in range(len(unit.windows)):
                sequence = unit.windows[row]
                if ids:
                    line = " ".join(spelt[kmer_ids(np.frombuffer(sequence, np.uint8), k)])
                else:
                    line = " ".join(sequence[i : i + k].decode() for i in range(len(sequence) - k + 1))
                sink.write(f"{line}\n".encode())
            counter(len(unit.windows))
    return {"verb": "tokenize", "sequences": counter.done, "k": k, "output": str(output)}


def _checked(units: Iterable[SequenceUnit], check: Callable[[SequenceUnit], None]) -> Iterator[SequenceUnit]:
    for unit in units:
        check(unit)
        yield unit


def _need_single(unit: SequenceUnit, path: str | Path) -> None:
    if unit.second is not None:
        raise FormatError(f"{path}: pairs, but vectors are of single sequences; give a table with one sequence a row")


def _bases_of(unit: SequenceUnit) -> list[TextColumn]:
    """Name, place and letter of every base of a unit."""
    windows = unit.windows
    lengths = windows.lengths
    letters, bounds = packed(unit.names)
    names = Windows(letters, bounds).take(np.repeat(np.arange(len(unit.names)), lengths))
    place = np.arange(len(windows.bases)) - np.repeat(windows.offsets[:-1], lengths)
    return [(names.bases, names.offsets), place, (windows.bases, np.arange(len(windows.bases) + 1))]


class _Counter:
    """Counts what is done and passes it on."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.done = 0
        self._advance = advance

    def __call__(self, done: int) -> None:
        self.done += done
        self._advance(done)


class _Unread:
    """Counts the sequences in which no k-mer is of A, C, G and T alone, so that the model sees nothing but [UNK]."""

    def __init__(self, k: int) -> None:
        self.count = 0
        self._k = k
        self._names: list[str] = []

    def look(self, unit: SequenceUnit) -> None:
        windows = unit.windows
        starts = windows.offsets[:-1]
        ends = windows.offsets[1:] - self._k + 1
        read = np.zeros(len(windows.bases) + 1, np.int64)
        if len(windows.bases) >= self._k:
            known = kmer_ids(windows.bases, self._k) != UNK
            np.cumsum(known, out=read[1 : len(known) + 1])
        long = ends > starts
        rows = np.flatnonzero(long)[read[ends[long]] == read[starts[long]]].tolist()
        self.count += len(rows)
        self._names += [unit.names[row] for row in rows[: _NAMED - len(self._names)]]

    def notes(self) -> list[str]:
        if not self.count:
            return []
        more = f" and {self.count - len(self._names):,} more" if self.count > len(self._names) else ""
        return [
            f"sequences without one {self._k}-mer of A, C, G and T, whose answers say nothing: {self.count:,} "
            f"({', '.join(self._names)}{more})"
        ]


def _likeliest(answers: F32) -> list[int]:
    """The column of the highest probability of each row, -1 where a row has no answer."""
    missing = np.isnan(answers[:, 0])
    best = np.where(missing, -1, np.nan_to_num(answers).argmax(axis=1))
    found: list[int] = best.tolist()
    return found


def _embedding_writer(stack: ExitStack, output: str | Path, width: int) -> Callable[[SequenceUnit, F32], None]:
    if ends_with(output, (".npy",)):
        array = stack.enter_context(NpySink(output, width))
        return lambda unit, vectors: array.write(vectors)
    if not ends_with(output, (".parquet",)):
        raise FormatError(f"{output}: unknown kind of output; name it .npy or .parquet")
    table = stack.enter_context(open_table(output, [("name", "str"), *((f"d{i}", "float") for i in range(width))]))
    return lambda unit, vectors: table.write([packed(unit.names), *np.ascontiguousarray(vectors.T)])


def _facts(
    verb: str,
    model: Model,
    output: str | Path,
    sequences: int,
    too_short: int,
    unread: _Unread,
    choice: Choice,
    began: float,
    summary: str | Path | None,
) -> dict[str, Any]:
    facts = {
        "verb": verb,
        "model": choice.network,
        "strand": model.strand,
        **choice.facts(),
        "sequences": sequences,
        "shorter_than_k": too_short,
        "without_known_kmer": unread.count,
        "notes": [*unread.notes(), *choice.notes, *model.notes],
        **model.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    return facts
