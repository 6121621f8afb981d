"""Sequences that a split has in common with another: near-identical ones on either strand, and exact repeats.

Two windows are near-identical where at least a given share (0.25) of the 31-mers of one, each taken as the lesser of
itself and its reverse complement, occur in the other's split. Differences spread evenly over a window leave a quarter
of its 31-mers whole at an identity of 95.6 % (0.25 ** (1/31)); exact repeats and reverse complements share all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ..seq.batch import Windows, reverse_complement
from ..seq.types import F64, I64, Bool
from .examples import blocks
from .spans import Spans

__all__ = ["KMER", "SHARE", "kmers", "overlapping", "repeated", "same_on_either_strand", "shared_kmers"]

KMER = 31
SHARE = 0.25

U64 = NDArray[np.uint64]
_CODES = np.full(256, 4, np.uint64)
_CODES[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)


def kmers(windows: Windows, k: int) -> tuple[U64, Bool, I64]:
    """k-mers (1 to 31 bases) that begin at each base, as numbers alike for both strands, u64[B]; whether there is one,
    wholly in its window and without N, bool[B]; and how many each window has, i64[n]."""
    digits = _CODES[windows.bases]
    size = len(digits)
    known = np.concatenate([[0], np.cumsum(digits == 4)])
    end = np.repeat(windows.offsets[1:], windows.lengths)
    at = np.arange(size)
    stop = np.minimum(at + k, size)
    there = (at + k <= end) & (known[stop] == known[at])
    digits = np.where(digits == 4, 0, digits).astype(np.uint64)
    forward, reverse = _codes(digits, k), _codes(3 - digits, k, backward=True)
    sums = np.concatenate([[0], np.cumsum(there)])
    return np.minimum(forward, reverse), there, sums[windows.offsets[1:]] - sums[windows.offsets[:-1]]


def _codes(digits: U64, k: int, backward: bool = False) -> U64:
    """Numbers of base 4 of the k digits from each place on (0 past the end), put together by doubling."""
    size = len(digits)
    padded = np.concatenate([digits, np.zeros(k, np.uint64)])
    whole = np.zeros_like(padded)
    block, length, done = padded, 1, 0
    while True:
        if k & length:
            later = np.concatenate([block[done:], np.zeros(done, np.uint64)])
            shift = np.uint64(2 * (done if backward else length))
            whole = whole | (later << shift) if backward else (whole << shift) | later
            done += length
        if done == k:
            return whole[:size]
        later = np.concatenate([block[length:], np.zeros(length, np.uint64)])
        shift = np.uint64(2 * length)
        block = block | (later << shift) if backward else (block << shift) | later
        length *= 2


def shared_kmers(windows: Windows, other: Windows) -> F64:
    """The share of each window's 31-mers that occur in any window of `other`, on either strand, f64[n].

    0 for windows without a 31-mer. Memory grows with `other`.
    """
    found_in = [codes[there] for codes, there, _ in (kmers(other[part], KMER) for part in blocks(other))]
    known = np.unique(np.concatenate(found_in)) if found_in else np.empty(0, np.uint64)
    shares = np.zeros(len(windows), np.float64)
    for part in blocks(windows):
        some = windows[part]
        codes, there, total = kmers(some, KMER)
        sums = np.concatenate([[0], np.cumsum(there & _among(codes, known))])
        shares[part] = (sums[some.offsets[1:]] - sums[some.offsets[:-1]]) / np.maximum(total, 1)
    return shares


def _among(codes: U64, known: U64) -> Bool:
    if not len(known):
        return np.zeros(len(codes), np.bool_)
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    found: Bool = known[at] == codes
    return found


def repeated(windows: Windows) -> tuple[Bool, I64]:
    """Which windows are letter by letter an earlier one, bool[n], and the first of each kind, i64[n]."""
    seen: dict[bytes, int] = {}
    first = np.array([seen.setdefault(key, row) for row, key in enumerate(_keys(windows))], np.int64)
    return first != np.arange(len(windows)), first


def same_on_either_strand(windows: Windows, other: Windows) -> Bool:
    """Which windows are letter by letter one of `other` or its reverse complement, bool[n]."""
    known = {*_keys(other), *_keys(reverse_complement(other))}
    return np.array([key in known for key in _keys(windows)], np.bool_)


def _keys(windows: Windows) -> Iterator[bytes]:
    """A digest of each window: 128 bits, as good as the letters and shorter."""
    for row in range(len(windows)):
        yield blake2b(windows[row], digest_size=16).digest()


def overlapping(spans: Sequence[Spans]) -> int:
    """How many windows of each set have a base of the genome in common with a later set, together."""
    return sum(
        int(np.count_nonzero(one.touches(other.merged())))
        for number, one in enumerate(spans)
        for other in spans[number + 1 :]
    )
