"""How well a promoter model tells annotated promoters of a genome from random windows of the same contig.

    python examples/promoter_contrast.py GENOME PROMOTERS.bed --contig chr20 --model demo

PROMOTERS are the bases upstream of transcription start sites, with strands. Two questions, the answers as JSON:
`anchored`: windows that lie about each start site as the training set's do, read on its strand, against random windows;
`tiled`: what a scan of both strands would give (mean probability over the region, windows every 100 bases), against
random regions of the same length. Each gives both means and the AUROC. The random ones may hold promoters too.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import numpy.typing as npt

import dnabert_fast
from dnabert_fast.evaluate.metrics import auroc
from dnabert_fast.io.bed import read_bed

I64 = npt.NDArray[np.int64]
UPSTREAM, DOWNSTREAM, STRIDE = 249, 51, 100


def windows(genome: dnabert_fast.Genome, contig: str, start: I64, end: I64) -> dnabert_fast.Windows:
    """Bases of windows of one contig."""
    row = np.full(len(start), genome.names.index(contig), np.int32)
    return genome.fetch(row, start, end)


def probabilities(
    model: dnabert_fast.Model, found: dnabert_fast.Windows, reverse: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float32]:
    """P(promoter) of each window on the model's strand or strands."""
    answers: npt.NDArray[np.float32] = model.probabilities(model.logits(model.prepare(found, reverse)))[:, 1]
    return answers


def random_starts(genome: dnabert_fast.Genome, contig: str, length: int, n: int) -> I64:
    """Starts of n stretches without N."""
    random = np.random.default_rng(1)
    size = int(genome.lengths[genome.names.index(contig)])
    starts = random.integers(0, size - length, 4 * n)
    whole = windows(genome, contig, starts, starts + length)
    known = np.array([b"N" not in whole[row].upper() for row in range(len(whole))])
    return np.sort(starts[known][:n])


def contrast(promoters: npt.NDArray[np.float32], background: npt.NDArray[np.float32]) -> dict[str, float]:
    """Means and AUROC of two sets of scores."""
    kind = np.arange(len(promoters) + len(background)) < len(promoters)
    area = auroc(kind, np.concatenate([promoters, background]))
    facts = {"promoters": float(promoters.mean()), "random": float(background.mean()), "auroc": area}
    return {name: round(value, 4) for name, value in facts.items()}


def tiled(
    model: dnabert_fast.Model, genome: dnabert_fast.Genome, contig: str, starts: I64, length: int
) -> npt.NDArray[np.float32]:
    """Mean probability of each region over its windows."""
    window = model.block.window if model.block else 300
    inner = np.arange(0, length - window + 1, STRIDE)
    first = (starts[:, None] + inner).reshape(-1)
    scores = probabilities(model.with_strand("both"), windows(genome, contig, first, first + window))
    means: npt.NDArray[np.float32] = scores.reshape(len(starts), -1).mean(axis=1)
    return means


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("genome")
    arguments.add_argument("promoters")
    arguments.add_argument("--contig", default="chr20")
    arguments.add_argument("--model", default="demo")
    given = arguments.parse_args()
    model = dnabert_fast.load(given.model, threads=1)
    bed = read_bed(given.promoters)
    mine = bed.contig == bed.contigs.index(given.contig)
    start, end, backward = bed.start[mine], bed.end[mine], bed.strand[mine] == ord("-")
    with dnabert_fast.Genome.open(given.genome) as genome:
        first = np.where(backward, start - DOWNSTREAM, end - UPSTREAM)
        anchored = probabilities(model, windows(genome, given.contig, first, first + UPSTREAM + DOWNSTREAM), backward)
        starts = random_starts(genome, given.contig, UPSTREAM + DOWNSTREAM, 2000)
        background = probabilities(model, windows(genome, given.contig, starts, starts + UPSTREAM + DOWNSTREAM))
        length = int(np.median(end - start))
        elsewhere = random_starts(genome, given.contig, length, 1000)
        facts = {
            "regions": int(mine.sum()),
            "anchored": contrast(anchored, background),
            "tiled": contrast(
                tiled(model, genome, given.contig, start, length), tiled(model, genome, given.contig, elsewhere, length)
            ),
        }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
