"""The verbs `predict`, `embed` and `tokenize`: a file of sequences in, a row a sequence out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.sequences import embed_sequences, predict_sequences
from ..engine.model import Model
from ..errors import DnabertError, FormatError
from ..io.sequences import SequenceUnit, sequence_units
from ..io.text import open_text
from ..seq.batch import kmer_ids
from ..seq.types import F32
from ..seq.vocab import Vocabulary
from .common import check_outputs
from .estimate import estimate as foretold
from .estimate import of_sequences
from .jobs import Results, Task
from .measure import Watch
from .precision import load_first
from .progress import Progress, silent
from .sequence_output import Answered, counts_of, predictions, sequence_notes, vectors
from .session import Reread, Session
from .verb import run_verb
from .work import Work, precision_of, stored_input, try_places

__all__ = ["embed", "open_sequences", "predict", "sequence_facts", "tokenize"]

_SHARD_UNITS = 4


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
    return _run(locals() | {"pooling": None})


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
    if pooling not in ("mean", "cls"):
        raise DnabertError(f"--pooling {pooling}: choose mean or cls")
    return _run(locals())


def _run(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the sequences of a file as asked; returns the facts of the run."""
    sequences = asked["sequences"]
    return run_verb(
        asked,
        open_sequences,
        sequence_facts,
        inputs=[sequences],
        outputs={"--output": asked["output"]},
        stored=lambda work: {"sequences": stored_input(work, "sequences", sequences)},
        items="sequences",
        shard_size=_SHARD_UNITS,
    )


@contextmanager
def open_sequences(
    sequences: str | Path,
    *,
    model: str,
    output: str | Path,
    pooling: str | None,
    strand: str,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[Answered]]:
    """What `embed`, or without a pooling `predict`, of such arguments needs, opened.

    An estimate counts from when the verb `began`.
    """
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    if pooling is None:
        loaded.need_head()
        verb, doing, written = "predict", "predicting", predictions(loaded, output)
    else:
        verb, doing, written = "embed", "embedding", vectors(output, loaded.network.config.encoder.hidden_size)
    sequences = stored_input(work, "sequences", sequences)
    try_places(work, [output])
    loaded, choice = precision_of(work, loaded, model, precision, device=device, expected=inf, progress=progress)
    stream = Reread(lambda: sequence_units(sequences))

    def score(
        model: Model, units: Iterable[SequenceUnit], write: Callable[[Answered], None], done: Callable[[int], None]
    ) -> None:
        def put(unit: SequenceUnit, rows: F32) -> None:
            write(Answered(unit, rows))

        if pooling is None:
            predict_sequences(model, _as_trained(units, model), put, done)
        else:
            embed_sequences(model, _single(units, sequences), put, pooling, done)

    def foretell(machines: int, shard: int) -> dict[str, Any]:
        def watched(watch: Watch, units: Iterable[SequenceUnit], write: Callable[[Answered], None]) -> None:
            score(watch.model(loaded), units, write, lambda sequences: None)

        whole = of_sequences(sequence_units(sequences), shard)
        return foretold(verb, loaded, whole, watched, [written], began=began, machines=machines, about=choice.facts())

    def answer(results: Results[Answered], progress: Progress) -> None:
        units = results.follow(results.of_shards(stream.units(results.first)))
        score(loaded, units, results.write, progress(results.doing(doing), "sequences", None))

    options = {"strand": strand} if pooling is None else {"strand": strand, "pooling": pooling}
    settings = {
        "verb": verb, "model": choice.network, **options, **choice.facts(), "k": loaded.k,
        "later_notes": [*choice.notes], "choices": [choice.facts()],
    }  # fmt: skip
    task = Task(
        verb,
        {"sequences": sequences},
        options | choice.decisive(),
        settings,
        [written],
        lambda answered: counts_of(answered.unit, loaded.k),
        lambda: loaded.notes,
        lambda: _counted(sequences, progress),
    )
    with closing(stream):
        yield Session(task, work, loaded, answer, foretell)


def sequence_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted: dict[str, Any] = dict.fromkeys(("sequences", "shorter_than_k", "without_known_kmer", "unknown_kmers"), 0)
    counted |= {"unknown_letters": {}} | dict(counts)
    unread = sequence_notes(counted, counted.pop("unread", []), settings["k"])
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
    done, advance = 0, progress("tokenizing", "sequences", None)
    with open_text(output) as sink:
        for unit in sequence_units(sequences):
            for row in range(len(unit.windows)):
                sequence = unit.windows[row]
                if ids:
                    line = " ".join(spelt[kmer_ids(np.frombuffer(sequence, np.uint8), k)])
                else:
                    line = " ".join(sequence[i : i + k].decode() for i in range(len(sequence) - k + 1))
                sink.write(f"{line}\n".encode())
            done += len(unit.windows)
            advance(len(unit.windows))
    return {"verb": "tokenize", "sequences": done, "k": k, "output": str(output)}


def _as_trained(units: Iterable[SequenceUnit], model: Model) -> Iterator[SequenceUnit]:
    """The units, of pairs where the model was trained on such and else of single sequences."""
    for unit in units:
        model.need_pairs(unit.second is not None)
        yield unit


def _single(units: Iterable[SequenceUnit], path: str | Path) -> Iterator[SequenceUnit]:
    """The units, of single sequences."""
    for unit in units:
        if unit.second is not None:
            raise FormatError(
                f"{path}: pairs, but vectors are of single sequences; give a table with one sequence a row"
            )
        yield unit
