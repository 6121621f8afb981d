"""The file in which `check` keeps the scores of a machine, for another to compare with."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..errors import FormatError
from ..io.atomic import writing
from ..nn.config import NetworkConfig
from ..seq.types import F32, I64, U8
from .gate import Sample, change, score_columns, scores

__all__ = ["KeptScores", "read_scores", "write_scores"]

_FIRST = "# dnabert_fast check"
_DIGITS = 18


@dataclass(frozen=True)
class KeptScores:
    """What another machine said: `settings` of its run, its SNVs, and logits float32 [2n, C] by precision.

    window: bases of each; labels: of the model; contigs: names, one an SNV; position i64[n], 1-based; ref, alt u8[n];
    exceptions: the layers that a precision left out, where it did. `window_at`, `labels_at` and `at` (one an SNV) are
    where the file says so, as FILE:LINE.
    """

    path: str
    settings: dict[str, str]
    window: int
    labels: tuple[str, ...]
    contigs: list[str]
    position: I64
    ref: U8
    alt: U8
    logits: dict[str, F32]
    exceptions: dict[str, tuple[str, ...]]
    window_at: str
    labels_at: str
    at: tuple[str, ...]


def write_scores(
    path: str | Path,
    config: NetworkConfig,
    network: str,
    device: str,
    sample: Sample,
    logits: Mapping[str, F32],
    column: int | None,
    exceptions: Mapping[str, Sequence[str]],
) -> None:
    """Write a row an SNV and precision, under lines of what the run was; nine digits hold a float32 exactly."""
    settings = {
        "network": network,
        "window": str(sample.window),
        "windows": sample.hash(),
        "labels": json.dumps(list(config.labels)),
        "device": device,
        "dnabert_fast": __version__,
        "torch": torch.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "exceptions": json.dumps(exceptions),
    }
    outputs = range(max(1, len(config.labels)))
    titles = ["contig", "pos", "ref", "alt", "precision"]
    titles += [f"{side}_logit_{i}" for side in ("ref", "alt") for i in outputs]
    titles += ["diff" if config.regression else "logor"]
    n = len(sample)
    with writing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(f"{_FIRST}\n")
        file.writelines(f"# {name}={value}\n" for name, value in settings.items())
        file.write("\t".join(titles) + "\n")
        columns = score_columns(config, next(iter(logits.values())), column)
        for precision, table in logits.items():
            found = scores(config, table, columns)
            changed = change(config, found[:n], found[n:])
            for i in range(n):
                numbers = "\t".join(f"{value:.9g}" for value in (*table[i], *table[n + i], changed[i]))
                snv = f"{sample.contigs[i]}\t{sample.position[i]}\t{chr(sample.ref[i])}\t{chr(sample.alt[i])}"
                file.write(f"{snv}\t{precision}\t{numbers}\n")


def read_scores(path: str | Path) -> KeptScores:
    """Read what `write_scores` wrote; FormatError names the line that is not of such a file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: is not a file that `dnabert-fast check --scores` wrote") from None
    if not lines or lines[0] != _FIRST:
        raise FormatError(f"{path}: is not a file that `dnabert-fast check --scores` wrote")
    head = list(takewhile(lambda line: line.startswith("# "), lines))
    settings = dict(line[2:].partition("=")[::2] for line in head[1:])
    absent = [name for name in ("network", "window", "windows", "labels", "exceptions") if name not in settings]
    if absent:
        raise FormatError(f"{path}: its head lacks {', '.join(absent)}")
    at = {line[2:].partition("=")[0]: f"{path}:{number}" for number, line in enumerate(head, 1)}
    window, labels, left = _settings(settings, at)
    first = len(head) + 1  # the line of titles lies between
    by_precision: dict[str, list[list[str]]] = {}
    width = 6 + 2 * max(1, len(labels))
    places: list[str] = []
    for number, line in enumerate(lines[first:], first + 1):
        cells = line.split("\t")
        if len(cells) != width:
            raise FormatError(f"{path}:{number}: {len(cells)} columns where there should be {width}; copy it anew")
        _check_row(f"{path}:{number}", cells)
        by_precision.setdefault(cells[4], []).append(cells)
        if len(by_precision) == 1:
            places.append(f"{path}:{number}")
    if not by_precision:
        raise FormatError(f"{path}: holds no scores; copy it anew")
    snvs = [row[:4] for row in next(iter(by_precision.values()))]
    logits = {}
    # A precision's rows follow each other, those of the first at `places`.
    for precision, rows in by_precision.items():
        if [row[:4] for row in rows] != snvs:
            raise FormatError(f"{path}: precision {precision} has other SNVs than the rest; copy it anew")
        with np.errstate(over="ignore"):
            table = np.array([row[5:-1] for row in rows], np.float64).astype(np.float32)
        half = table.shape[1] // 2
        logits[precision] = np.concatenate([table[:, :half], table[:, half:]])
    position = np.array([int(row[1]) for row in snvs], np.int64)
    ref, alt = (np.frombuffer("".join(row[i] for row in snvs).encode(), np.uint8) for i in (2, 3))
    contigs = [row[0] for row in snvs]
    told = at["window"], at["labels"], tuple(places)
    return KeptScores(str(path), settings, window, labels, contigs, position, ref, alt, logits, left, *told)


def _settings(
    settings: Mapping[str, str], at: Mapping[str, str]
) -> tuple[int, tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The window, the labels, and the layers left out; FormatError names the line, of `at`, that says none."""

    def wrong(name: str, what: str) -> FormatError:
        return FormatError(f"{at[name]}: {name}={settings[name][:60]} is not {what}; copy the file anew")

    window = _whole(settings["window"])
    if window is None:
        raise wrong("window", "a number of bases")
    labels, left = (_json(settings[name]) for name in ("labels", "exceptions"))
    if not _is_names(labels):
        raise wrong("labels", "a list of names")
    if not isinstance(left, dict) or not all(map(_is_names, left.values())):
        raise wrong("exceptions", "a list of layers for each precision")
    return window, tuple(labels), {name: tuple(layers) for name, layers in left.items()}


def _check_row(place: str, cells: Sequence[str]) -> None:
    if _whole(cells[1]) is None:
        raise FormatError(f"{place}: {cells[1][:40]} is not a position; copy the file anew")
    for letter in cells[2:4]:
        if letter not in ("A", "C", "G", "T"):
            raise FormatError(f"{place}: {letter[:40]} is not a base A, C, G or T; copy the file anew")
    for cell in cells[5:]:
        try:
            float(cell)
        except ValueError:
            raise FormatError(f"{place}: {cell[:40]} is not a number; copy the file anew") from None


def _whole(text: str) -> int | None:
    """A whole number from 1 that arrays of coordinates hold, windows added; None for any other text."""
    digits = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if digits and int(text) > 0 else None


def _json(text: str) -> Any:
    """What JSON says; None for any other text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_names(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(name, str) for name in found)
