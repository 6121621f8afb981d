"""Strings that a model attends to, and which of them positives hold more often than negatives. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..evaluate.hypergeometric import hypergeometric_tail
from ..evaluate.significance import benjamini_hochberg
from ..seq.batch import Windows, reverse_complement
from ..seq.containing import count_containing
from ..seq.types import F64, I64, U8, Bool
from .regions import Regions

__all__ = ["BASES", "Candidates", "Instances", "base_codes", "find_candidates"]

BASES = b"ACGT"
"""Bases in the order of a motif's columns; the complement of base b is base 3 - b."""

_CODES = np.full(256, 4, np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _CODES[[*_letters]] = _code
_LETTERS = np.frombuffer(BASES + b"N", np.uint8)


@dataclass(frozen=True)
class Instances:
    """Where strings stand: bases start[i] to end[i] of window[i] read as string[i], on the other strand where
    reverse[i]; all i64[r] but reverse, bool[r]."""

    string: I64
    window: I64
    start: I64
    end: I64
    reverse: Bool

    def __len__(self) -> int:
        return len(self.string)

    def take(self, rows: I64 | Bool) -> Instances:
        """These instances, in the order given."""
        return Instances(self.string[rows], self.window[rows], self.start[rows], self.end[rows], self.reverse[rows])


@dataclass(frozen=True)
class Candidates:
    """m distinct strings, upper case, shorter first, then by letter, and how they are spread over the sequences.

    sequences, positives i64[m]: how many sequences, and positive ones, hold the string; p f64[m]: P(as many positives
    or more by chance); adjusted f64[m]: p for the false discovery rate over all m. `left_out` regions hold a letter
    besides A, C, G, T.
    """

    strings: list[bytes]
    instances: Instances
    sequences: I64
    positives: I64
    p: F64
    adjusted: F64
    left_out: int

    def __len__(self) -> int:
        return len(self.strings)


def base_codes(bases: U8) -> U8:
    """Bases as columns of a motif, u8[B]: A, C, G, T (or U) in either case are 0 to 3, all else is 4."""
    return _CODES[bases]


def find_candidates(
    windows: Windows, positive: Bool, regions: Regions, both_strands: bool = True, threads: int = 1
) -> Candidates:
    """The strings of regions of positive windows, tested for being held by more positives than chance has it.

    With `both_strands` a string and its reverse complement are one candidate, called by the first of the two by letter.
    The test is hypergeometric: of all n windows (`positive` bool[n]) those that hold the string are drawn, each counted
    once; p-values are adjusted by Benjamini and Hochberg. Raises MissingExtra without scipy.
    """
    inside = positive[regions.window]
    window, start, end = regions.window[inside], regions.start[inside], regions.end[inside]
    first = windows.offsets[window]
    letters = _LETTERS[base_codes(windows.bases)]
    texts = Windows.from_spans(letters, first + start, first + end)
    known = np.ones(len(texts), np.bool_)
    known[np.repeat(np.arange(len(texts)), texts.lengths)[texts.bases == ord("N")]] = False
    left_out = int((~known).sum())
    texts, window, start, end = texts.take(known), window[known], start[known], end[known]

    spelt, reverse = [texts[i] for i in range(len(texts))], np.zeros(len(texts), np.bool_)
    if both_strands:
        backward = reverse_complement(texts)
        turned = [backward[i] for i in range(len(texts))]
        reverse = np.array([other < text for text, other in zip(spelt, turned, strict=True)], np.bool_)
        spelt = [min(pair) for pair in zip(spelt, turned, strict=True)]
    strings = sorted(set(spelt), key=lambda string: (len(string), string))
    number = {string: i for i, string in enumerate(strings)}
    of = np.array([number[string] for string in spelt], np.int64)
    order = np.lexsort((start, window, of))
    instances = Instances(of, window, start, end, reverse).take(order)

    held, by_positives = count_containing(Windows.from_strings(strings), windows, positive, both_strands, threads)
    p = hypergeometric_tail(by_positives, held, int(positive.sum()), len(windows))
    adjusted = benjamini_hochberg(p) if len(p) else p
    return Candidates(strings, instances, held, by_positives, p, adjusted, left_out)
