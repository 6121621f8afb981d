"""Where along promoters a model looks, and where a changed base moves its score: mean and spread by class.

    python examples/promoter_landscape.py GUE/prom/prom_300_tata/test.csv.gz -o landscape.png --model demo

Windows of one length with labels, aligned at their transcription start site (base 249 in prom_300). Attention is read
of all windows; every substitution is scored of `--mutated` windows a class, spread evenly over the file. Draws both,
and prints as JSON how the TATA region (35 to 20 bases before the start site) compares with the 25 bases on either side:
the means, their ratio, and a 95 % bootstrap interval of the ratio over windows.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import numpy.typing as npt

import dnabert_fast
from dnabert_fast.analysis.mutagenesis import all_substitutions
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.report.landscape import Span, landscape

F32 = npt.NDArray[np.float32]
START_SITE = 249
TATA = (-35, -19)
BESIDE = 25
RESAMPLES = 2000


def effects(model: dnabert_fast.Model, windows: dnabert_fast.Windows) -> F32:
    """How far the three substitutions of each base move the log-odds on average, without sign [n, L]."""
    reference, mutant = all_substitutions(model, windows)
    readout = model.readout()
    n, length = len(windows), len(windows[0])
    moved = readout.score(mutant.reshape(-1, mutant.shape[2])).reshape(n, length, 4)
    moved -= readout.score(reference)[:, None, None]
    found: F32 = (np.abs(moved).sum(axis=2) / 3).astype(np.float32)  # what is there already moves nothing
    return found


def contrast(table: F32) -> dict[str, float]:
    """The TATA region against its neighbourhood, over windows [n, L]."""
    first, last = START_SITE + TATA[0], START_SITE + TATA[1]
    inside = table[:, first:last].mean(axis=1).astype(np.float64)
    beside = np.concatenate([table[:, first - BESIDE : first], table[:, last : last + BESIDE]], axis=1)
    outside = beside.mean(axis=1).astype(np.float64)
    rows = np.random.default_rng(42).integers(0, len(table), (RESAMPLES, len(table)))
    low, high = np.quantile(inside[rows].mean(axis=1) / outside[rows].mean(axis=1), [0.025, 0.975])
    facts = {"tata": inside.mean(), "beside": outside.mean(), "ratio": inside.mean() / outside.mean()}
    rounded = {name: round(float(value), 4) for name, value in (facts | {"low": low, "high": high}).items()}
    return {"windows": len(table)} | rounded


def main() -> None:
    """Draw the picture and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="csv or tsv with columns sequence and label")
    parser.add_argument("--output", "-o", default="landscape.png")
    parser.add_argument("--model", "-m", default="demo")
    parser.add_argument("--mutated", type=int, default=50, help="windows a class of which every base is changed")
    options = parser.parse_args()
    model = dnabert_fast.load(options.model)
    given = read_labelled(options.table, model.k)
    label = given.labels
    length = len(given.windows[0])
    attention = model.attention(given.windows).scores.reshape(-1, length)
    looked: dict[str, F32] = {}
    moved: dict[str, F32] = {}
    for number, name in ((1, "promoters"), (0, "other sequence with a TATA box")):
        rows = np.flatnonzero(label == number)
        chosen = rows[np.linspace(0, len(rows) - 1, min(options.mutated, len(rows))).astype(np.int64)]
        looked[name], moved[name] = attention[rows], effects(model, given.windows.take(chosen))
    panels = {"attention of [CLS]": looked, "|change of log-odds|\nby a substitution": moved}
    spans = [Span(*TATA, "TATA region")]
    landscape(options.output, panels, START_SITE, "Where the promoter model looks, and what moves it", spans=spans)
    found = {"attention": looked, "substitutions": moved}
    told = {what: {name: contrast(table) for name, table in of.items()} for what, of in found.items()}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
