"""Other tools' predictions: scored regions of a BED file, and scores by name of a table."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.types import F64
from .bed import Bed, read_bed
from .text_table import read_text_table

__all__ = ["ScoredNames", "is_bed", "read_scored_bed", "read_scored_names"]

_SCORE = 4  # the fifth column
_SINGLE = ("score", "value", "probability", "p")


@dataclass(frozen=True)
class ScoredNames:
    """Scores f64[n, c] of n names, NaN where a row has none; columns in the order asked for, or the only one."""

    names: list[str]
    scores: F64


def is_bed(path: str | Path) -> bool:
    """Whether a file is a BED file, by its name."""
    return str(path).lower().endswith((".bed", ".bed.gz", ".narrowpeak", ".narrowpeak.gz"))


def read_scored_bed(path: str | Path) -> tuple[Bed, F64]:
    """The regions of a BED file and their scores (fifth column), float64 [n].

    All score 1 where the file has no fifth column or nothing but "." in it. Raises FormatError, naming the line, for a
    score that is no finite number, and for what `read_bed` refuses.
    """
    bed = read_bed(path)
    data = Path(path).read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).split(b"\n")
    texts = [_field(lines[number - 1]) for number in bed.line]
    if all(text == "." for text in texts):
        return bed, np.ones(len(bed))
    scores = np.array([_number(text) for text in texts])
    broken = np.flatnonzero(~np.isfinite(scores))
    if len(broken):
        row = int(broken[0])
        raise FormatError(f"{path}:{bed.line[row]}: score {texts[row]!r} (fifth column) is not a finite number")
    return bed, scores


def _field(line: bytes) -> str:
    fields = line.split(b"\t") if b"\t" in line else line.split()
    return fields[_SCORE].strip().decode("utf-8", "replace") if len(fields) > _SCORE else "."


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_scored_names(path: str | Path, classes: Sequence[str]) -> ScoredNames:
    """A table of `name` and one score, or of `name` and a column p_CLASS for every class, as `predict` writes it.

    One score is a column named score, value, probability or p; a table of two columns needs no header. Missing scores
    (".", NA, nan, nothing) are NaN. Raises FormatError, naming the line, for other text, infinity, and a name that
    comes twice.
    """
    table = read_text_table(path, ("name",), headless=("name", "score"))
    of_classes = [f"p_{name}".lower() for name in classes]
    if classes and all(name in table.columns for name in of_classes):
        chosen = of_classes
    else:
        single = [name for name in table.columns if name in _SINGLE]
        others = [name for name in table.columns if name != "name"]
        chosen = single if len(single) == 1 else others
        if len(chosen) != 1:
            raise FormatError(
                f"{path}: which column is the score? there are {', '.join(others)[:80]}; name one of them score"
                + (f", or give {', '.join(of_classes)}" if len(classes) > 1 else "")
            )
    seen: dict[str, int] = {}
    for row, name in enumerate(table.columns["name"]):
        if (before := seen.setdefault(name, row)) != row:
            raise table.wrong(row, f"name {name!r} is on line {table.line[before]} too; each row needs its own")
    return ScoredNames(table.columns["name"], np.stack([table.numbers(name, may_miss=True) for name in chosen], axis=1))
