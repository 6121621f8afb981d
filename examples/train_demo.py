"""Train the model that is shipped as `demo`, from public data, with one seed.

    python examples/train_demo.py GUE_PROM CORPUS.fasta.gz -o demo

GUE_PROM is the folder of the promoter sets of Genome Understanding Evaluation (prom_300_tata, prom_300_all), CORPUS a
FASTA file of human windows of 1 kb named chrom:start-end. The training set is

  * prom_300_tata/train.csv.gz without the rows that stand in its dev or test set too;
  * as further promoters, most of them without a TATA box, the promoters of prom_300_all/dev.csv.gz, less those held out
    (the dev and test sets of prom_300_tata, the test set of prom_300_all) and those already there;
  * as further background, the middle 300 bases of the first 6,000 windows of chr1 and chr8 without N.

The last two teach what a genome is like: the negatives of prom_300_tata all hold a TATA box, so that a model of them
alone takes most of a chromosome for a promoter. Nothing of chr20 or chr21 is added (the promoter sets may hold some).
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from dnabert_fast.io.labelled import Labelled, read_labelled
from dnabert_fast.io.sequences import sequence_units
from dnabert_fast.workflows.finetune import finetune

WINDOW = 300
BACKGROUND = 6000
BACKGROUND_CONTIGS = ("chr1:", "chr8:")


def strings(table: Labelled) -> list[str]:
    """The sequences of a table in upper case."""
    return [table.windows[row].decode().upper() for row in range(len(table))]


def background(corpus: Path) -> list[str]:
    """The middle of the corpus windows that serve as background."""
    found: list[str] = []
    for unit in sequence_units(corpus):
        for row, name in enumerate(unit.names):
            bases = unit.windows[row].decode().upper()
            first = (len(bases) - WINDOW) // 2
            middle = bases[first : first + WINDOW]
            if name.startswith(BACKGROUND_CONTIGS) and set(middle) <= set("ACGT"):
                found.append(middle)
    return found[:BACKGROUND]


def training_set(gue: Path, corpus: Path) -> list[tuple[str, int]]:
    """The rows of the training set."""
    tata = {name: read_labelled(gue / "prom_300_tata" / f"{name}.csv.gz", 6) for name in ("train", "dev", "test")}
    every = {name: read_labelled(gue / "prom_300_all" / f"{name}.csv.gz", 6) for name in ("dev", "test")}
    held_out = {*strings(tata["dev"]), *strings(tata["test"]), *strings(every["test"])}
    pairs = zip(strings(tata["train"]), tata["train"].labels.tolist(), strict=True)
    rows = [(bases, label) for bases, label in pairs if bases not in held_out]
    known = held_out | {bases for bases, _ in rows}
    more = zip(strings(every["dev"]), every["dev"].labels.tolist(), strict=True)
    rows += [(bases, 1) for bases, label in more if label == 1 and bases not in known]
    return rows + [(bases, 0) for bases in background(corpus)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gue", type=Path)
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_argument("--epochs", type=int)
    given = arguments.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    table = given.output / "train.csv.gz"
    with gzip.GzipFile(table, "wb", mtime=0) as out:
        rows = training_set(given.gue, given.corpus)
        out.write("".join(["sequence,label\n", *(f"{bases},{label}\n" for bases, label in rows)]).encode())

    def say(event: Mapping[str, object]) -> None:
        if event["event"] == "evaluation":
            print(json.dumps(event), flush=True)

    tata = given.gue / "prom_300_tata"
    facts = finetune(
        train=table,
        dev=tata / "dev.csv.gz",
        test=tata / "test.csv.gz",
        preset="demo",
        epochs=given.epochs,
        seed=42,
        threads=1,
        output=given.output,
        report=say,
    )
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
