"""The verb `motifs`: labelled sequences in, the motifs that a model goes by out."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.base_scores import WAYS, base_scores
from ..analysis.candidates import Candidates, find_candidates
from ..analysis.matching import FEWEST, Matches, match_motifs, need_memelite
from ..analysis.motifs import Criteria, FoundMotif, background_of, find_motifs, probabilities
from ..analysis.regions import Regions, high_regions
from ..engine.model import Model
from ..errors import DnabertError, FormatError, MissingExtra
from ..evaluate.packages import need
from ..io.labelled import read_labelled
from ..io.meme import Motif, read_motifs
from ..io.rows import read_rows, windows_of
from ..io.scores import read_scores
from ..seq.batch import Windows
from ..seq.types import F32, F64, Bool
from .common import write_summary
from .motif_outputs import FILES, write_all
from .precision import load_first, resolve_precision
from .progress import Progress, silent
from .report import check_report
from .report import report as report_run
from .report_parts import command_line
from .reports import results_folder

__all__ = ["motifs"]

_FLAT = 0.5  # regions a positive sequence below which a note says how to find more


def motifs(
    sequences: str | Path,
    *,
    output: str | Path,
    model: str | None = None,
    negatives: str | Path | None = None,
    scores: str = "attention",
    database: str | Path | None = None,
    class_name: str | None = None,
    quantile: float | None = None,
    width: int = Criteria.width,
    min_length: int = Criteria.min_length,
    cutoff: float = Criteria.cutoff,
    min_sites: int = Criteria.min_sites,
    all_ties: bool = False,
    both_strands: bool = True,
    logos: bool = True,
    strand: str = "+",
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    report: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Find the strings that a model scores high in positive sequences and that negatives lack, merged into motifs.

    sequences: a labelled table or FASTA (see `io.labelled.read_labelled`), of which class 1, or `class_name`, is
    positive; with `negatives`, a second file, all are. `scores` is one of `analysis.base_scores.WAYS`, by the `model`,
    or a file of scores as the verb `attention` writes them for these sequences. `quantile` takes the bases above it in
    each sequence in place of the rule of `high_regions`; `width` to `all_ties` are those of `Criteria`; without
    `both_strands` only the strand as written counts. `database`: motifs to compare with, in MEME's or JASPAR's format.
    Files go into the folder `output` (see `motif_outputs.FILES`), and a picture of each motif. No
    motif is a result too. `report` is a page of all this. Returns the facts of the run.
    """
    arguments = dict(locals())
    began = time.monotonic()
    criteria = Criteria(width=width, min_length=min_length, cutoff=cutoff, min_sites=min_sites, all_ties=all_ties)
    inputs = [sequences, negatives, database, None if scores in WAYS else scores]
    folder = results_folder(output, inputs, FILES)
    check_report(report, inputs, output)
    need("scipy.stats")
    known = [] if database is None else read_motifs(database)
    if database is not None:
        need_memelite()
    if model is None and scores in WAYS:
        raise DnabertError(f"--scores {scores} are those of a model; give --model, or a file of scores")
    loaded, choice = _model(model, precision, device, threads, strand), None
    data = _read(sequences, negatives, loaded, class_name)
    if loaded is not None and model is not None and scores in WAYS:
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
        values = _scores(loaded, data, scores, class_name, progress)
    else:
        values = read_scores(scores, data.windows.lengths)
    search = _search(data, values, known, criteria, quantile, both_strands=both_strands, threads=threads or 1)
    notes = [*search.notes(data, quantile), *_about_database(known, database, search.found)]
    notes += [] if choice is None else choice.notes
    written = write_all(
        folder, data.windows, data.names, data.positive, search.candidates, search.found, search.background, known,
        search.matches, both_strands, criteria,
    )  # fmt: skip
    pictures, said = _pictures(folder, search if logos else None)
    notes += said
    facts = {
        "verb": "motifs",
        "model": None if loaded is None else loaded.hash(),
        "scores": str(scores),
        "strand": strand,
        "both_strands": both_strands,
        "quantile": quantile,
        "criteria": asdict(criteria),
        **({} if choice is None else choice.facts()),
        "sequences": len(data.windows),
        "positives": int(data.positive.sum()),
        **search.facts(criteria),
        "motifs": written,
        "database": None if database is None else str(database),
        "pictures": pictures,
        "notes": notes,
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(folder / "summary.json", facts)
    write_summary(summary, facts)
    if report is not None:
        report_run(
            output, output=report, model=model, facts=facts,
            command=command_line(motifs, arguments), device=device, threads=threads, progress=progress,
        )  # fmt: skip
    return facts


@dataclass(frozen=True)
class _Data:
    """Sequences, their names, and which are positive, bool[n]."""

    windows: Windows
    names: list[str]
    positive: Bool


def _model(model: str | None, precision: str, device: str, threads: int | None, strand: str) -> Model | None:
    """The model, where one is given, of single sequences."""
    if model is None:
        return None
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    loaded.need_pairs(False)
    return loaded


def _read(sequences: str | Path, negatives: str | Path | None, model: Model | None, class_name: str | None) -> _Data:
    k = 1 if model is None else model.k
    if negatives is not None:
        parts, names, sizes = [], [], []
        for path in (sequences, negatives):
            rows = list(read_rows(path))
            if any(row.second is not None for row in rows):
                raise FormatError(f"{path}: pairs, but motifs are of single sequences; give one sequence a row")
            short = next((row for row in rows if len(row.bases) < k), None)
            if short is not None:
                raise FormatError(f"{path}:{short.line}: the sequence has {len(short.bases)} bases, fewer than k = {k}")
            parts.append(windows_of(rows, path))
            names += [row.name for row in rows]
            sizes.append(len(rows))
        return _Data(Windows.concatenate(parts), names, np.repeat([True, False], sizes))
    labels = () if model is None else model.labels
    table = read_labelled(sequences, k, classes=labels or None)
    if table.second is not None:
        raise FormatError(f"{sequences}: pairs, but motifs are of single sequences; give one sequence a row")
    classes = int(table.labels.max()) + 1
    positive = 1
    if class_name is not None:
        if class_name not in (*labels, *map(str, range(classes))):
            raise DnabertError(f"--class {class_name}: the classes are {', '.join(labels or map(str, range(classes)))}")
        positive = labels.index(class_name) if class_name in labels else int(class_name)
    elif classes > 2:
        raise DnabertError(f"{sequences}: {classes} classes; say with --class whose motifs are wanted")
    return _Data(table.windows, table.names, table.labels == positive)


def _scores(model: Model, data: _Data, way: str, class_name: str | None, progress: Progress) -> F32:
    """Scores of the bases of positive sequences; the others' are NaN."""
    rows = np.flatnonzero(data.positive)
    advance = progress(f"scoring bases by {way}", "sequences", len(rows))
    found = np.full(len(data.windows.bases), np.nan, np.float32)
    # A class may be given by its number; the model knows it by its name.
    numbered = class_name is not None and class_name not in model.labels and int(class_name) < len(model.labels)
    of_two = model.labels[int(class_name)] if numbered and class_name is not None else class_name
    found[data.windows.places(rows)] = base_scores(
        model, data.windows.take(rows), way, of_two, progress=lambda done: advance(done)
    )
    return found


@dataclass(frozen=True)
class _Search:
    """What base scores lead to: high regions, the strings in them, motifs, and what these match in a database."""

    regions: Regions
    candidates: Candidates
    found: list[FoundMotif]
    background: F64
    matches: Matches | None

    def facts(self, criteria: Criteria) -> dict[str, int]:
        """How many regions, strings, and strings that pass."""
        return {
            "regions": len(self.regions),
            "candidates": len(self.candidates),
            "significant": int((self.candidates.adjusted < criteria.cutoff).sum()),
        }

    def notes(self, data: _Data, quantile: float | None) -> list[str]:
        """What a user should know of a search that found little."""
        notes = []
        positives = int(data.positive.sum())
        if quantile is None and len(self.regions) < _FLAT * positives:
            notes.append(
                f"{len(self.regions):,} high regions in {positives:,} positive sequences: the scores are too even for "
                "the rule of 10 times the lowest; --quantile 0.8 takes the highest fifth of each sequence"
            )
        if self.candidates.left_out:
            notes.append(f"regions with letters besides A, C, G, T, left out: {self.candidates.left_out:,}")
        if not self.found:
            notes.append("no motif found: no string passes the cut-off, or none has enough sites")
        return notes


def _search(
    data: _Data,
    values: F32,
    known: list[Motif],
    criteria: Criteria,
    quantile: float | None,
    *,
    both_strands: bool,
    threads: int,
) -> _Search:
    """Find the motifs of the positive sequences, whose bases have the scores `values`, and match them with `known`."""
    windows, positive = data.windows, data.positive
    high = high_regions(values, windows.offsets, min_length=criteria.min_length, quantile=quantile)
    rows = positive[high.window]
    regions = Regions(high.window[rows], high.start[rows], high.end[rows])
    candidates = find_candidates(windows, positive, regions, both_strands, threads)
    found = find_motifs(windows, candidates, criteria, both_strands)
    background = background_of(windows, both_strands)
    matches = None
    if known:
        queries = [probabilities(motif.counts, background)[motif.first : motif.last] for motif in found]
        matches = match_motifs(queries, [motif.matrix for motif in known], both_strands, threads)
    return _Search(regions, candidates, found, background, matches)


def _about_database(known: list[Motif], database: str | Path | None, found: list[FoundMotif]) -> list[str]:
    if database is None or len(known) >= FEWEST or not found:
        return []
    return [f"{database} has {len(known)} motifs; p-values of matches mean little with fewer than {FEWEST}"]


def _pictures(folder: Path, search: _Search | None) -> tuple[list[str], list[str]]:
    """Draw the motifs, if a search is given, in place of an earlier run's; the names of the files, and notes."""
    for path in folder.iterdir():
        if re.fullmatch(r"motif_[0-9]+\.(png|svg)", path.name):
            path.unlink()
    if search is None or not search.found:
        return [], []
    try:
        return _draw(folder, search), []
    except MissingExtra as missing:
        return [], [f"no logos: {missing}"]


def _draw(folder: Path, search: _Search) -> list[str]:
    from ..report.logos import logo_picture

    pictures: list[Path] = []
    for i, motif in enumerate(search.found, 1):
        matrix = probabilities(motif.counts, search.background)
        title = f"motif_{i}   {search.candidates.strings[motif.strings[0]].decode()}   {len(motif.sites):,} sites"
        pictures += logo_picture(folder / f"motif_{i}", matrix, title, span=(motif.first, motif.last))
    return [path.name for path in pictures]
