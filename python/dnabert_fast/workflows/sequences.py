"""The verbs `predict`, `embed` and `tokenize`: a file of sequences in, a row a sequence out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..analysis.sequences import embed_sequences, predict_sequences
from ..engine.model import Model
from ..errors import DnabertError, FormatError
from ..io import TABLES, ends_with
from ..io.columns import packed
from ..io.sequences import SequenceUnit, sequence_units
from ..io.text import open_text
from ..seq.batch import Windows, kmer_ids
from ..seq.table import TextColumn
from ..seq.types import F32
from ..seq.vocab import UNK, Vocabulary
from .cluster import asked_cluster, on_cluster
from .common import check_outputs, write_summary
from .estimate import estimate as foretold
from .estimate import of_sequences
from .jobs import Results, Task, Work, asked_work, precision_of, stored_input, try_places
from .measure import Watch
from .outputs import Output
from .precision import load_first
from .progress import Progress, silent
from .session import Reread, Session, those_of

__all__ = ["embed", "open_embed", "open_predict", "predict", "sequence_facts", "tokenize"]

_NAMED = 5  # names that a note gives
_SHARD_UNITS = 4
_DOING = {"predict": "predicting", "embed": "embedding"}


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
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    ray: str | None = None,
    ray_cpus: int | None = None,
    estimate: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write name, length, probability of each class and the likeliest class of every sequence (or its value).

    sequences: FASTA, or csv/tsv with a column `sequence` (bases or k-mers), of pairs `sequence2` too, plain or gzip.
    output: .tsv, .tsv.gz or .parquet. A model that labels bases gives a row a base, with its place in the sequence
    (from 0) and its letter. Sequences shorter than k get no answer and are counted. `work`, `shard` and `shard_size`
    (in units of 4,096 sequences): see docs/jobs.md; `ray` and `ray_cpus`: docs/clusters.md. `estimate` foretells the
    run on so many machines in place of making it. Returns the facts of the run.
    """
    asked = dict(locals())
    return _run(open_predict, asked)


@contextmanager
def open_predict(
    sequences: str | Path,
    *,
    model: str,
    output: str | Path,
    strand: str,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[_Answered]]:
    """What `predict` of such arguments needs, opened; an estimate counts from when the verb `began`."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_head()

    def check(unit: SequenceUnit) -> None:
        loaded.need_pairs(unit.second is not None)

    def answer(loaded: Model, units: Iterator[SequenceUnit], write: Write, done: Callable[[int], None]) -> None:
        predict_sequences(loaded, units, write, done)

    asked = _Asked("predict", sequences, output, precision, device, model, work, began)
    yield _opened(asked, loaded, _predictions(loaded, output), check, answer, progress)


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
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    ray: str | None = None,
    ray_cpus: int | None = None,
    estimate: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write one vector a sequence, the mean over its k-mers ("mean") or its [CLS] state ("cls").

    output: .npy (float32 [n, H]) or .parquet (name and one column a dimension). `work`, `shard`, `shard_size`,
    `ray`, `ray_cpus` and `estimate` as in `predict`. Returns the facts of the run.
    """
    asked = dict(locals())
    if pooling not in ("mean", "cls"):
        raise DnabertError(f"--pooling {pooling}: choose mean or cls")
    return _run(open_embed, asked)


@contextmanager
def open_embed(
    sequences: str | Path,
    *,
    model: str,
    output: str | Path,
    pooling: str,
    strand: str,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[_Answered]]:
    """What `embed` of such arguments needs, opened; an estimate counts from when the verb `began`."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)

    def check(unit: SequenceUnit) -> None:
        if unit.second is not None:
            raise FormatError(
                f"{sequences}: pairs, but vectors are of single sequences; give a table with one sequence a row"
            )

    def answer(loaded: Model, units: Iterator[SequenceUnit], write: Write, done: Callable[[int], None]) -> None:
        embed_sequences(loaded, units, write, pooling, done)

    width = loaded.network.config.encoder.hidden_size
    asked = _Asked("embed", sequences, output, precision, device, model, work, began, {"pooling": pooling})
    yield _opened(asked, loaded, _vectors(output, width), check, answer, progress)


def _run(
    opening: Callable[..., AbstractContextManager[Session[_Answered]]], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer the sequences of a file as asked; returns the facts of the run, written to its summary too."""
    began, sequences, output = time.monotonic(), asked["sequences"], asked["output"]
    check_outputs([sequences], {"--output": output, "--summary": asked["summary"]})
    work = asked_work(asked["work"], asked["shard"], asked["shard_size"], _SHARD_UNITS)
    cluster = asked_cluster(
        asked["ray"], asked["ray_cpus"], work, [output],
        device=asked["device"], threads=asked["threads"], estimate=asked["estimate"],
    )  # fmt: skip
    given = those_of(opening, {**asked, "work": work, "began": began})
    if cluster is not None:
        given["sequences"] = stored_input(work, "sequences", sequences)
        facts = on_cluster(cluster, opening, given, sequence_facts, "sequences", asked["progress"])
        facts |= {"seconds": round(time.monotonic() - began, 3)}
    else:
        with opening(**given) as session:
            if asked["estimate"] is not None:
                facts = session.foretell(asked["estimate"])
            else:
                results = session.run(asked["progress"])
                facts = sequence_facts(results.settings, results.counts, results.notes)
                facts |= session.model.facts() | results.facts(began, output)
    write_summary(asked["summary"], facts)
    return facts


