"""The verbs `predict`, `embed` and `tokenize`: a file of sequences in, a row a sequence out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..analysis.sequences import embed_sequences, predict_sequences
from ..engine.model import Model
from ..errors import DnabertError, FormatError
from ..io.sequences import SequenceUnit, sequence_units
from ..io.text import open_text
from ..seq.batch import kmer_ids
from ..seq.types import F32
from ..seq.vocab import Vocabulary
from .cluster import asked_cluster, on_cluster
from .common import check_outputs, write_summary
from .estimate import estimate as foretold
from .estimate import of_sequences
from .jobs import Results, Task
from .measure import Watch
from .outputs import Output
from .precision import load_first
from .progress import Progress, silent
from .sequence_output import Answered, counts_of, predictions, unread_note, vectors
from .session import Reread, Session, those_of
from .work import Work, asked_work, precision_of, stored_input, try_places

__all__ = ["embed", "open_embed", "open_predict", "predict", "sequence_facts", "tokenize"]

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
) -> Iterator[Session[Answered]]:
    """What `predict` of such arguments needs, opened; an estimate counts from when the verb `began`."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_head()

    def check(unit: SequenceUnit) -> None:
        loaded.need_pairs(unit.second is not None)

    def answer(loaded: Model, units: Iterator[SequenceUnit], write: Write, done: Callable[[int], None]) -> None:
        predict_sequences(loaded, units, write, done)

    asked = _Asked("predict", sequences, output, precision, device, model, work, began)
    with _opened(asked, loaded, predictions(loaded, output), check, answer, progress) as session:
        yield session


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
) -> Iterator[Session[Answered]]:
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
    with _opened(asked, loaded, vectors(output, width), check, answer, progress) as session:
        yield session


def _run(opening: Callable[..., AbstractContextManager[Session[Answered]]], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the sequences of a file as asked; returns the facts of the run, written to its summary too."""
    began, sequences, output = time.monotonic(), asked["sequences"], asked["output"]
    check_outputs([sequences], {"--output": output, "--summary": asked["summary"]})
    work = asked_work(asked["work"], asked["shard"], asked["shard_size"], _SHARD_UNITS, estimate=asked["estimate"])
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
                facts = session.foretell(asked["estimate"], asked["shard_size"] or _SHARD_UNITS)
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


@contextmanager
def _opened(
    asked: _Asked,
    loaded: Model,
    output: Output[Answered],
    check: Callable[[SequenceUnit], None],
    answer: Callable[[Model, Iterator[SequenceUnit], Write, Callable[[int], None]], None],
    progress: Progress,
) -> Iterator[Session[Answered]]:
    """A session that answers the sequences of a file."""
    work = asked.work
    sequences = stored_input(work, "sequences", asked.sequences)
    try_places(work, [asked.output])
    loaded, choice = precision_of(
        work, loaded, asked.model, asked.precision, device=asked.device, expected=inf, progress=progress
    )
    stream = Reread(lambda: sequence_units(sequences))

    def score(
        model: Model, units: Iterable[SequenceUnit], write: Callable[[Answered], None], done: Callable[[int], None]
    ) -> None:
        answer(model, _checked(units, check), lambda unit, rows: write(Answered(unit, rows)), done)

    def foretell(machines: int, shard: int) -> dict[str, Any]:
        def watched(watch: Watch, units: Iterable[SequenceUnit], write: Callable[[Answered], None]) -> None:
            score(watch.model(loaded), units, write, lambda sequences: None)

        whole = of_sequences(sequence_units(sequences), shard)
        return foretold(
            asked.verb, loaded, whole, watched, [output],
            began=asked.began, machines=machines, about=choice.facts(),
        )  # fmt: skip

    def run(results: Results[Answered], progress: Progress) -> None:
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
        lambda answered: counts_of(answered.unit, loaded.k),
        lambda: loaded.notes,
        lambda: _counted(sequences, progress),
    )
    with closing(stream):
        yield Session(task, work, loaded, run, foretell)


def sequence_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = {"sequences": 0, "shorter_than_k": 0, "without_known_kmer": 0} | dict(counts)
    unread = unread_note(counted["without_known_kmer"], counted.pop("unread", []), settings["k"])
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


class _Counter:
    """Counts what is done and passes it on."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.done = 0
        self._advance = advance

    def __call__(self, done: int) -> None:
        self.done += done
        self._advance(done)
