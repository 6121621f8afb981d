"""Does pre-training help? Pre-train a small network, fine-tune it and its rivals on GUE, and write what came out.

    python examples/evidence.py --gue GUE --genome hg38.fa --held held.bed -o evidence

GUE is the folder of Genome Understanding Evaluation's sets (tf/0, mouse/2, prom/prom_core_all ...: train, dev and test
as csv.gz), `--genome` (repeatable) what is pre-trained on but for the regions of the BED file `--held`. Stages, each of
which goes on where it was stopped (a later call of the same command makes what is missing):

    pretrain   the masked language model, in the parts of the protocol
    loss       what it knows of a hidden base, beside composition and an order-5 Markov chain (examples/markov.py)
    sets       that model, its network from random weights, and three baselines on ten sets
    curve      the same on three sets with fewer and more training rows (Fig. 6d of the paper)
    report     EVIDENCE.md and curve.png

`--protocol cpu` is for two cores and some hours: 0.9 M weights, 2,000 rows a set (1,000 of the long ones). `gpu`: 5 M
weights, all rows. `toy` shows that every line runs. `--model` takes a pre-trained folder in place of the first stage.
Time limits are those of the caller: `timeout 540 python examples/evidence.py ...`, again and again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markov import judge

from dnabert_fast.io.atomic import writing
from dnabert_fast.workflows.battery import battery
from dnabert_fast.workflows.pretrain import pretrain

STAGES = ("pretrain", "loss", "sets", "curve", "report")
BASELINES = ("cnn", "cnn-lstm", "cnn-gru")
CURVE_SETS = ("tf_1", "mouse_2", "prom_core_all")
# Of tables without a training set: a fifth of dev chooses the step, the rest is trained on.
SETS = (
    "tf/0", "tf/1", "tf/2", "mouse/0", "mouse/2", "prom/prom_core_tata", "prom/prom_core_all", "prom/prom_300_tata",
    "prom/prom_300_all", "splice/reconstructed",
)  # fmt: skip
# A transcription factor binds either strand; promoters and splice sites lie on one.
BOTH_STRANDS = ("tf", "mouse")
LONG = ("prom/prom_300", "splice")


@dataclass(frozen=True)
class Protocol:
    """What a machine can do: parts of pre-training (flags of `pretrain`), rows, and flags of `finetune --sets`."""

    parts: tuple[Mapping[str, Any], ...]
    rows: int | None
    long_rows: int | None
    curve: tuple[int, ...]
    rates: tuple[str, ...]
    seeds: int = 3
    flags: Mapping[str, Any] = field(default_factory=dict)


def _part(longest: int, batch: int, steps: int, **more: Any) -> dict[str, Any]:
    return {"longest": longest, "batch": batch, "steps": steps, "total_steps": steps + 100, "warm_up": 100} | more


PROTOCOLS: Mapping[str, Protocol] = {
    # Short samples first: a step of them is cheap, and neighbours are all that there is to learn at first.
    "cpu": Protocol(
        parts=(
            {"preset": "mini"} | _part(40, 64, 1500, total_steps=6000, seed=1),
            _part(120, 64, 2500, total_steps=2800, warm_up=50, learning_rate=1e-3, seed=2),
            _part(310, 24, 3600, learning_rate=8e-4, seed=3),
        ),
        rows=2000,
        long_rows=1000,
        curve=(250, 500, 1000),
        rates=("pretrained=5e-4", "random=5e-4", *(f"{name}=1e-3" for name in BASELINES)),
        flags={"epochs": 3, "batch": 32},
    ),
    "gpu": Protocol(
        parts=(
            {"preset": "small"} | _part(120, 512, 4000, total_steps=40_000, warm_up=500, seed=1),
            _part(510, 512, 20_000, warm_up=200, seed=2),
        ),
        rows=None,
        long_rows=None,
        curve=(500, 2000, 5000, 20_000),
        rates=("pretrained=2e-4", "random=2e-4", *(f"{name}=1e-3" for name in BASELINES)),
        flags={"epochs": 5, "batch": 64, "evaluations": 2},
    ),
    "toy": Protocol(
        parts=({"preset": "tiny"} | _part(40, 4, 2, warm_up=1, seed=1), _part(40, 4, 2, warm_up=1, seed=2)),
        rows=24,
        long_rows=16,
        curve=(16,),
        rates=(),
        seeds=1,
        flags={"epochs": 1, "batch": 8},
    ),
}  # fmt: skip


def pretrained(protocol: Protocol, genomes: Sequence[Path], held: Path, output: Path, threads: int | None) -> Path:
    """The model folder that the parts of a protocol end with; parts that are there are not made again."""
    model: Path | None = None
    for number, part in enumerate(protocol.parts, 1):
        folder = output / f"pretrained-{number}"
        if not (folder / "metrics.json").exists():
            preset = protocol.parts[0]["preset"]
            pretrain(
                genomes=genomes, output=folder, model=None if model is None else str(model), exclude=[held],
                whole_spans=True, evaluate_samples=300, threads=threads,
                resume=(folder / "checkpoints").exists(), **({"preset": preset} | part),
            )  # fmt: skip
        model = folder
    assert model is not None
    return model


def set_files(gue: Path, name: str, output: Path) -> dict[str, Path]:
    """train, dev and test of a set; where GUE's folder lacks train, a part of dev, written into `output`."""
    files = {part: (gue / name / f"{part}.csv.gz").resolve() for part in ("train", "dev", "test")}
    if files["train"].exists():
        return files
    with gzip.open(files["dev"], "rt") as given:
        head, *rows = given.read().splitlines()
    chosen = set(np.random.default_rng(0).permutation(len(rows))[: len(rows) // 5].tolist())
    for part, wanted in (("train", False), ("dev", True)):
        files[part] = (output / f"{label(name)}.{part}.csv").resolve()
        taken = [row for at, row in enumerate(rows) if (at in chosen) is wanted]
        with writing(files[part]) as partial:
            partial.write_text("\n".join([head, *taken]) + "\n")
    return files


def label(name: str) -> str:
    """The name of a set in tables."""
    return name.removeprefix("prom/").replace("/", "_")


def sets_table(gue: Path, output: Path, rows: int | None, long_rows: int | None, wanted: Sequence[str]) -> Path:
    """The table of those of the wanted sets that the folder has."""
    lines = ["\t".join(("name", "train", "dev", "test", "reverse_complement", "max_train"))]
    for name in SETS:
        if label(name) in wanted and (gue / name).is_dir():
            files = set_files(gue, name, output)
            limit = long_rows if name.startswith(LONG) else rows
            both = "yes" if name.startswith(BOTH_STRANDS) else "no"
            lines.append(
                "\t".join((label(name), *map(str, files.values()), both, "." if limit is None else str(limit)))
            )
    table = output / "sets.given.tsv"
    table.write_text("\n".join(lines) + "\n")
    return table


def compare(
    protocol: Protocol, table: Path, model: Path, output: Path, threads: int | None, seeds: int, say: bool = True
) -> None:
    """The battery of a table of sets."""
    battery(
        table, output=output, models=[f"pretrained={model}"], networks=[f"random={model}"], baselines=BASELINES,
        rates=protocol.rates, seeds=seeds, keep="metrics", threads=threads,
        say=lambda line: print(line, flush=True) if say else None, **protocol.flags,
    )  # fmt: skip


def curve_of(output: Path, protocol: Protocol) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Mean MCC by set and model at each number of rows: the curve's own runs, and those of the stage `sets`."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    folders = {rows: output / "curve" / str(rows) for rows in protocol.curve}
    if protocol.rows is not None:
        folders[protocol.rows] = output / "sets"
    for rows, folder in sorted(folders.items()):
        if not (folder / "sets.tsv").exists():
            continue
        for row in _table(folder / "sets.tsv"):
            if row["set"] in CURVE_SETS and row["mcc"] != ".":
                found.setdefault(row["set"], {}).setdefault(row["model"], []).append((rows, float(row["mcc"])))
    return found


def draw_curve(found: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], path: Path) -> None:
    """MCC against training rows, a panel a set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(found), figsize=(3.2 * len(found), 3), sharey=True, squeeze=False)
    for panel, (name, models) in zip(panels[0], found.items(), strict=True):
        for model, points in models.items():
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, label=model)
        rows = sorted({row for points in models.values() for row, _ in points})
        panel.set(title=name, xscale="log", xlabel="training rows")
        panel.set_xticks(rows, [f"{row:,}" for row in rows])
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("MCC on the test set")
    panels[0][-1].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def report(output: Path, protocol: Protocol) -> str:
    """EVIDENCE.md out of what the stages left."""
    lines = ["# Pre-training against none", ""]
    if (output / "loss.json").exists():
        facts = json.loads((output / "loss.json").read_text())
        lines += [
            "-ln P of a hidden base of the held-out regions: " + ", ".join(f"{k} {v:.4g}" for k, v in facts.items())
        ]
        lines += ["", f"(to know nothing: ln 4 = {np.log(4):.4g})", ""]
    if (output / "sets" / "sets.tsv").exists():
        lines += [*_mcc_table(output / "sets"), "", (output / "sets" / "summary.md").read_text()]
    curves = curve_of(output, protocol)
    if curves:
        draw_curve(curves, output / "curve.png")
        lines += ["## Training rows", "", "| set | model | " + "rows: MCC |", "|---|---|---|"]
        for name, models in curves.items():
            for model, points in models.items():
                lines.append(f"| {name} | {model} | " + ", ".join(f"{rows}: {mcc:.3f}" for rows, mcc in points) + " |")
    text = "\n".join(lines) + "\n"
    with writing(output / "EVIDENCE.md") as partial:
        partial.write_text(text)
    return text


def _mcc_table(folder: Path) -> list[str]:
    """MCC of each set and model: mean, and each seed; beside what was published of 110 M weights."""
    import dnabert_fast

    figures = json.loads((Path(dnabert_fast.__file__).parent / "figures" / "gue.json").read_text())["sets"]
    rows = [row for row in _table(folder / "results.tsv") if row["mcc"] != "."]
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = [f"| set | {' | '.join(models)} | DNABERT, k = 3; 6 (110 M, all rows) |", "|---" * (len(models) + 2) + "|"]
    for name in dict.fromkeys(row["set"] for row in rows):
        cells = []
        for model in models:
            seeds = [float(row["mcc"]) for row in rows if (row["set"], row["model"]) == (name, model)]
            cells.append(f"**{np.mean(seeds):.3f}** ({' '.join(f'{mcc:.3f}' for mcc in seeds)})" if seeds else ".")
        three, six = figures.get(name, [None, None])[:2]
        published = "." if three is None else f"{three / 100:.3f}; {six / 100:.3f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {published} |")
    return lines


def _table(path: Path) -> list[dict[str, str]]:
    head, *rows = (line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#"))
    return [dict(zip(head, row, strict=True)) for row in rows]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gue", type=Path, required=True)
    arguments.add_argument("--genome", type=Path, action="append", required=True)
    arguments.add_argument("--held", type=Path, required=True)
    arguments.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_argument("--protocol", choices=PROTOCOLS, default="cpu")
    arguments.add_argument("--stages", default=",".join(STAGES), help="some of them, joined by commas")
    arguments.add_argument("--sets", default=",".join(map(label, SETS)), help="some of them, joined by commas")
    arguments.add_argument("--model", type=Path, help="a pre-trained model in place of the first stage")
    arguments.add_argument("--seeds", type=int)
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    given = arguments.parse_args()
    stages = given.stages.split(",")
    if unknown := [name for name in stages if name not in STAGES]:
        arguments.error(f"--stages {','.join(unknown)}: choose from {', '.join(STAGES)}")
    protocol, output, wanted = PROTOCOLS[given.protocol], given.output, given.sets.split(",")
    output.mkdir(parents=True, exist_ok=True)
    model = given.model
    if model is None and set(stages) - {"report"}:
        model = pretrained(protocol, given.genome, given.held, output, given.threads)
    if "loss" in stages and not (output / "loss.json").exists():
        facts = judge(given.genome, given.held, str(model))
        (output / "loss.json").write_text(json.dumps(facts, indent=2) + "\n")
    if "sets" in stages:
        (output / "sets").mkdir(exist_ok=True)
        table = sets_table(given.gue, output / "sets", protocol.rows, protocol.long_rows, wanted)
        compare(protocol, table, model, output / "sets", given.threads, given.seeds or protocol.seeds)
    if "curve" in stages:
        for rows in protocol.curve:
            folder = output / "curve" / str(rows)
            folder.mkdir(parents=True, exist_ok=True)
            table = sets_table(given.gue, folder, rows, rows, [name for name in CURVE_SETS if name in wanted])
            compare(protocol, table, model, folder, given.threads, given.seeds or 1)
    if "report" in stages:
        print(report(output, protocol))


if __name__ == "__main__":
    main()
