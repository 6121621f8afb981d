"""Artificial negatives out of real windows: dinucleotide shuffles and windows with segments replaced.

Knows no genome.
"""

from __future__ import annotations

import numpy as np

from ..seq.batch import Windows
from ..seq.types import I32, I64, U8, Bool

__all__ = ["SEGMENTS", "dinucleotide_shuffle", "replace_segments"]

SEGMENTS, _REPLACED = 20, 12
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_BASES_AT_ONCE = 1 << 24


def dinucleotide_shuffle(windows: Windows, random: np.random.Generator) -> Windows:
    """Each window in another order that keeps the number of every dinucleotide, and so its first and last base.

    Every such order has the same chance: the window is a walk over its letters (A, C, G, T and N), a random tree of
    last exits leads every letter to the last one, the other exits are put in random order, and the walk is made again
    (Altschul and Erickson, Mol Biol Evol 1985;2:526). The tree is drawn by popping cycles (Propp and Wilson 1998).
    The windows walk side by side, so that the time is that of the longest.
    """
    lengths = windows.lengths
    # Equal lengths side by side: no walk waits for another.
    order = np.argsort(lengths, kind="stable")
    out = np.empty_like(windows.bases)
    first = 0
    while first < len(order):
        longest = np.maximum.accumulate(lengths[order[first:]])
        padded = longest * np.arange(1, len(longest) + 1)
        rows = order[first : first + max(1, int(np.searchsorted(padded, _BASES_AT_ONCE, side="right")))]
        _shuffle_rows(windows, rows, random, out)
        first += len(rows)
    return Windows(out, windows.offsets)


def _shuffle_rows(windows: Windows, rows: I64, random: np.random.Generator, out: U8) -> None:
    """Shuffle these windows into their places in `out`."""
    begins, lengths = windows.offsets[:-1][rows], windows.lengths[rows]
    steps = int(lengths.max(initial=0)) - 1
    at = begins[:, None] + np.arange(steps + 1)
    there = np.arange(steps + 1) < lengths[:, None]
    codes = np.where(there, _CODES[windows.bases[np.minimum(at, max(0, len(windows.bases) - 1))]], 0).astype(np.int32)
    if steps > 0:
        edge = there[:, 1:]
        codes = _walk(codes, *_exits(codes, edge, lengths, random))
    out[at[there]] = _LETTERS[codes[there]]


def _exits(codes: I32, edge: Bool, lengths: I64, random: np.random.Generator) -> tuple[I32, I64]:
    """Where each row's walk goes at its next visits: letters i32[rows, steps], sorted by the letter they leave, in the
    order of the visits; and where each letter's exits begin, i64[rows, 5]."""
    n, steps = edge.shape
    letters = len(_LETTERS)
    leave = np.where(edge, codes[:, :-1], letters)
    key = random.random((n, steps))
    end = np.take_along_axis(codes, np.maximum(lengths - 1, 0)[:, None], axis=1)[:, 0]
    last = _last_exits(codes, edge, leave, end, random)
    # The exit that the tree has chosen is the last of its letter.
    row, letter = np.nonzero(last >= 0)
    key[row, last[row, letter]] = 2.0
    order = np.lexsort((key, leave), axis=1)
    to = np.take_along_axis(codes[:, 1:], order, axis=1)
    counts = np.stack([(leave == letter).sum(axis=1) for letter in range(letters)], axis=1)
    return to, np.cumsum(counts, axis=1) - counts


def _last_exits(codes: I32, edge: Bool, leave: I32, end: I32, random: np.random.Generator) -> I64:
    """The step at which each row leaves each letter for the last time, i64[rows, 5]; -1 for the last letter of the row
    and for letters that it has not. Following them from any letter leads to the last one."""
    n = len(codes)
    letters = len(_LETTERS)
    # A step from a letter to itself leads nowhere; leaving it out changes no chance.
    useful = edge & (codes[:, 1:] != codes[:, :-1])
    counts = np.stack([((leave == letter) & useful).sum(axis=1) for letter in range(letters)], axis=1)
    order = np.lexsort((~useful, leave), axis=1)  # by letter, useful steps first
    every = np.stack([(leave == letter).sum(axis=1) for letter in range(letters)], axis=1)
    begins = np.cumsum(every, axis=1) - every
    needed = (counts > 0) & (np.arange(letters) != end[:, None])
    last = np.full((n, letters), -1, np.int64)
    goes = np.tile(np.arange(letters), (n, 1))
    draw = needed
    while draw.any():
        row, letter = np.nonzero(draw)
        chosen = begins[row, letter] + random.integers(0, counts[row, letter])
        step = order[row, chosen]
        last[row, letter] = step
        goes[row, letter] = codes[row, step + 1]
        # Letters on a cycle are drawn again, and those alone.
        draw = np.zeros_like(needed)
        place = goes
        for _ in range(letters - 1):
            draw |= needed & (place == np.arange(letters))
            place = np.take_along_axis(goes, place, axis=1)
        draw |= needed & (place == np.arange(letters))
    return last


def _walk(codes: I32, to: I32, begins: I64) -> I32:
    """The letters that the walks from codes[:, 0] meet, a step of all rows at a time."""
    n, steps = to.shape
    row = np.arange(n)
    flat, visit = to.reshape(-1), begins + row[:, None] * steps
    out = np.empty((steps + 1, n), np.int32)
    out[0] = here = codes[:, 0]
    for step in range(steps):
        # A row shorter than others has walked its last step, and stays where its exits end.
        at = np.minimum(visit[row, here], (row + 1) * steps - 1)
        visit[row, here] += 1
        here = flat[at]
        out[step + 1] = here
    walked: I32 = out.T
    return walked


def replace_segments(windows: Windows, random: np.random.Generator) -> Windows:
    """Each window with 12 of the first 19 of its 20 segments replaced by random bases, all four as likely.

    Segments have length // 20 bases, the last one the rest as well; windows shorter than 20 bases stay as they are.
    So the non-TATA negatives of DNABERT's public promoter sets were made.
    """
    lengths = windows.lengths
    chosen = np.argsort(random.random((len(lengths), SEGMENTS - 1)), axis=1)[:, :_REPLACED]
    replaced = np.zeros((len(lengths), SEGMENTS), np.bool_)
    np.put_along_axis(replaced, chosen, True, axis=1)
    of_base = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(windows.bases)) - windows.offsets[of_base]
    size = (lengths // SEGMENTS)[of_base]
    segment = np.where(size > 0, np.minimum(within // np.maximum(size, 1), SEGMENTS - 1), SEGMENTS - 1)
    fresh = _LETTERS[random.integers(0, 4, len(windows.bases))]
    return Windows(np.where(replaced[of_base, segment], fresh, windows.bases), windows.offsets)


_CODES = np.full(256, 4, np.int32)
_CODES[_LETTERS] = np.arange(5)
