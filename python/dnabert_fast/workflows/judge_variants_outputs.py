"""What `evaluate --variants` writes beside its report: a table of results, and one of all alleles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluate.judge_scores import JudgedStratum
from ..evaluate.variant_truth import TYPES
from ..io import open_table
from ..io.columns import packed
from ..seq.types import F64, I64
from .reports import plain
from .variant_scores import JudgedAlleles

__all__ = ["FILES", "stratum_facts", "write_alleles", "write_results"]

FILES = ("results.tsv", "alleles.tsv.gz")

_UNIT = 4096
_RESULTS = (
    "stratum_by", "stratum", "alleles", "positives", "score", "measure", "value", "low", "high", "other", "p",
    "adjusted_p",
)  # fmt: skip


def stratum_facts(judged: JudgedStratum) -> dict[str, Any]:
    """A stratum as JSON can hold it."""
    return {
        "by": judged.by,
        "name": judged.name,
        "alleles": judged.rows,
        "positives": judged.positives,
        "metrics": {
            score: {name: plain(vars(value)) for name, value in metrics.items()}
            for score, metrics in judged.metrics.items()
        },
        "tests": [plain(vars(test)) for test in judged.tests],
    }


def write_results(path: Path, strata: Sequence[JudgedStratum]) -> None:
    """A row a number: every metric of every score in every stratum with its interval, and every test of a pair.

    A stratum with too few alleles has one row without a score.
    """
    rows: list[list[Any]] = []
    for stratum in map(stratum_facts, strata):
        head = [stratum["by"], stratum["name"], stratum["alleles"], stratum["positives"]]
        for score, metrics in stratum["metrics"].items():
            for name, value in metrics.items():
                rows.append([*head, score, name, value["value"], value["low"], value["high"], None, None, None])
        for test in stratum["tests"]:
            compared = [None, None, test["other"], test["p"], test["adjusted"]]
            rows.append([*head, test["one"], "auroc_difference", test["difference"], *compared])
        if not stratum["metrics"]:
            rows.append([*head, *[None] * 8])
    columns = list(zip(*rows, strict=True))
    with open_table(path, [(name, "str") for name in _RESULTS]) as sink:
        sink.write([[_spelt(cell) for cell in column] for column in columns])


def _spelt(cell: Any) -> str:
    if cell is None:
        return "."
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def write_alleles(
    path: Path,
    alleles: JudgedAlleles,
    left_out: Sequence[str],
    kept: I64,
    near: Mapping[str, I64],
    answers: Mapping[str, F64],
) -> None:
    """A row an allele of the file, judged or not: its place, type, truth, why it is left out, values and answers.

    answers: by classifier the log-odds of the alleles that are `kept` (rows).
    """
    columns = [("CHROM", "str"), ("POS", "int"), ("ID", "str"), ("REF", "str"), ("ALT", "str"), ("type", "str")]
    columns += [("truth", "float"), ("left_out", "str"), *((name, "float") for name in alleles.values)]
    columns += [(name, "float") for name in answers] + [(f"distance_{name}", "int") for name in near]
    whole = []
    for given in answers.values():
        column = np.full(len(alleles), np.nan)
        column[kept] = given
        whole.append(column)
    with open_table(path, columns) as sink:
        for first in range(0, len(alleles), _UNIT):
            rows = slice(first, min(first + _UNIT, len(alleles)))
            texts = [(part.bases, part.offsets) for part in (column[rows] for column in
                     (alleles.name, alleles.ref, alleles.alt))]  # fmt: skip
            contig = packed([alleles.contigs[code] for code in alleles.contig[rows].tolist()])
            kind = packed([TYPES[code] for code in alleles.kind[rows].tolist()])
            numbers = [column[rows].astype(np.float32) for column in (*alleles.values.values(), *whole)]
            sink.write(
                [contig, alleles.position[rows], *texts, kind, alleles.truth[rows].astype(np.float32),
                 packed(left_out[rows]), *numbers, *(distance[rows] for distance in near.values())]
            )  # fmt: skip
