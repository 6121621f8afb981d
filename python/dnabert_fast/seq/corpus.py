"""Samples of genomes to pre-train on: an endless stream of which any part can be asked for. Knows no tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from .. import _core
from ..errors import DnabertError
from .batch import PIECE, Windows
from .genome import Genome
from .runs import NamedRegions, Runs, clean_runs
from .types import I64, U8
from .vocab import KS

__all__ = ["Corpus", "Mode", "Part", "Placed"]

Mode: TypeAlias = Literal["released", "split", "sample"]

_DEPTH = {"released": 4, "split": 0, "sample": 1}
"""Random samples of a pass, in lengths of the genome; with its one split the released corpus has about five."""

_SPACING = 256
"""Bases of a run for each random sample of one length of the genome; their mean length is about as much."""

_NO_CUTS = np.empty(0, np.int64)

_TRAIN, _HELD_OUT = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Placed:
    """Where samples lie: run i64[n], rows of the corpus' runs; start i64[n], the base of that run; length i64[n];
    reverse u8[n]."""

    run: I64
    start: I64
    length: I64
    reverse: U8

    def take(self, rows: I64) -> Placed:
        """These samples, in the order of `rows`."""
        return Placed(self.run[rows], self.start[rows], self.length[rows], self.reverse[rows])


@dataclass(frozen=True)
class Part:
    """Runs of bases, and the samples that one pass takes from them."""

    runs: Runs
    edges: I64
    cuts: I64
    random: int
    both_strands: bool
    seed: int
    stream: int

    @property
    def samples(self) -> int:
        return max(0, len(self.cuts) - 1) + self.random


@dataclass(frozen=True)
class Corpus:
    """An endless stream of samples of one or more genomes, none with a letter other than A, C, G, T.

    A pass has each piece of a split once, or random places, or both, in an order of its own; no text is kept, only
    where pieces begin. Sample i is a function of (genomes, options, seed, i) alone, so processes, slices and resumed
    runs agree. `k`, `seed`, `shortest` and `longest` (bases of a sample) are those it was made with.
    """

    genomes: tuple[Genome, ...]
    k: int
    seed: int
    shortest: int
    longest: int
    training: Part
    evaluation: Part | None

    @staticmethod
    def of(
        genomes: Sequence[Genome],
        k: int,
        *,
        seed: int,
        mode: Mode = "released",
        both_strands: bool = True,
        include: NamedRegions | None = None,
        exclude: NamedRegions | None = None,
        shortest: int | None = None,
        longest: int | None = None,
    ) -> Corpus:
        """Find the runs of bases in the genomes, and cut them into pieces.

        mode: "split", once through the genome in pieces that follow one another: one time in two of 510 k-mers, else of
        a length drawn evenly from 5 bases up; "sample", random places, lengths drawn likewise, one genome's length of
        them; "released", one split and four lengths of random samples: the five genome lengths DNABERT learnt from (it
        is known that both were mixed, not in which shares).
        both_strands: half of the samples, drawn by lot, are read as the reverse complement.
        include, exclude: regions or whole contigs (`Places.whole`) to take samples from, or not; `held_out` has the
        latter's. shortest, longest: bases of a sample; None: 5, or k where that is more (the original's samples of
        fewer than k bases hold nothing to learn), and 509 + k.
        Samples lie anywhere, and of a BGZF genome each needs a whole block: a plain FASTA is read many times as fast
        (benchmarks/test_corpus.py).

        DnabertError for a k, mode, length or seed that cannot be, for contigs that no genome has, and where no run of
        bases is long enough for a sample.
        """
        low, high = _lengths(k, shortest, longest)
        if mode not in get_args(Mode):
            raise DnabertError(f"there is no mode {mode!r}; choose one of {', '.join(get_args(Mode))}")
        if not 0 <= seed < 1 << 64:
            raise DnabertError(f"the seed must be a whole number from 0 to 2^64 - 1, not {seed}")
        files = tuple(genomes)
        found = clean_runs(files)
        wanted = found if include is None else found.within(files, include)
        if exclude is not None:
            wanted = wanted.without(files, exclude)
        kept = wanted.at_least(low)
        if not len(kept.start):
            raise DnabertError(_nothing(wanted, low, include is not None, exclude is not None))
        edges = kept.edges
        random = _DEPTH[mode] * int(edges[-1]) * (509 + k) // (_SPACING * high)
        cuts = _NO_CUTS if mode == "sample" else _core.split_runs(edges, low, high, seed, _TRAIN)
        training = Part(kept, edges, cuts, max(random, int(mode == "sample")), both_strands, seed, _TRAIN)
        evaluation = None
        if exclude is not None:
            held = found.within(files, exclude).at_least(low)
            edges = held.edges
            cuts = _core.split_runs(edges, low, high, 0, _HELD_OUT) if len(held.start) else _NO_CUTS
            evaluation = Part(held, edges, cuts, 0, False, 0, _HELD_OUT)
        return Corpus(files, k, seed, low, high, training, evaluation)

    @property
    def pass_length(self) -> int:
        """Samples of one pass."""
        return self.training.samples

    @property
    def bases(self) -> int:
        """Bases that samples are taken from."""
        return int(self.training.edges[-1])

    def samples(self, first: int, count: int, rows: I64 | None = None) -> Windows:
        """Samples first, first + 1, ... of the stream, or those of them that `rows` i64[m] name, in that order.

        Upper case, 5' -> 3' on their strand.
        """
        placed = self.places(first, count)
        return self._read(self.training, placed if rows is None else placed.take(rows))

    def lengths(self, first: int, count: int) -> I64:
        """Bases of these samples, i64[count]; nothing is read for it."""
        return self.places(first, count).length

    def places(self, first: int, count: int) -> Placed:
        """Where these samples lie, and how they are read."""
        return self._places(self.training, first, count)

    def held_out(self, count: int) -> Windows:
        """Samples of the excluded regions, of the forward strand: pieces of a split, in an order drawn once.

        They are the same for every seed, so that runs compare; all there are where that is fewer than `count`.
        DnabertError where nothing was excluded, or nothing long enough.
        """
        if self.evaluation is None or not self.evaluation.samples:
            why = "nothing is excluded" if self.evaluation is None else "what is excluded is too short for a sample"
            raise DnabertError(f"there is nothing to evaluate on: {why}; exclude contigs or regions to hold them out")
        count = min(count, self.evaluation.samples)
        return self._read(self.evaluation, self._places(self.evaluation, 0, count))

    def _places(self, part: Part, first: int, count: int) -> Placed:
        run, start, length = (np.empty(count, np.int64) for _ in range(3))
        reverse = np.empty(count, np.uint8)
        _core.place_samples(
            part.edges, part.cuts, part.random, self.shortest, self.longest, part.both_strands, part.seed, part.stream,
            first, run, start, length, reverse,
        )  # fmt: skip
        return Placed(run, start, length, reverse)

    def _read(self, part: Part, placed: Placed) -> Windows:
        """The bases of samples; each genome is read in its own order, which is what files are fast at."""
        genome, contig = part.runs.genome[placed.run], part.runs.contig[placed.run]
        start = part.runs.start[placed.run] + placed.start
        order = np.lexsort((start, contig, genome))
        parts = []
        for g, file in enumerate(self.genomes):
            rows = order[genome[order] == g]
            parts.append(file.fetch(contig[rows], start[rows], start[rows] + placed.length[rows]))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        windows = Windows.concatenate(parts).take(back)
        _core.orient(windows.bases, windows.offsets, placed.reverse)
        return windows


def _lengths(k: int, shortest: int | None, longest: int | None) -> tuple[int, int]:
    if k not in KS:
        raise DnabertError(f"k must be one of {', '.join(map(str, KS))}, not {k}")
    most = PIECE + k - 1
    low = max(5, k) if shortest is None else shortest
    high = most if longest is None else longest
    if not k <= low or not 2 * low <= high + 1 or high > most:
        raise DnabertError(
            f"samples of {low} to {high} bases cannot be made for k = {k}: the shortest has {k} at least, "
            f"the longest {most} at most and almost twice the shortest"
        )
    return low, high


def _nothing(wanted: Runs, shortest: int, included: bool, excluded: bool) -> str:
    longest = int((wanted.end - wanted.start).max(initial=0))
    if longest:
        return f"no run of A, C, G, T is long enough for a sample: the longest has {longest} bases, not {shortest}"
    if excluded:
        return "all bases are excluded; leave some to train on"
    return "the regions to include hold no bases" if included else "the genome holds no A, C, G or T"
