"""What end-to-end benchmarks share: the demonstration's data, random networks whose logits vary, runs in turns."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import torch

import dnabert_fast
from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.checkpoint import write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import build
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import Windows, tokenize

DEMO = Path(dnabert_fast.__file__).parent / "demo"
GENOME = DEMO / "chr20_piece.fa.gz"
VARIANTS = DEMO / "HG002_chr20_piece.vcf.gz"
CONTIG = "chr20"

DISTURBED = 0.03
"""Share of the processors that other processes may use while something is timed."""


def processor_seconds() -> tuple[float, float]:
    """Seconds that all processors were busy since the start, and those this process and its children used.

    The same twice where the system does not say how busy it is.
    """
    used = os.times()
    own = used.user + used.system + used.children_user + used.children_system
    stat = Path("/proc/stat")
    if not stat.exists():
        return own, own
    ticks = [int(number) for number in stat.read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = ticks[3:5]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK"), own


class Watch:
    """A stop watch that also tells which share of the processors other processes used meanwhile."""

    def __init__(self) -> None:
        self._busy, self._own = processor_seconds()
        self._start = time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Seconds since the start, and the others' share of all processors."""
        seconds = time.perf_counter() - self._start
        busy, own = processor_seconds()
        others = (busy - self._busy) - (own - self._own)
        return seconds, max(0.0, others) / seconds / (os.cpu_count() or 1)


def in_turns(cases: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Seconds of the fastest run of each case; all run once a turn, so that a change of the machine meets them all.

    A case whose fastest run was disturbed by other processes runs up to `turns` times more.
    """
    best = dict.fromkeys(cases, (float("inf"), 0.0))
    for turn in range(2 * turns):
        for name, run in cases.items():
            if turn < turns or best[name][1] > DISTURBED:
                watch = Watch()
                run()
                best[name] = min(best[name], watch.read())
    for name, (seconds, others) in best.items():
        print(f"{name}: {seconds:.2f} s" + f" (others used {others:.0%} of the processors)" * (others > DISTURBED))
    return {name: seconds for name, (seconds, _) in best.items()}


def cut_variants(path: Path, records: int) -> Path:
    """Every n-th of the demonstration's GIAB records, so many of them, as an indexed BGZF VCF at `path` (.vcf.gz)."""
    with gzip.open(VARIANTS, "rt") as file:
        lines = file.readlines()
    header = [line for line in lines if line.startswith("#")]
    body = lines[len(header) :]
    plain = path.with_suffix("")
    plain.write_text("".join(header + body[:: len(body) // records][:records]))
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def stretch(start: int, end: int) -> str:
    """Bases of the demonstration's contig."""
    with pysam.FastaFile(str(GENOME)) as genome:
        return genome.fetch(CONTIG, start, end)


def write_model(folder: Path, preset: str, window: int, head: str = "sequence", split: int = 1) -> Path:
    """A model folder of random weights whose logits on real windows have mean 0 and standard deviation 1/2.

    The weights are as wide as it takes for the states to vary without help from the classifier, which would magnify
    rounding errors as well.
    """
    config = PRESETS[preset].with_head(head, ("no", "yes"), split=split)
    config = replace(config, encoder=replace(config.encoder, initializer_range=2 / config.encoder.hidden_size**0.5))
    network = build(config, choose("cpu", "cpu"), seed=1).eval()
    bases = stretch(2_000_000, 2_000_000 + 8 * window)
    batch = tokenize(Windows.from_strings([bases[i * window : (i + 1) * window] for i in range(8)]), config.k)
    last = network.head.classifier2 if head == "xl-concat" else network.head.classifier
    with torch.no_grad():
        vectors = network.pieces(Packed.from_arrays(batch.ids, batch.cu_seqlens))
        logits = network.windows(vectors, np.bincount(batch.owner))
        scale = 0.5 / logits.std(0)
        last.weight.mul_(scale[:, None])
        last.bias.copy_(-logits.mean(0) * scale)
    write_network(network, folder)
    return folder


def column(path: Path, name: str) -> list[str]:
    """One column of a tab-separated table with a header."""
    header, *rows = (line.split("\t") for line in path.read_text().splitlines())
    return [row[header.index(name)] for row in rows]


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """The largest absolute difference of two lists of equal length."""
    assert len(a) == len(b) > 0
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())
