"""Attention scores the plain way: transformers' whole maps, and loops over k-mers and bases by their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from oracle.alleles import reverse_complement
from oracle.kmers import kmer_ids


class Watched:
    """The encoder of a model folder in transformers, on the slow path that gives attention maps."""

    def __init__(self, folder: Path, k: int) -> None:
        self.k = k
        self._model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()

    @torch.no_grad()
    def maps(self, window: bytes, layer: int = -1) -> list[np.ndarray]:
        """Weights [heads, L, L] of each piece of a window."""
        ids = kmer_ids(window, self.k)
        pieces = [torch.tensor([[2, *ids[i : i + 510], 3]]) for i in range(0, len(ids), 510)]
        return [self._model(piece, output_attentions=True).attentions[layer][0].numpy() for piece in pieces]

    def kmers(self, window: bytes) -> list[float]:
        """[CLS]'s weights on each k-mer of the last layer, summed over the heads."""
        return [float(weight) for each in self.maps(window) for weight in each[:, 0, 1:-1].sum(0)]

    def bases(self, window: bytes, strand: str = "+", raw: bool = True) -> list[float]:
        """The score of each base of a window."""
        sides = []
        if strand != "-":
            sides.append(base_means(self.kmers(window), self.k))
        if strand != "+":
            sides.append(base_means(self.kmers(reverse_complement(window)), self.k)[::-1])
        mean = [sum(values) / len(values) for values in zip(*sides, strict=True)]
        return mean if raw else normalised(mean)


def base_means(kmers: Sequence[float], k: int) -> list[float]:
    """The mean over the k-mers that cover each base."""
    found = []
    for base in range(len(kmers) + k - 1):
        covering = [score for first, score in enumerate(kmers) if first <= base < first + k]
        found.append(sum(map(float, covering)) / len(covering))
    return found


def normalised(scores: Sequence[float]) -> list[float]:
    """Divided by their Euclidean norm."""
    norm = sum(float(score) ** 2 for score in scores) ** 0.5
    return [score / norm for score in scores] if norm else list(scores)


def high_regions(
    windows: Sequence[Sequence[float]], min_length: int, factor: float, quantile: float | None
) -> list[tuple[int, int, int]]:
    """(window, start, end) of runs of high bases."""
    found = []
    for row, scores in enumerate(windows):
        known = [float(score) for score in scores if score == score]
        if not known:
            continue
        if quantile is None:
            high = [score > sum(known) / len(known) and score > factor * min(known) for score in scores]
        else:
            limit = np.quantile(known, quantile)
            high = [score > limit for score in scores]
        start = None
        for base, is_high in enumerate([*high, False]):
            if is_high and start is None:
                start = base
            elif not is_high and start is not None:
                if base - start >= min_length:
                    found.append((row, start, base))
                start = None
    return found


def merged(places: Sequence[tuple[int, int, int, float]]) -> list[tuple[int, int, int, float]]:
    """(contig, start, end, value) in order, those that overlap or touch as one with the highest value."""
    found: list[tuple[int, int, int, float]] = []
    for contig, start, end, value in sorted(places):
        if found and found[-1][0] == contig and start <= found[-1][2]:
            last = found.pop()
            found.append((contig, last[1], max(last[2], end), max(last[3], value)))
        else:
            found.append((contig, start, end, value))
    return found
