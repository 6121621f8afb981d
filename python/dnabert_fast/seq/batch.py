"""Windows of bases, and the same as packed tokens. Knows nothing of genomes, files or networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from .. import _core
from ..errors import DnabertError
from .types import I32, I64, U8, U16, Bool

__all__ = [
    "MAX_TOKENS",
    "PAIR",
    "PIECE",
    "Distinct",
    "SpanBatch",
    "TokenBatch",
    "Windows",
    "cut",
    "distinct",
    "kmer_ids",
    "labelled_base",
    "pieces_of",
    "reverse_complement",
    "spans",
    "tokenize",
    "tokenize_pairs",
    "tokenize_spans",
]

PIECE = 510
"""k-mers a piece holds at most: 512 positions less [CLS] and [SEP]."""

MAX_TOKENS = 2**31 - 1
"""Tokens of a batch at most: `cu_seqlens` counts them in 32 bits."""

PAIR = 509
"""k-mers the two sequences of a pair hold at most together: there is a second [SEP]."""


@dataclass(frozen=True)
class Windows:
    """Strings of bases end to end: bases u8[B], offsets i64[n+1]; window i is bases[offsets[i]:offsets[i+1]].

    `windows[i]` is window i as bytes, `windows[a:b]` that part (a view), `len(windows)` is n.
    """

    bases: U8
    offsets: I64

    @staticmethod
    def from_strings(strings: Iterable[str | bytes], first: int = 0) -> Windows:
        """One window a string; `first` is the number of the first one (from 0), where they are part of more.

        Raises DnabertError, naming the number, for what is no string and for a character that is not ASCII.
        """
        encoded = [_ascii(string, first + i) for i, string in enumerate(strings)]
        return Windows(
            np.frombuffer(b"".join(encoded), np.uint8), _offsets(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        )

    @staticmethod
    def from_matrix(matrix: U8) -> Windows:
        """One window a row of u8[n, length]."""
        n, length = matrix.shape
        return Windows(np.ascontiguousarray(matrix).reshape(-1), np.arange(n + 1, dtype=np.int64) * length)

    @staticmethod
    def from_spans(bases: U8, starts: I64, ends: I64) -> Windows:
        """A copy of bases[starts[i]:ends[i]] for every i; spans may overlap and come in any order."""
        offsets = _offsets(ends - starts)
        out = np.empty(offsets[-1], np.uint8)
        _core.copy_spans(np.ascontiguousarray(bases), _i64(starts), _i64(ends), out)
        return Windows(out, offsets)

    @staticmethod
    def concatenate(parts: Sequence[Windows]) -> Windows:
        """The windows of all parts, in order."""
        if not parts:
            return Windows(np.empty(0, np.uint8), np.zeros(1, np.int64))
        return Windows(
            np.concatenate([part.bases for part in parts]), _offsets(np.concatenate([part.lengths for part in parts]))
        )

    @property
    def lengths(self) -> I64:
        """Bases of each window, i64[n]."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Windows: ...
    def __getitem__(self, index: int | slice) -> bytes | Windows:
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"windows are sliced with step 1, not {step}; use take")
            offsets = self.offsets[first : max(first, last) + 1]
            return Windows(self.bases[offsets[0] : offsets[-1]], offsets - offsets[0])
        row = range(len(self))[index]
        return self.bases[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def take(self, rows: I64 | I32 | Bool) -> Windows:
        """Copies of these windows, in the order of `rows` (numbers, or a mask bool[n])."""
        return Windows.from_spans(self.bases, self.offsets[:-1][rows], self.offsets[1:][rows])

    def places(self, rows: I64) -> I64:
        """Where in `bases` those of these windows lie, one window after the other."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        return within + np.repeat(self.offsets[:-1][rows], lengths)

    def skip(self, left: I64, right: I64 | int = 0) -> Windows:
        """The windows without their first left[i] and last right[i] bases."""
        return Windows.from_spans(self.bases, self.offsets[:-1] + left, self.offsets[1:] - right)


@dataclass(frozen=True)
class TokenBatch:
    """Windows as a network sees them, packed, never padded.

    ids u16[T]; cu_seqlens i32[m+1]: piece j is ids[cu_seqlens[j]:cu_seqlens[j+1]], [CLS], up to 510 ids, [SEP];
    owner i32[m]: the window that piece j belongs to, ascending as `tokenize` makes it. `len(batch)` is m.
    """

    ids: U16
    cu_seqlens: I32
    owner: I32

    @property
    def lengths(self) -> I32:
        """Tokens of each piece with [CLS] and [SEP], i32[m]."""
        return np.diff(self.cu_seqlens)

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, pieces: I64 | I32) -> TokenBatch:
        """Copies of these pieces, in the order given."""
        which = np.ascontiguousarray(pieces, np.int32)
        ids, cu_seqlens = _core.gather_rows(self.ids, self.cu_seqlens, which)
        return TokenBatch(ids, cu_seqlens, self.owner[which])

    def tokens(self) -> TokenBatch:
        """The batch itself; see `SpanBatch.tokens`."""
        return self


@dataclass(frozen=True)
class SpanBatch:
    """A TokenBatch whose ids are still to be made, by whoever has the bases: pieces that overlap share theirs.

    bases u8[B]; starts i64[m]: where the bases of piece j begin; reverse bool[m]: whether they are read as the reverse
    complement; cu_seqlens, owner and k as of the TokenBatch that `tokens` gives.
    """

    bases: U8
    starts: I64
    reverse: Bool
    cu_seqlens: I32
    owner: I32
    k: int

    @property
    def lengths(self) -> I32:
        """Tokens of each piece with [CLS] and [SEP], i32[m]."""
        return np.diff(self.cu_seqlens)

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, pieces: I64 | I32) -> SpanBatch:
        """These pieces, in the order given."""
        cu_seqlens = _offsets(_i64(self.lengths[pieces])).astype(np.int32)
        return SpanBatch(self.bases, self.starts[pieces], self.reverse[pieces], cu_seqlens, self.owner[pieces], self.k)

    def tokens(self) -> TokenBatch:
        """The pieces with their ids."""
        kmers = self.lengths - 2
        ends = self.starts + np.where(kmers > 0, kmers + self.k - 1, 0)
        made = tokenize_spans(self.bases, self.starts, ends, self.reverse, self.k)
        return TokenBatch(made.ids, made.cu_seqlens, self.owner)

    def codes(self) -> U8:
        """The bases as digits of k-mers, u8[B]: A, T, C, G in either case are 0 to 3, U is T, all else is 4."""
        return _CODES[self.bases]


@dataclass(frozen=True)
class Distinct:
    """The pieces of a batch that differ in content: group g is first seen as piece first[g] (i32[u], ascending), and
    piece j is of group inverse[j] (i32[m])."""

    first: I32
    inverse: I32


def kmer_ids(bases: U8, k: int, reverse: bool = False, threads: int = 1) -> U16:
    """Token ids u16[max(0, n-k+1)] of the overlapping k-mers of bases u8[n]; 1 = [UNK] over any letter but ACGTU.

    `reverse`: those of the reverse complement, in its own 5' -> 3' order. Any case.
    """
    out = np.empty(max(0, len(bases) - k + 1), np.uint16)
    _core.kmer_ids(np.ascontiguousarray(bases), k, out, reverse, threads)
    return out


def tokenize(windows: Windows, k: int, reverse: bool | Bool = False, threads: int = 1) -> TokenBatch:
    """Windows as packed pieces: ceil(k-mers / 510) a window, one empty piece [CLS] [SEP] for one shorter than k.

    `reverse`: read as the reverse complement, all or those of bool[n].
    """
    return tokenize_spans(windows.bases, windows.offsets[:-1], windows.offsets[1:], reverse, k, threads)


def tokenize_spans(bases: U8, starts: I64, ends: I64, reverse: bool | Bool, k: int, threads: int = 1) -> TokenBatch:
    """Like `tokenize`, for windows bases[starts[i]:ends[i]] that may overlap."""
    starts, ends = _i64(starts), _i64(ends)
    backward = np.ascontiguousarray(np.broadcast_to(np.asarray(reverse, np.uint8), starts.shape))
    pieces, tokens = _row_sizes(ends - starts, k)
    cu_seqlens, owner = np.empty(pieces + 1, np.int32), np.empty(pieces, np.int32)
    ids = np.empty(tokens, np.uint16)
    _core.rows(np.ascontiguousarray(bases), starts, ends, backward, k, PIECE, cu_seqlens, owner, ids, threads)
    return TokenBatch(ids, cu_seqlens, owner)


def tokenize_pairs(first: Windows, second: Windows, k: int, reverse: bool | Bool = False) -> TokenBatch:
    """Pairs as packed pieces [CLS] first [SEP] second [SEP], one a pair; `reverse`: both are read backwards.

    Raises DnabertError, naming the pair, where the two have more k-mers than a piece holds.
    """
    kmers = [np.maximum(0, windows.lengths - k + 1) for windows in (first, second)]
    long = np.flatnonzero(kmers[0] + kmers[1] > PAIR)
    if len(long):
        at = int(long[0])
        raise DnabertError(
            f"pair {at + 1} has {kmers[0][at]} and {kmers[1][at]} k-mers; the two may have {PAIR} together"
        )
    a, b = (tokenize(windows, k, reverse) for windows in (first, second))
    cu_seqlens = _offsets(_i64(a.lengths + b.lengths - 1))
    ids = np.empty(cu_seqlens[-1], np.uint16)
    # Every token of the first keeps its distance to the start of its piece; the second comes without its [CLS].
    ids[np.arange(len(a.ids)) + np.repeat(cu_seqlens[:-1] - a.cu_seqlens[:-1], a.lengths)] = a.ids
    kept = np.ones(len(b.ids), np.bool_)
    kept[b.cu_seqlens[:-1]] = False
    behind = cu_seqlens[:-1] + a.lengths - b.cu_seqlens[:-1] - 1
    ids[(np.arange(len(b.ids)) + np.repeat(behind, b.lengths))[kept]] = b.ids[kept]
    return TokenBatch(ids, cu_seqlens.astype(np.int32), np.arange(len(first), dtype=np.int32))


def pieces_of(lengths: I64, k: int) -> I64:
    """How many pieces windows of these bases have, i64[n]."""
    return np.maximum(1, -(-(lengths - k + 1) // PIECE))


def labelled_base(k: int) -> int:
    """Which of its bases, from 0, the label of a k-mer is about.

    It is the one that masking hides whole: k-mer t of a window speaks of base t + k // 2, so the first k // 2 bases of
    a window and its last k - 1 - k // 2 have no k-mer of their own.
    """
    return k // 2


def spans(bases: U8, starts: I64, ends: I64, reverse: bool | Bool, k: int) -> SpanBatch:
    """The windows of `tokenize_spans` in the same pieces, without their ids."""
    starts, ends = _i64(starts), _i64(ends)
    pieces, _ = _row_sizes(ends - starts, k)
    backward = np.broadcast_to(np.asarray(reverse, np.bool_), starts.shape)
    kmers = np.maximum(0, ends - starts - k + 1)
    counts = np.maximum(1, -(-kmers // PIECE))
    owner = np.repeat(np.arange(len(starts), dtype=np.int32), counts)
    before = PIECE * (np.arange(pieces) - np.repeat(np.cumsum(counts) - counts, counts))
    of_piece = np.minimum(PIECE, kmers[owner] - before)
    # Read backwards, the first k-mers are those of the last bases.
    first = np.where(backward[owner], ends[owner] - k + 1 - before - of_piece, starts[owner] + before)
    first = np.where(of_piece > 0, first, starts[owner])
    return SpanBatch(bases, first, backward[owner], _offsets(of_piece + 2).astype(np.int32), owner, k)


def distinct(batch: TokenBatch | SpanBatch) -> Distinct:
    """Which pieces of a batch are equal in content, of spans: in where they lie; groups in order of first appearance.

    Spans are not read, so repeats of a genome stay apart.
    """
    if isinstance(batch, TokenBatch):
        return Distinct(*_core.distinct(batch.ids, batch.cu_seqlens))
    place = (batch.starts * (PIECE + 3) + batch.lengths) * 2 + batch.reverse
    _, first, group = np.unique(place, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return Distinct(first[order].astype(np.int32), rank[group])


def cut(lengths: I32 | I64, max_tokens: int) -> list[slice]:
    """Cut pieces of these lengths, in the order given, into batches of at most `max_tokens` tokens.

    Each batch is as long as it can be; a piece longer than `max_tokens` is a batch of its own.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    parts: list[slice] = []
    first, done = 0, 0
    while first < len(ends):
        last = max(first + 1, int(np.searchsorted(ends, done + max_tokens, side="right")))
        parts.append(slice(first, last))
        first, done = last, int(ends[last - 1])
    return parts


def reverse_complement(windows: Windows) -> Windows:
    """The reverse complement of each window; IUPAC codes too, case kept."""
    out = np.empty_like(windows.bases)
    _core.reverse_complement(np.ascontiguousarray(windows.bases), windows.offsets, out)
    return Windows(out, windows.offsets)


def _row_sizes(lengths: I64, k: int) -> tuple[int, int]:
    """Pieces and tokens of windows of these bases; DnabertError where places in a batch could not count them."""
    tokens = int(np.maximum(0, lengths - k + 1).sum()) + 2 * int(pieces_of(lengths, k).sum())
    if tokens > MAX_TOKENS:
        raise DnabertError(
            f"{len(lengths):,} windows of up to {lengths.max():,} bases make {tokens:,} tokens, more than a unit of "
            f"work may have (2^31 - 1); give shorter windows or sequences, or a larger --stride"
        )
    return _core.row_sizes(lengths, k, PIECE)


def _ascii(string: str | bytes, row: int) -> bytes:
    if isinstance(string, bytes):
        return string
    if not isinstance(string, str):
        raise DnabertError(f"sequence {row + 1} is of type {type(string).__name__}; give bases as str or bytes")
    try:
        return string.encode("ascii")
    except UnicodeEncodeError as error:
        raise DnabertError(f"sequence {row + 1} holds {string[error.start]!r}; bases are ASCII letters") from None


def _offsets(lengths: I64) -> I64:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _i64(values: I64 | I32) -> I64:
    return np.ascontiguousarray(values, np.int64)


_CODES = np.full(256, 4, np.uint8)
for _code, _letters in enumerate((b"Aa", b"TtUu", b"Cc", b"Gg")):
    _CODES[np.frombuffer(_letters, np.uint8)] = _code
