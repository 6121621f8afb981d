"""What a genome gives away of a base without any network: an order-5 Markov chain read from both sides.

    python examples/markov.py GENOME... --held BED --model MODEL [-n 20000]

Counts each base after the five before it on what is not held out (both strands), then hides single bases of the
held-out regions and asks for the probability of the true one given what stands on either side. Beside it the same
question to a masked language model, which sees 50 bases on either side: all k-mers that cover the base are masked, and
its answer is the mean of -ln P(k-mer) over them, so it has 4^k answers to choose from where the chain has four. All in
natural logarithms; ln 4 = 1.386 is to know nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import dnabert_fast
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genome import Genome

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

ORDER, FLANK = 5, 50
# A, C, G, T are 0 to 3, so that 3 - x is the complement; all else is 4.
_CODES: U8 = np.full(256, 4, np.uint8)
for _number, _letter in enumerate(b"ACGT"):
    _CODES[_letter] = _CODES[_letter + 32] = _number


def counts(codes: U8) -> I64:
    """How often each base follows each five on either strand, int64 [4**5, 4]; unknown bases break the chain."""
    found = np.zeros(4 ** (ORDER + 1), np.int64)
    for strand in (codes, np.where(codes < 4, 3 - codes, 4)[::-1]):
        kmers, known = _kmers(strand)
        found += np.bincount(kmers[known], minlength=len(found))
    return found.reshape(-1, 4)


def surprise(counted: I64, windows: U8) -> tuple[float, float]:
    """-ln P(middle base) on average over windows of known bases [n, 2 * FLANK + 1]: by composition, and by the chain.

    The chain's P(b | both sides) is proportional to the product of the six transitions that the base takes part in.
    """
    log = np.log((counted + 1) / (counted + 1).sum(axis=1, keepdims=True)).ravel()
    near = windows[:, FLANK - ORDER : FLANK + ORDER + 1].astype(np.int64)
    true = near[:, ORDER].copy()
    joint = np.empty((len(near), 4))
    powers = 4 ** np.arange(ORDER, -1, -1)
    for base in range(4):
        near[:, ORDER] = base
        joint[:, base] = sum(log[near[:, at : at + ORDER + 1] @ powers] for at in range(ORDER + 1))
    joint -= np.logaddexp.reduce(joint, axis=1, keepdims=True)
    composition = np.log(counted.sum(axis=0) / counted.sum())
    return -float(composition[true].mean()), -float(joint[np.arange(len(near)), true].mean())


def network_surprise(model: str, windows: U8) -> float:
    """The network's mean of -ln P(k-mer) over the k-mers that cover the middle base, all masked."""
    loaded = dnabert_fast.load(model)
    n, length = windows.shape
    bases = np.frombuffer(b"ACGT", np.uint8)[windows]
    given = Windows(bases.ravel(), np.arange(n + 1, dtype=np.int64) * length)
    first = np.full(n, FLANK - loaded.k + 1)
    blanked = loaded.prepare_blanked(given, first, np.full(n, loaded.k), np.zeros(n, np.bool_))
    return -float(np.mean(loaded.begin_likelihood(blanked)()))


def split(genomes: Sequence[str | Path], held: Path) -> tuple[I64, list[U8]]:
    """Counts of what is not held out, and the held-out stretches that these genomes have."""
    regions = [line.split()[:3] for line in held.read_text().splitlines() if line.strip()]
    counted, kept = np.zeros((4**ORDER, 4), np.int64), []
    for path in genomes:
        with Genome.open(path) as genome:
            for name, length in zip(genome.names, genome.lengths, strict=True):
                codes = _CODES[genome.bases(name, 0, int(length))]
                for contig, start, end in regions:
                    if contig == name:
                        kept.append(codes[int(start) : int(end)].copy())
                        codes[int(start) : int(end)] = 4
                counted += counts(codes)
    return counted, kept


def draw(stretches: Sequence[U8], n: int, seed: int = 0) -> U8:
    """About n windows [n, 2 * FLANK + 1] of known bases out of the stretches, spread evenly by chance."""
    rng = np.random.default_rng(seed)
    total = sum(len(part) for part in stretches)
    found = []
    for part in stretches:
        starts = rng.integers(0, max(1, len(part) - 2 * FLANK), int(n * len(part) / total))
        rows = (
            part[starts[:, None] + np.arange(2 * FLANK + 1)] if len(part) > 2 * FLANK else np.empty((0, 101), np.uint8)
        )
        found.append(rows[(rows < 4).all(axis=1)])
    return np.concatenate(found)


def judge(genomes: Sequence[str | Path], held: Path, model: str | None, n: int = 20_000) -> dict[str, float]:
    """The surprise of composition, chain and network on the same hidden bases, and how many these were."""
    counted, stretches = split(genomes, held)
    windows = draw(stretches, n)
    composition, chain = surprise(counted, windows)
    found = {"bases": float(len(windows)), "composition": composition, f"markov_{ORDER}": chain}
    return found if model is None else found | {"network": network_surprise(model, windows)}


def _kmers(codes: U8) -> tuple[I64, npt.NDArray[np.bool_]]:
    """The number of each base and the five before it, and whether all six are known."""
    n = max(0, len(codes) - ORDER)
    kmers, known = np.zeros(n, np.int64), np.ones(n, np.bool_)
    for at in range(ORDER + 1):
        part = codes[at : at + n]
        kmers = kmers * 4 + (part & 3)
        known &= part < 4
    return kmers, known


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("genomes", nargs="+", type=Path)
    arguments.add_argument("--held", type=Path, required=True)
    arguments.add_argument("--model")
    arguments.add_argument("-n", type=int, default=20_000)
    given = arguments.parse_args()
    print(json.dumps(judge(given.genomes, given.held, given.model, given.n), indent=2))


if __name__ == "__main__":
    main()
