"""Tokens of windows hidden behind [MASK], and what stood there. Knows no genome, no variant and no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DnabertError
from .batch import PIECE, TokenBatch, Windows, tokenize
from .types import I64, U16, Bool
from .vocab import MASK

__all__ = ["Hidden", "hide"]


@dataclass(frozen=True)
class Hidden:
    """What the hidden tokens of n windows are: ids u16[h] in the order they are read, offsets i64[n+1].

    Those of window i are ids[offsets[i]:offsets[i+1]], and stand from token first[i] (i64[n]) of its piece on, [CLS]
    being token 0.
    """

    ids: U16
    offsets: I64
    first: I64


def hide(windows: Windows, k: int, first: I64, count: I64, reverse: Bool) -> tuple[TokenBatch, Hidden]:
    """Windows as tokens, of which k-mers first[i] to first[i] + count[i] (i64[n] each, as the genome has them) are
    [MASK]; those beyond a window's ends are left out. Windows of which `reverse` bool[n] is true are read backwards.

    Raises DnabertError where a window has more k-mers than one piece holds: the rest would not see what is hidden.
    """
    kmers = np.maximum(windows.lengths - k + 1, 0)
    if len(kmers) and int(kmers.max()) > PIECE:
        longest = int(windows.lengths.max())
        raise DnabertError(
            f"a window of {longest:,} bases is longer than the {PIECE + k - 1} that a masked-LM head reads at once; "
            "give a shorter --window"
        )
    batch = tokenize(windows, k, reverse)
    begin, end = np.clip(first, 0, kmers), np.clip(first + count, 0, kmers)
    begin, end = np.where(reverse, kmers - end, begin), np.where(reverse, kmers - begin, end)
    lengths = end - begin
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    at = np.arange(int(offsets[-1])) + np.repeat(batch.cu_seqlens[:-1] + 1 + begin - offsets[:-1], lengths)
    ids = batch.ids.copy()
    hidden = ids[at]
    ids[at] = MASK
    return TokenBatch(ids, batch.cu_seqlens, batch.owner), Hidden(hidden, offsets, begin + 1)
