"""Labelled sets the slow way: dinucleotides, shuffles, boxes and overlaps, base by base."""

from __future__ import annotations

from collections import Counter
from itertools import permutations


def dinucleotides(sequence: bytes) -> Counter[bytes]:
    """How often each pair of neighbours occurs."""
    return Counter(sequence[i : i + 2] for i in range(len(sequence) - 1))


def orders_with_the_same_dinucleotides(sequence: bytes) -> set[bytes]:
    """All of them; for short sequences."""
    wanted = dinucleotides(sequence)
    return {bytes(order) for order in permutations(sequence) if dinucleotides(bytes(order)) == wanted}


def reverse_complement(sequence: bytes) -> bytes:
    return sequence[::-1].translate(bytes.maketrans(b"ACGTN", b"TGCAN"))


def kmers(sequence: bytes, k: int) -> list[bytes]:
    """The k-mers without N, each as the lesser of itself and its reverse complement in the order A C G T."""
    found = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    return [min(kmer, reverse_complement(kmer)) for kmer in found if b"N" not in kmer]


def covered(spans: list[tuple[int, int, int]]) -> set[tuple[int, int]]:
    """The bases (contig, place) of half-open stretches."""
    return {(contig, place) for contig, start, end in spans for place in range(start, end)}
