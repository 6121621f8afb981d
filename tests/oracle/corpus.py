"""Samples of runs of bases, as strings."""

from __future__ import annotations

import math
import re

from oracle import philox

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def clean_runs(text: str) -> list[str]:
    return re.findall("[ACGTUacgtu]+", text)


def split(length: int, run: int, shortest: int, longest: int, seed: int, stream: int) -> list[int]:
    """Lengths of the pieces of a run of `length` bases."""
    lengths: list[int] = []
    rest = length
    while rest > longest:
        coin, word, _, _ = philox.block(seed, philox.SPLIT, stream, run, len(lengths))
        take = longest if coin < 2**31 else max(shortest, philox.below32(word, longest))
        if rest - take < shortest:
            take = rest - shortest
        lengths.append(take)
        rest -= take
    return [*lengths, rest]


def permuted(number: int, n: int, seed: int, stream: int, index: int) -> int:
    rows = math.isqrt(n)
    columns = -(-n // rows)
    while True:
        row, column = divmod(number, columns)
        for turn in range(8):
            half = row if turn % 2 else column
            low, high, _, _ = philox.block(seed, philox.ORDER, stream, index, turn << 28 | half)
            if turn % 2:
                column = (column + philox.below64(low, high, columns)) % columns
            else:
                row = (row + philox.below64(low, high, rows)) % rows
        number = row * columns + column
        if number < n:
            return number


def sample(
    runs: list[str],
    number: int,
    *,
    random: int,
    with_split: bool,
    shortest: int,
    longest: int,
    both_strands: bool,
    seed: int,
    stream: int,
) -> str:
    """Sample `number` of the stream whose passes have the pieces of a split and `random` other places."""
    pieces = []
    if with_split:
        for r, run in enumerate(runs):
            at = 0
            for length in split(len(run), r, shortest, longest, seed, stream):
                pieces.append(run[at : at + length])
                at += length
    total = len(pieces) + random
    place = permuted(number % total, total, seed, stream, number // total)
    words = philox.block(seed, philox.PLACE, stream, number, 0)
    if place < len(pieces):
        text = pieces[place]
    else:
        base = (place - len(pieces)) * sum(map(len, runs)) // random
        run = next(run for r, run in enumerate(runs) if sum(map(len, runs[: r + 1])) > base)
        start = philox.below64(words[1], words[2], len(run) - shortest + 1)
        text = run[start : start + max(shortest, philox.below32(words[3], longest))]
    text = text.upper().replace("U", "T")
    return text.translate(COMPLEMENT)[::-1] if both_strands and words[0] >= 2**31 else text
