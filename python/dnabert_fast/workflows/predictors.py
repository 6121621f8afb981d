"""What is judged: models, their mean, and other tools' predictions, each as scores of the same rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.model import UNIT_SEQUENCES, Model
from ..engine.predict import Prepared
from ..errors import DnabertError, FormatError
from ..evaluate.calibration import calibration, cross_entropy, fit_temperature, softmax
from ..evaluate.overlap import Spans, best_overlap
from ..io.bed import Bed
from ..io.labelled import read_labelled
from ..io.predictions import is_bed, read_scored_bed, read_scored_names
from ..nn.config import NetworkConfig
from ..nn.temperature import write_temperature
from ..seq.batch import Windows
from ..seq.types import F32, F64, I64, Bool
from .precision import load_first, resolve_precision
from .progress import Progress
from .rows import Rows

__all__ = [
    "Asked",
    "Predictor",
    "calls_of",
    "ensemble",
    "from_file",
    "names_of",
    "open_models",
    "with_thresholds",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Predictor:
    """A named source of scores f64[n, C] of rows (NaN: no answer).

    Class 1 is called from `threshold` up; without one as `called` bool[n] says, or else the likeliest class. `facts`
    tell where it comes from, `notes` what users should know of it.
    """

    name: str
    scores: F64
    probabilities: bool
    facts: dict[str, Any]
    threshold: float | None = None
    called: Bool | None = None
    notes: tuple[str, ...] = ()

    def some(self, rows: I64) -> Predictor:
        """The same of some of the rows."""
        called = None if self.called is None else self.called[rows]
        return replace(self, scores=self.scores[rows], called=called)


@dataclass(frozen=True)
class Asked:
    """How models are run, whatever their name."""

    strand: str
    precision: str
    device: str
    threads: int | None
    progress: Progress

    def open(self, path: str) -> Model:
        """A model in the precision asked for."""
        return load_first(path, self.precision, device=self.device, threads=self.threads, strand=self.strand)

    def answer(
        self, name: str, path: str, opened: Model, rows: Rows, dev: str | Path | None
    ) -> tuple[Predictor, list[str]]:
        """What a model says of the rows, calibrated on `dev` if that is given, and notes."""
        model, choice = resolve_precision(
            opened, path, self.precision, device=self.device, expected=len(rows), progress=self.progress
        )
        about = {"kind": "model", "model": Path(path).name, "strand": self.strand, **choice.facts()}
        notes = [*choice.notes]
        if dev is not None:
            about["calibrated"], told = calibrate(name, path, model, dev, self.progress)
            notes += told
        what = f"predicting with {name}"
        logits = model_logits(model, rows.windows, rows.second, self.progress, what).astype(np.float64)
        config = model.network.config
        about |= {"hash": model.hash(), "k": model.k, "temperature": config.temperature}
        notes = [f"{name}: {note}" for note in (*notes, *model.notes)]
        if config.regression:
            return Predictor(name, logits, False, about), notes
        return Predictor(name, softmax(logits / config.temperature), True, about), notes


def open_models(
    named: Sequence[tuple[str, str]], asked: Asked
) -> tuple[list[tuple[str, str, Model]], tuple[str, ...], str]:
    """The models, the names of the classes they share (none of a regression), and the task of `read_labelled`.

    Raises DnabertError for models that do not answer the same question.
    """
    opened = [(name, path, asked.open(path)) for name, path in named]
    if not opened:
        return [], (), "auto"
    configs = [model.network.config for _, _, model in opened]
    for (name, _, model), config in zip(opened, configs, strict=True):
        model.need_head()
        if model.labels_bases:
            raise DnabertError(f"model {model.name} labels bases; sets of labelled sequences do not judge it")
        if config.regression != configs[0].regression or len(config.labels) != len(configs[0].labels):
            raise DnabertError(
                f"{named[0][0]} and {name} answer different questions "
                f"({_question(configs[0])}; {_question(config)}); judge them apart"
            )
        if config.labels != configs[0].labels and sorted(config.labels) == sorted(configs[0].labels):
            raise DnabertError(
                f"{named[0][0]} and {name} have the same classes in another order "
                f"({_question(configs[0])}; {_question(config)}); judge them apart"
            )
    return (
        opened,
        () if configs[0].regression else configs[0].labels,
        "regression" if configs[0].regression else "classes",
    )


def _question(config: NetworkConfig) -> str:
    return "a value" if config.regression else f"{len(config.labels)} classes: {', '.join(config.labels)}"


def names_of(given: Sequence[str], flag: str) -> list[tuple[str, str]]:
    """Name and path of each [NAME=]PATH; the name is the last part of the path where none is given."""
    found = []
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = Path(text).name.partition(".")[0] if flag == "--predictions" else Path(text).name, text
        if not _NAME.fullmatch(name):
            raise DnabertError(f"{flag} {text}: NAME may hold letters, digits and _ . + -; give NAME={path or 'PATH'}")
        found.append((name, path))
    return found


def model_logits(model: Model, windows: Windows, second: Windows | None, progress: Progress, what: str) -> F32:
    """Logits float32 [n, C] of windows, or of pairs of them, in units of 4,096."""
    model.need_head()
    model.need_pairs(second is not None)
    advance = progress(what, "sequences", len(windows))
    parts: list[F32] = []
    firsts = range(0, len(windows), UNIT_SEQUENCES)

    def read(first: int) -> list[Prepared]:
        unit = slice(first, first + UNIT_SEQUENCES)
        return model.prepare(windows[unit], second=None if second is None else second[unit])

    def write(part: F32) -> None:
        parts.append(part)
        advance(len(part))

    model.run(firsts, read, model.begin, write)
    return np.concatenate(parts)


def ensemble(predictors: Sequence[Predictor]) -> Predictor:
    """The mean of the probabilities (or values) of all of them."""
    scores = np.mean([one.scores for one in predictors], axis=0)
    about = {"kind": "ensemble", "of": [one.name for one in predictors]}
    return Predictor("ensemble", scores, predictors[0].probabilities, about)


def calibrate(
    name: str, folder: str, model: Model, dev: str | Path, progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """Fit a model's temperature on a labelled table, give it to the model, and write it into its folder.

    Returns the facts of it and notes. Raises DnabertError for a regression, and for labels that the model has no class
    for.
    """
    config = model.network.config
    if config.regression:
        raise DnabertError(f"--calibrate: {name} is a regression, which has no probabilities")
    table = read_labelled(dev, model.k, classes=model.labels, held_out=True)
    if int(table.labels.max()) >= len(model.labels):
        raise DnabertError(f"{dev}: label {table.labels.max()}, but {name} has {len(model.labels)} classes")
    what = f"calibrating {name}"
    logits = model_logits(model, table.windows, table.second, progress, what).astype(np.float64)
    labels = table.labels.astype(np.int64)
    fitted = fit_temperature(labels, logits)
    former = config.temperature
    before, after = (calibration(labels, softmax(logits / t)) for t in (former, fitted.temperature))
    model.network.config = replace(config, temperature=fitted.temperature)
    write_temperature(folder, fitted.temperature)
    facts = {
        "file": Path(dev).name,
        "sequences": len(table),
        "temperature": fitted.temperature,
        "former": former,
        "cross_entropy": [cross_entropy(labels, logits / former), fitted.after],
        "ece": [before.ece, after.ece],
        "brier": [before.brier, after.brier],
    }
    ended = f"the temperature ran to its limit, {fitted.temperature:.3g}; {Path(dev).name} says too little of it"
    return facts, [ended] if fitted.at_an_end else []


def from_file(name: str, path: str, rows: Rows, classes: Sequence[str], share: float) -> Predictor:
    """What another tool's file says of the rows: scored regions (BED), or scores by name (a table)."""
    if is_bed(path):
        if len(classes) != 2:
            raise DnabertError(
                f"--predictions {path}: regions say yes or no, and the rows have {len(classes) or 'no'} classes"
            )
        return _from_regions(name, path, rows, share)
    found = read_scored_names(path, classes)
    row_of = {row_name: i for i, row_name in enumerate(rows.names)}
    if len(row_of) != len(rows):
        twice = next(row_name for i, row_name in enumerate(rows.names) if row_of[row_name] != i)
        raise FormatError(
            f"two rows of the table are named {twice!r}; {path} is matched by name, so each needs its own"
        )
    at = np.array([row_of.get(row_name, -1) for row_name in found.names], np.int64)
    scores = np.full((len(rows), found.scores.shape[1]), np.nan)
    scores[at[at >= 0]] = found.scores[at >= 0]
    if not (at >= 0).any():
        raise FormatError(
            f"{path}: none of its {len(at):,} names is a row's; rows are named {rows.names[0]!r} and so on"
        )
    about = {"kind": "table", "file": Path(path).name, "names_of_no_row": int(np.count_nonzero(at < 0))}
    if not classes:
        return Predictor(name, scores, False, about)
    if scores.shape[1] == 1:
        if len(classes) != 2:
            raise FormatError(
                f"{path}: one score a row cannot tell {len(classes)} classes apart; give a column p_CLASS for each"
            )
        scores = np.concatenate([1 - scores, scores], axis=1)
    inside = np.nan_to_num(scores, nan=0.5)
    shares = bool(((inside >= 0) & (inside <= 1)).all())
    if shares and np.abs(np.nansum(inside, axis=1) - 1).max() > 0.01 and not np.isnan(scores).any():
        raise FormatError(f"{path}: the probabilities of a row do not add up to 1")
    return Predictor(name, scores, shares, about)


