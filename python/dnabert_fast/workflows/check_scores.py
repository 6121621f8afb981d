"""The file in which `check` keeps the scores of a machine, for another to compare with."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..errors import DnabertError, FormatError
from ..io.atomic import writing
from ..nn.config import NetworkConfig
from ..seq.types import F32, I64, U8
from .gate import Sample, change, score_columns, scores

__all__ = ["KeptScores", "read_scores", "write_scores"]

_FIRST = "# dnabert_fast check"


@dataclass(frozen=True)
class KeptScores:
    """What another machine said: `settings` of its run, its SNVs, and logits float32 [2n, C] by precision.

    contigs: names, one an SNV; position i64[n], 1-based; ref, alt u8[n]; exceptions: the layers that a precision left
    out, where it did.
    """

    path: str
    settings: dict[str, str]
    contigs: list[str]
    position: I64
    ref: U8
    alt: U8
    logits: dict[str, F32]
    exceptions: dict[str, tuple[str, ...]]


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
    head = [line for line in lines if line.startswith("# ")]
    settings = dict(line[2:].partition("=")[::2] for line in head[1:])
    absent = [name for name in ("network", "window", "windows", "labels", "exceptions") if name not in settings]
    if absent:
        raise FormatError(f"{path}: its head lacks {', '.join(absent)}")
    first = len(head) + 1  # the line of titles lies between
    by_precision: dict[str, list[list[str]]] = {}
    width = 6 + 2 * max(1, len(json.loads(settings["labels"])))
    for number, line in enumerate(lines[first:], first + 1):
        cells = line.split("\t")
        if len(cells) != width:
            raise FormatError(f"{path}:{number}: {len(cells)} columns where there should be {width}; copy it anew")
        by_precision.setdefault(cells[4], []).append(cells)
    if not by_precision:
        raise FormatError(f"{path}: holds no scores; copy it anew")
    return _kept(str(path), settings, by_precision)


def _kept(path: str, settings: dict[str, str], by_precision: Mapping[str, Sequence[Sequence[str]]]) -> KeptScores:
    snvs = [row[:4] for row in next(iter(by_precision.values()))]
    logits = {}
    try:
        for precision, rows in by_precision.items():
            if [row[:4] for row in rows] != snvs:
                raise DnabertError(f"{path}: precision {precision} has other SNVs than the rest; copy it anew")
            table = np.array([row[5:-1] for row in rows], np.float32)
            half = table.shape[1] // 2
            logits[precision] = np.concatenate([table[:, :half], table[:, half:]])
        position = np.array([int(row[1]) for row in snvs], np.int64)
        left = {name: tuple(layers) for name, layers in json.loads(settings["exceptions"]).items()}
        letters = [np.frombuffer("".join(row[i] for row in snvs).encode(), np.uint8) for i in (2, 3)]
    except ValueError as error:
        raise FormatError(f"{path}: {error}; copy it anew") from None
    contigs = [row[0] for row in snvs]
    return KeptScores(path, settings, contigs, position, letters[0], letters[1], logits, left)
