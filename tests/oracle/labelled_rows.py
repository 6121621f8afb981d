"""Labelled rows written as tables, judged by the verb, and read back from what it wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnabert_fast.workflows.evaluate import evaluate


def sequences(n: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("ACGT"), 40)) for _ in range(n)]


def write(path: Path, rows: Sequence[Sequence[Any]], columns: str = "sequence,label") -> Path:
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def columns_of(path: Path) -> dict[str, list[str]]:
    with open(path, newline="") as file:
        lines = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return {name: [line[i] for line in lines[1:]] for i, name in enumerate(lines[0])}


def labels_of(table: Path) -> np.ndarray:
    return np.array(columns_of(table)["label"], np.float64)


def judged(table: Path, out: Path, **options: Any) -> dict[str, Any]:
    facts = evaluate(table, output=out, **{"resamples": 30, "device": "cpu", "threads": 1, **options})
    assert json.loads((out / "metrics.json").read_text()) == {
        name: value for name, value in facts.items() if name != "output"
    }
    return facts


def values(facts: dict[str, Any], name: str) -> dict[str, float]:
    return {metric: found["value"] for metric, found in facts["predictors"][name]["metrics"].items()}


def labelled_table(folder: Path) -> Path:
    """Sixty sequences of two classes; the 40 bases of row i lie at chr1:1000i, on the forward strand."""
    random = np.random.default_rng(1)
    rows = [
        [bases, int(random.random() < 0.5), f"r{i}", "chr1", 1000 * i, 1000 * i + 40, "+"]
        for i, bases in enumerate(sequences(60))
    ]
    return write(folder / "table.csv", rows, "sequence,label,name,contig,start,end,strand")
