"""Labelled sets, whole in memory: tables, FASTA with its labels in headers or beside it, and one FASTA file a class."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.batch import PAIR, Windows, labelled_base
from ..seq.types import F32, I64
from .rows import Row, open_lines, read_rows, windows_of

__all__ = ["TASKS", "Labelled", "check_lengths", "parse_labels", "read_labelled"]

TASKS = ("auto", "classes", "regression", "tokens")

_CLASS = re.compile(rb"[0-9]{1,6}")
_NONE = (b".", b"-1")


@dataclass(frozen=True)
class Labelled:
    """A labelled set: n sequences and names; `second` are the other sequences of pairs.

    `labels`: a class a sequence int64 [n], a value a sequence float32 [n], or a class a base int64 [B] (-1: none).
    `classes` are names of the classes that the files give, where they give any.
    """

    windows: Windows
    labels: I64 | F32
    names: list[str]
    second: Windows | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.windows)


def read_labelled(
    path: str | Path,
    k: int,
    *,
    task: str = "classes",
    classes: tuple[str, ...] | None = None,
    labels: str | Path | None = None,
    held_out: bool = False,
) -> Labelled:
    """A labelled set: a table with columns `sequence` and `label`, or FASTA (see `read_rows`), or one file a class.

    Several files with commas between them, the first of class 0, need no labels: their classes are called by the
    files' names. `labels` is a file of lines with name and label. `task` is one of TASKS and says what labels are;
    "auto" takes whole numbers for classes. Classes are numbers from 0, or names of `classes`; a set that is `held_out`
    may lack some of them. Raises FormatError, naming the line, for what is missing or does not fit, one class only, and
    a sequence shorter than k.
    """
    paths = str(path).split(",")
    if len(paths) > 1 and not Path(path).exists():
        return _file_a_class(paths, k)
    beside = None if labels is None else _labels_beside(labels)
    rows = list(read_rows(path, labelled=beside is None))
    if not rows:
        raise FormatError(f"{path}: no rows after the header; give one sequence and its label a line")
    if beside is not None:
        rows = [row._replace(label=_found(beside, row, path, labels)) for row in rows]
    lines = np.array([row.line for row in rows])
    windows, second = _windows(rows, path, k, lines)
    return Labelled(
        windows,
        parse_labels([row.label for row in rows], windows, k, task, classes, path, lines, held_out),
        [row.name for row in rows],
        second,
    )


def check_lengths(windows: Windows, second: Windows | None, k: int, path: str | Path, lines: I64) -> None:
    """Raise FormatError, naming the line, for a sequence shorter than k and a pair that no piece holds."""
    for part in (windows,) if second is None else (windows, second):
        short = np.flatnonzero(part.lengths < k)
        if len(short):
            at = int(short[0])
            raise FormatError(
                f"{path}:{lines[at]}: the sequence has {part.lengths[at]} bases, fewer than k = {k}; remove the row"
            )
    if second is not None:
        together = windows.lengths + second.lengths - 2 * (k - 1)
        long = np.flatnonzero(together > PAIR)
        if len(long):
            at = int(long[0])
            raise FormatError(
                f"{path}:{lines[at]}: the pair has {together[at]} k-mers, but the model reads {PAIR}; shorten them to "
                f"{PAIR + 2 * (k - 1)} bases together"
            )


def parse_labels(
    fields: Sequence[bytes],
    windows: Windows,
    k: int,
    task: str,
    classes: tuple[str, ...] | None,
    path: str | Path,
    lines: I64,
    held_out: bool = False,
) -> I64 | F32:
    """Labels as they are written, one a window, as numbers; see `Labelled` and `read_labelled`.

    A label a base is a row of digits as long as the sequence, or numbers with blanks between them: one a base, or one
    a k-mer, which then are about its middle base (`labelled_base`). A dot is no label.
    """
    if task not in TASKS:
        raise FormatError(f"--task {task}: choose one of {', '.join(TASKS)}")
    if classes is not None:
        named = {name.encode(): str(i).encode() for i, name in enumerate(classes)}
        fields = [named.get(field, field) for field in fields]
    if task == "auto":
        task = _task_of(fields, windows)
    if task == "regression":
        return _values(fields, path, lines)
    if task == "tokens":
        return _along(fields, windows, k, path, lines, held_out)
    for field, line in zip(fields, lines, strict=True):
        if not _CLASS.fullmatch(field):
            shown = field.decode("utf-8", "replace")
            raise FormatError(
                f"{path}:{line}: label {shown!r} is not an integer; number the classes 0, 1, 2, ... or name them with "
                "--classes"
            )
    found = np.array([int(field) for field in fields], np.int64)
    _check_classes(found, lines, path, held_out)
    return found


def _task_of(fields: Sequence[bytes], windows: Windows) -> str:
    if all(_CLASS.fullmatch(field) for field in fields):
        return "classes"
    lengths = windows.lengths.tolist()
    if all(b" " in field or len(field) == n for field, n in zip(fields, lengths, strict=True)):
        return "tokens"
    return "regression" if all(_number(field) is not None for field in fields) else "classes"


def _values(fields: Sequence[bytes], path: str | Path, lines: I64) -> F32:
    found = np.empty(len(fields), np.float32)
    for i, field in enumerate(fields):
        value = _number(field)
        if value is None:
            shown = field.decode("utf-8", "replace")
            raise FormatError(f"{path}:{lines[i]}: label {shown!r} is not a number; a regression needs one a row")
        found[i] = value
    if len(found) and (found == found[0]).all():
        raise FormatError(f"{path}: every one of the {len(found)} rows has the value {found[0]:g}; nothing to learn")
    return found


def _number(field: bytes) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e30 else None


def _along(fields: Sequence[bytes], windows: Windows, k: int, path: str | Path, lines: I64, held_out: bool) -> I64:
    found = np.full(len(windows.bases), -1, np.int64)
    for i, field in enumerate(fields):
        start, end = int(windows.offsets[i]), int(windows.offsets[i + 1])
        words = field.split() if b" " in field else [field[j : j + 1] for j in range(len(field))]
        if len(words) == end - start:
            first = start
        elif len(words) == end - start - k + 1:
            first = start + labelled_base(k)
        else:
            raise FormatError(
                f"{path}:{lines[i]}: {len(words)} labels for {end - start} bases; give one a base, or one a {k}-mer"
            )
        for at, word in enumerate(words, first):
            if word not in _NONE:
                if not _CLASS.fullmatch(word):
                    shown = word.decode("utf-8", "replace")
                    raise FormatError(f"{path}:{lines[i]}: label {shown!r} among those of the bases; use 0 to 9 or .")
                found[at] = int(word)
    if not (found >= 0).any():
        raise FormatError(f"{path}: no base has a label")
    _check_classes(found[found >= 0], np.repeat(lines, windows.lengths)[found >= 0], path, held_out)
    return found


def _check_classes(labels: I64, lines: I64, path: str | Path, held_out: bool) -> None:
    present, first = np.unique(labels, return_index=True)
    if len(present) == 1:
        raise FormatError(
            f"{path}: every one of the {len(labels)} rows has label {present[0]}; a classifier needs two classes"
        )
    if not held_out and present[-1] != len(present) - 1:
        absent = next(i for i, label in enumerate(present) if label != i)
        raise FormatError(
            f"{path}:{lines[int(first[-1])]}: label {present[-1]}, but no row has label {absent}; number the classes "
            "0, 1, 2, ... (values of a regression: --task regression)"
        )


def _windows(rows: list[Row], path: str | Path, k: int, lines: I64) -> tuple[Windows, Windows | None]:
    windows = windows_of(rows, path)
    second = None if rows[0].second is None else windows_of(rows, path, second=True)
    check_lengths(windows, second, k, path, lines)
    return windows, second


def _file_a_class(paths: list[str], k: int) -> Labelled:
    parts, names, sizes = [], [], []
    for path in paths:
        rows = list(read_rows(path))
        if not rows:
            raise FormatError(f"{path}: no sequences")
        parts.append(_windows(rows, path, k, np.array([row.line for row in rows]))[0])
        names += [row.name for row in rows]
        sizes.append(len(rows))
    classes = tuple(Path(path).name.split(".")[0] for path in paths)
    if len(set(classes)) < len(classes):
        classes = tuple(str(i) for i in range(len(paths)))
    labels = np.repeat(np.arange(len(paths)), sizes)
    return Labelled(Windows.concatenate(parts), labels, names, classes=classes)


def _labels_beside(path: str | Path) -> dict[str, bytes]:
    """Label by name, of lines of a name and a label with a tab or comma between them."""
    found: dict[str, bytes] = {}
    with open_lines(path) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            fields = [field.strip() for field in line.split(b"\t" if b"\t" in line else b",")]
            if len(fields) != 2:
                raise FormatError(f"{path}:{number}: {len(fields)} columns; each line is a name, a tab and a label")
            name = fields[0].decode("utf-8", "replace")
            if found.get(name, fields[1]) != fields[1]:
                raise FormatError(f"{path}:{number}: a second label for {name}; give one a name")
            found[name] = fields[1]
    return found


def _found(beside: dict[str, bytes], row: Row, path: str | Path, labels: str | Path | None) -> bytes:
    if row.name not in beside:
        raise FormatError(f"{path}:{row.line}: {labels} has no label for {row.name}; add a line for it")
    return beside[row.name]
