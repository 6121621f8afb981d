"""Does pre-training help? Compare a pre-trained model with its own network from random weights, and with baselines.

    python examples/battery.py GUE MODEL -o battery --max-train 4000 --epochs 4

GUE is the folder of Genome Understanding Evaluation's sets (tf/0, mouse/2, prom/prom_core_all ...: train, dev and test
as csv.gz), MODEL a pre-trained model folder. On each of eight sets five models are trained for as many epochs on the
same sequences with the same seeds: the pre-trained model, its network from random weights, and the baselines cnn,
cnn-lstm and cnn-gru. Learning rates are by model (--rate): one for all would favour those that it suits. Run again, it
goes on where it was stopped. The folder then holds results.tsv, summary.md and violins.png.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dnabert_fast.workflows.battery import battery

SETS = (
    "tf/0", "tf/1", "tf/2", "mouse/0", "mouse/2", "prom/prom_core_all", "prom/prom_core_tata", "prom/prom_300_tata"
)  # fmt: skip
# A transcription factor binds either strand; a promoter lies on one.
BOTH_STRANDS = ("tf", "mouse")
# Of small networks; one of DNABERT's size takes 5e-5 where it is pre-trained.
RATES = ("pretrained=5e-4", "random=5e-4")


def sets_table(gue: Path) -> str:
    """The table of sets."""
    lines = ["\t".join(("name", "train", "dev", "test", "reverse_complement"))]
    for name in SETS:
        files = [str((gue / name / f"{part}.csv.gz").resolve()) for part in ("train", "dev", "test")]
        both = "yes" if name.startswith(BOTH_STRANDS) else "no"
        lines.append("\t".join((name.replace("prom/", "").replace("/", "_"), *files, both)))
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gue", type=Path)
    arguments.add_argument("model")
    arguments.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_argument("--max-train", type=int)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--rate", action="append", metavar="NAME=RATE", help=f"default: {' '.join(RATES)}")
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    given = arguments.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    table = given.output / "sets.given.tsv"
    table.write_text(sets_table(given.gue))
    facts = battery(
        table,
        output=given.output,
        models=[f"pretrained={given.model}"],
        networks=[f"random={given.model}"],
        baselines=["cnn", "cnn-lstm", "cnn-gru"],
        rates=given.rate or RATES,
        max_train=given.max_train,
        epochs=given.epochs,
        seeds=given.seeds,
        keep="metrics",
        threads=given.threads,
        say=lambda line: print(line, flush=True),
    )
    print((given.output / "summary.md").read_text())
    if facts["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