Write: TypeAlias = "Callable[[SequenceUnit, F32], None]"


@dataclass(frozen=True)
class _Asked:
    """What `predict` and `embed` were asked for; `more` are options of one of them."""

    verb: str
    sequences: str | Path
    output: str | Path
    precision: str
    device: str
    model: str
    work: Work | None
    began: float
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Answered:
    """A unit and its rows."""

    unit: SequenceUnit
    rows: F32


def _opened(
    asked: _Asked,
    loaded: Model,
    output: Output[_Answered],
    check: Callable[[SequenceUnit], None],
    answer: Callable[[Model, Iterator[SequenceUnit], Write, Callable[[int], None]], None],
    progress: Progress,
) -> Session[_Answered]:
    """A session that answers the sequences of a file."""
    work = asked.work
    sequences = stored_input(work, "sequences", asked.sequences)
    try_places(work, [asked.output])
    loaded, choice = precision_of(
        work, loaded, asked.model, asked.precision, device=asked.device, expected=inf, progress=progress
    )
    stream = Reread(lambda: sequence_units(sequences))

    def score(
        model: Model, units: Iterable[SequenceUnit], write: Callable[[_Answered], None], done: Callable[[int], None]
    ) -> None:
        answer(model, _checked(units, check), lambda unit, rows: write(_Answered(unit, rows)), done)

    def foretell(machines: int) -> dict[str, Any]:
        def watched(watch: Watch, units: Iterable[SequenceUnit], write: Callable[[_Answered], None]) -> None:
            score(watch.model(loaded), units, write, lambda sequences: None)

        whole = of_sequences(sequence_units(sequences), work.shard_size if work else _SHARD_UNITS)
        return foretold(
            asked.verb, loaded, whole, watched, [output],
            began=asked.began, machines=machines, about=choice.facts(),
        )  # fmt: skip

    def run(results: Results[_Answered], progress: Progress) -> None:
        units = results.follow(results.of_shards(stream.units(results.first)))
        score(loaded, units, results.write, progress(results.doing(_DOING[asked.verb]), "sequences", None))

    options = {"strand": loaded.strand, **asked.more}
    settings = {
        "verb": asked.verb, "model": choice.network, **options, **choice.facts(), "k": loaded.k,
        "later_notes": [*choice.notes], "choices": [choice.facts()],
    }  # fmt: skip
    task = Task(
        asked.verb,
        {"sequences": sequences},
        options | choice.decisive(),
        settings,
        [output],
        lambda answered: _counts(answered.unit, loaded.k),
        lambda: loaded.notes,
        lambda: _counted(sequences, progress),
    )
    return Session(task, work, loaded, run, foretell)


def sequence_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = {"sequences": 0, "shorter_than_k": 0, "without_known_kmer": 0} | dict(counts)
    unread = _unread_note(counted["without_known_kmer"], counted.pop("unread", []), settings["k"])
    told = {name: value for name, value in settings.items() if name not in ("k", "later_notes", "choices")}
    return {**told, **counted, "notes": [*unread, *settings["later_notes"], *notes]}


def _counted(sequences: str | Path, progress: Progress) -> int:
    """How many units a file has, which the list of shards depends on."""
    advance = progress("counting", "sequences", None)
    units = 0
    for unit in sequence_units(sequences):
        units += 1
        advance(len(unit.windows))
    return units


def _predictions(model: Model, path: str | Path) -> Output[_Answered]:
    """A table of probabilities (values)."""
    if not ends_with(path, TABLES):
        raise FormatError(f"{path}: unknown kind of table; name the output {', '.join(TABLES)}")
    regression = model.network.config.regression
    columns = [("name", "str")]
    columns += [("base", "int"), ("letter", "str")] if model.labels_bases else [("length", "int")]
    columns += [("value", "float")] if regression else [(f"p_{label}", "float") for label in model.labels]
    columns += [] if regression else [("predicted", "str")]

    def put(sink: Any, answered: _Answered) -> None:
        unit, answers = answered.unit, answered.rows
        about = _bases_of(unit) if model.labels_bases else [packed(unit.names), unit.windows.lengths]
        rows = [*about, *np.ascontiguousarray(answers.T)]
        if not regression:
            rows.append(packed([model.labels[i] if i >= 0 else "." for i in _likeliest(answers)]))
        sink.write(rows)

    return Output("output", path, {"kind": "table", "columns": columns}, put)


def _vectors(path: str | Path, width: int) -> Output[_Answered]:
    """An array or a table of vectors."""

    def put_rows(sink: Any, answered: _Answered) -> None:
        sink.write([packed(answered.unit.names), *np.ascontiguousarray(answered.rows.T)])

    if ends_with(path, (".npy",)):
        return Output("output", path, {"kind": "array", "columns": width}, lambda sink, of: sink.write(of.rows))
    if not ends_with(path, (".parquet",)):
        raise FormatError(f"{path}: unknown kind of output; name it .npy or .parquet")
    columns = [("name", "str"), *((f"d{i}", "float") for i in range(width))]
    return Output("output", path, {"kind": "table", "columns": columns}, put_rows)


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


def _counts(unit: SequenceUnit, k: int) -> dict[str, Any]:
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


def _unread_note(count: int, names: list[str], k: int) -> list[str]:
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