def with_thresholds(predictors: Sequence[Predictor], given: Sequence[str], classes: Sequence[str]) -> list[Predictor]:
    """The predictors with the scores from which on they call class 1, given as NAME=SCORE.

    Raises DnabertError for a name that is not there, for rows of other than two classes, and where scores are no
    probabilities and nobody says what they call.
    """
    chosen: dict[str, float] = {}
    for text in given:
        name, _, score = text.rpartition("=")
        try:
            chosen[name] = float(score)
        except ValueError:
            raise DnabertError(f"--threshold {text}: give NAME=SCORE, as in firstef=0.7") from None
        if name not in {one.name for one in predictors}:
            raise DnabertError(f"--threshold {text}: no predictor has that name; there are {_names(predictors)}")
        if len(classes) != 2:
            raise DnabertError(f"--threshold {text}: a threshold tells two classes apart")
    for one in predictors:
        if len(classes) == 2 and not one.probabilities and one.called is None and one.name not in chosen:
            raise DnabertError(
                f"{one.name}: scores outside 0 to 1 do not say what is called; give --threshold {one.name}=SCORE"
            )
    return [replace(one, threshold=chosen.get(one.name)) for one in predictors]


def _names(predictors: Sequence[Predictor]) -> str:
    return ", ".join(one.name for one in predictors)


