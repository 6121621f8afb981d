"""`variants` with 100 heads on one encoder, against one head: alone, and with what the files cost.

    python benchmarks/many_models.py [--heads 100] [--records 1000] [--quick] [--out FILE.json]

The demonstration's model and 100 models of random heads on its encoder: each with a pooler of its own, or all with the
encoder's. Records are GIAB's of the demonstration, evenly spread, in the model's windows of 300 bases. `scoring` reads
the windows and scores the alleles, models loaded and nothing written; `files` is the whole verb, the models' folders
read and LOGOR of each written to Parquet. All run in turns in one process on one thread, after the logits of some heads
were held against those of their models alone. The bar is on `scoring`: 1.3 times the time of one head. Ratios are given
of wall clocks (the fastest run of each) and of the processor time of this process, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import workload

import dnabert_fast
from dnabert_fast.analysis.variants import VariantOptions, VariantSummary, score_variants
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.network import build
from dnabert_fast.seq.aliases import AliasTable, resolve
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genome import Genome
from dnabert_fast.workflows.asked_models import asked_models
from dnabert_fast.workflows.precision import resolve_precision
from dnabert_fast.workflows.scorers import Panel, load_models, resolve_models, shared_window
from dnabert_fast.workflows.variants import variants

BAR = 1.3
TURNS = 3
COMPARED = 10
"""Heads whose logits are held against those of their models alone."""

DEMO = Path(dnabert_fast.__file__).parent / "models" / "demo"


def write_models(folder: Path, heads: int, *, poolers: bool) -> list[str]:
    """NAME=FOLDER of the demonstration's model and of random heads on its encoder, `poolers` or none of their own."""
    demo = read_network(DEMO, device="cpu")
    names = [f"M0={DEMO}"]
    for seed in range(1, heads):
        network = build(demo.config, demo.backend, seed=seed).eval()
        network.encoder = demo.encoder
        if not poolers:
            network.head.pooler = demo.head.pooler
        write_network(network, folder / f"m{seed}")
        names.append(f"M{seed}={folder / f'm{seed}'}")
    return names


def panel_of(names: list[str]) -> tuple[Panel, int]:
    """The models as `variants` holds them, in fp32, and their window."""
    loaded = load_models(asked_models(names), "fp32", device="cpu", threads=None, keys=["LOGOR"])
    window = shared_window(loaded, None)
    choose = partial(_fp32, precision="fp32")
    return resolve_models(loaded, choose, window=window, keys=["LOGOR"]), window


def _fp32(model: object, folder: str, precision: str) -> object:
    return resolve_precision(model, folder, precision)


def score(panel: Panel, window: int, vcf: Path, genome: Genome) -> None:
    """Score the records of a VCF and write nothing."""
    aliases = AliasTable()
    score_variants(
        [panel.scorer], panel.run, genome, VcfSource(vcf), lambda names: resolve(names, genome, aliases),
        lambda unit: None, VariantOptions(window), VariantSummary(),
    )  # fmt: skip


def largest_difference(panel: Panel, names: list[str], window: int) -> float:
    """The largest difference of a logit between models asked together and each alone."""
    bases = workload.stretch(2_000_000, 2_000_000 + 64 * window)
    windows = Windows.from_strings([bases[i * window : (i + 1) * window] for i in range(64)])
    [group] = panel.groups
    found = group.model.logits(group.model.prepare(windows))
    largest = 0.0
    for name, columns in list(zip(names, group.columns, strict=True))[:: max(1, len(names) // COMPARED)]:
        alone = dnabert_fast.load(name.partition("=")[2], device="cpu")
        largest = max(largest, float(np.abs(found[:, columns] - alone.logits(alone.prepare(windows))).max()))
    return largest


def timed(cases: dict[str, Callable[[], object]], turns: int) -> tuple[dict[str, float], dict[str, float]]:
    """Wall-clock seconds of each case and seconds of the processor, of the runs that took least."""
    busy = dict.fromkeys(cases, float("inf"))

    def run(name: str) -> None:
        began = time.process_time()
        cases[name]()
        busy[name] = min(busy[name], time.process_time() - began)

    return workload.in_turns({name: partial(run, name) for name in cases}, turns), busy


def main() -> None:
    """Measure, print and, where asked, write what was found."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--heads", type=int, default=100)
    options.add_argument("--records", type=int, default=1000)
    options.add_argument("--quick", action="store_true", help="few records, one turn: that it runs, not how fast")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    records, turns = (64, 1) if given.quick else (given.records, TURNS)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, Genome.open(workload.GENOME) as genome:
        folder = Path(place)
        vcf = workload.cut_variants(folder / "giab.vcf.gz", records)
        kinds = {
            "one head": [f"M0={DEMO}"],
            "own poolers": write_models(folder / "own", given.heads, poolers=True),
            "shared pooler": write_models(folder / "shared", given.heads, poolers=False),
        }
        panels = {kind: panel_of(names) for kind, names in kinds.items()}
        differences = {
            kind: largest_difference(*(panels[kind][0], names, panels[kind][1]))
            for kind, names in kinds.items()
            if len(names) > 1
        }
        for kind, difference in differences.items():
            assert difference < 1e-5, f"{kind}: logits differ by {difference}"
        cases: dict[str, Callable[[], object]] = {}
        for kind, (panel, window) in panels.items():
            cases[f"scoring, {kind}"] = partial(score, panel, window, vcf, genome)
        for kind, names in kinds.items():
            cases[f"files, {kind}"] = partial(
                variants, vcf, workload.GENOME, model=names, output=folder / "out.parquet", fields="LOGOR",
                precision="fp32", device="cpu",
            )  # fmt: skip
        seconds, busy = timed(cases, turns)
    ratios = {
        f"{what}, {kind}, {clock}": took[f"{what}, {kind}"] / took[f"{what}, one head"]
        for what in ("scoring", "files")
        for kind in differences
        for clock, took in (("wall clock", seconds), ("processor", busy))
    }
    found = {"heads": given.heads, "records": records, "seconds": seconds, "processor_seconds": busy}
    found |= {"ratios": ratios, "differences": differences}
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2) + "\n")
    for name, ratio in ratios.items():
        print(f"{given.heads} heads against one, {name}: {ratio:.2f}")
    if not given.quick:
        barred = [ratio for name, ratio in ratios.items() if name.startswith("scoring") and name.endswith("processor")]
        assert max(barred) <= BAR, f"the bar is {BAR}"


if __name__ == "__main__":
    main()