def _from_regions(name: str, path: str, rows: Rows, share: float) -> Predictor:
    if rows.spans is None:
        raise DnabertError(
            f"--predictions {path}: regions need rows with places; give a table with columns contig, start, end"
        )
    bed, scores = read_scored_bed(path)
    regions = _placed(bed, rows.contigs)
    there = regions.contig >= 0
    if not there.any():
        raise FormatError(
            f"{path}: its contigs ({', '.join(bed.contigs[:3])}) are not the rows' ({', '.join(rows.contigs[:3])})"
        )
    best = best_overlap(rows.spans, regions.take(there), scores[there], share)
    hit = np.isfinite(best)
    # What was not called ranks below all that was: 0 where scores are greater, so that means of windows make sense.
    lowest = float(scores.min())
    best[~hit] = 0.0 if lowest > 0 else lowest - 1
    about = {"kind": "regions", "file": Path(path).name, "regions": len(bed), "rows_with_a_region": int(hit.sum())}
    return Predictor(name, np.stack([-best, best], axis=1), False, about, called=hit)


def _placed(bed: Bed, contigs: tuple[str, ...]) -> Spans:
    """Regions with contigs numbered as the rows' are, -1 for others."""
    number = {contig: i for i, contig in enumerate(contigs)}
    of_bed = np.array([number.get(contig, -1) for contig in bed.contigs], np.int64)
    return Spans(of_bed[bed.contig], bed.start, bed.end, bed.strand)


def calls_of(one: Predictor) -> I64:
    """The class that a predictor calls for each row: the likeliest, or class 1 from its threshold up."""
    if one.threshold is not None:
        return (one.scores[:, 1] >= one.threshold).astype(np.int64)
    if one.called is not None:
        return one.called.astype(np.int64)
    likeliest: I64 = one.scores.argmax(axis=1)
    return likeliest
