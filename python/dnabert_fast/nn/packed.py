"""Token batches as tensors: packed, never padded. Knows nothing of where the tokens come from or go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import DnabertError

__all__ = ["Bases", "Group", "Layout", "Packed"]

Rows = Literal["cls", "all"]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """A run of pieces of one length in a Layout; see `kernels.layout.Group`."""

    length: int
    pieces: int
    token: int
    row: int
    rows: int
    pick: Tensor | None
    keep: Tensor | None
    wanting: Tensor | None


@dataclass(frozen=True)
class Bases:
    """Pieces as stretches of base codes, for a device that makes the token ids itself; see `kernels.layout.Bases`."""

    codes: Tensor
    starts: Tensor
    reverse: Tensor | None
    k: int


@dataclass(frozen=True)
class Layout:
    """A pack as kernels take it; see `kernels.layout.Layout`.

    Where pieces of one length were made neighbours, `restore` int64 [R] puts the wanted rows back into the caller's
    order (None where they are in it), `restore_tokens` int64 [T] all tokens.
    """

    ids: Tensor | None
    bases: Bases | None
    lengths: I64
    types: Tensor | None
    cu_seqlens: Tensor
    max_len: int
    bounds: list[int]
    groups: tuple[Group, ...]
    rows: Tensor | None
    row_bounds: Tensor | None
    max_rows: int
    restore: Tensor | None
    restore_tokens: Tensor | None
    key_bias: Tensor | None

    @cached_property
    def positions(self) -> Tensor:
        """The place of each token in its piece, int64 [T]; made when first asked for."""
        return torch.from_numpy(_positions(self.lengths)).to(self.cu_seqlens.device)


@dataclass(frozen=True)
class Packed:
    """Pieces one after the other: `ids` int64 [T], piece i at cu_seqlens[i] to cu_seqlens[i + 1] (int32 [m + 1]).

    `bases` in place of ids leaves it to the device to make them (GPUs alone; `Layout.bases`).

    `lengths` int64 [m] and `max_len` are known on the host, so that no device is ever waited for. `rows` int64 [R],
    ascending host positions of the tokens whose state is wanted; None means all. `types` int64 [T] (None: all 0).
    `key_bias` fp32 [T] is added to attention scores, for the original's padding on the reference backend alone.
    `placed`: rows int64 [R] and the rows of each piece int32 [m + 1] where they are on the device already.
    """

    ids: Tensor | None
    cu_seqlens: Tensor
    lengths: I64
    max_len: int
    rows: I64 | None = None
    types: Tensor | None = None
    key_bias: Tensor | None = None
    bases: Bases | None = None
    placed: tuple[Tensor, Tensor] | None = None

    @classmethod
    def from_arrays(
        cls,
        ids: npt.NDArray[Any],
        cu_seqlens: npt.NDArray[Any],
        device: str | torch.device = "cpu",
        rows: Rows | npt.NDArray[np.integer[Any]] = "cls",
        types: npt.NDArray[Any] | None = None,
    ) -> Packed:
        """From the arrays of a token batch: ids u16 [T] and cu_seqlens i32 [m + 1]; every piece has a token at least.

        `rows`: "cls" (the first token of each piece), "all", or ascending token positions. Raises ValueError where the
        arrays do not fit together.
        """
        bounds = np.asarray(cu_seqlens, dtype=np.int64)
        if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != len(ids):
            raise ValueError(f"cu_seqlens must run from 0 to the {len(ids)} ids")
        lengths = np.diff(bounds)
        if lengths.min() < 1:
            raise ValueError("a piece without tokens")
        packed = cls(
            ids=torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(device),
            cu_seqlens=torch.from_numpy(bounds.astype(np.int32)).to(device),
            lengths=lengths,
            max_len=int(lengths.max()),
            types=None if types is None else torch.from_numpy(np.asarray(types, dtype=np.int64)).to(device),
        )
        return packed.wanting(rows)

    @property
    def pieces(self) -> int:
        """How many pieces."""
        return len(self.lengths)

    @property
    def bounds(self) -> I64:
        """cu_seqlens on the host, int64 [m + 1]."""
        return _bounds(self.lengths)

    def wanting(self, rows: Rows | npt.NDArray[np.integer[Any]]) -> Packed:
        """The same pieces with other rows wanted; see `from_arrays`."""
        if isinstance(rows, str):
            if rows not in ("cls", "all"):
                raise ValueError(f"rows are cls, all, or an array of positions, not {rows}")
            first = self.bounds[:-1]
            placed = self.placed is not None and self.rows is not None and np.array_equal(self.rows, first)
            if rows == "cls" and placed:
                return self
            return replace(self, rows=first if rows == "cls" else None, placed=None)
        wanted = np.asarray(rows, dtype=np.int64)
        total = int(self.lengths.sum())
        if not len(wanted) or wanted[0] < 0 or wanted[-1] >= total or (np.diff(wanted) <= 0).any():
            raise ValueError(f"rows must be ascending positions in 0 to {total - 1}, one at least")
        return replace(self, rows=wanted, placed=None)

    def padded(self, length: int, pad: int = 0) -> Packed:
        """Each piece followed by `pad` ids up to `length` tokens, as the original's inputs are, in the same pack.

        `key_bias` is 1 for the real tokens and 0 for the padding: the original's attention mask since August 2021,
        which is added to the scores as it is. The wanted rows stay the same tokens. Raises DnabertError for a longer
        piece.
        """
        if self.max_len > length:
            raise DnabertError(f"a piece of {self.max_len} tokens is longer than the padded length {length}")
        place = _positions(self.lengths) + np.repeat(np.arange(self.pieces) * length, self.lengths)
        assert self.ids is not None
        where = torch.from_numpy(place).to(self.ids.device)
        total = self.pieces * length
        ids = self.ids.new_full((total,), pad).index_copy(0, where, self.ids)
        types = None if self.types is None else self.types.new_zeros(total).index_copy(0, where, self.types)
        key_bias = torch.zeros(total, device=self.ids.device).index_fill(0, where, 1.0)
        cu_seqlens = torch.arange(self.pieces + 1, dtype=torch.int32, device=self.ids.device) * length
        return Packed(
            ids=ids,
            cu_seqlens=cu_seqlens,
            lengths=np.full(self.pieces, length, dtype=np.int64),
            max_len=length,
            rows=place if self.rows is None else place[self.rows],
            types=types,
            key_bias=key_bias,
        )

    def segmented(self, separator: int = 3) -> Packed:
        """The same pieces with type 1 for the tokens behind the first [SEP] of a pair, as BERT tells its halves apart.

        Pieces of a single sequence end with their first [SEP] and stay of type 0.
        """
        assert self.ids is not None, "pairs are given as ids"
        ends = (self.ids.long() == separator).long()
        before = ends.cumsum(0) - ends
        piece = torch.from_numpy(np.repeat(np.arange(self.pieces), self.lengths)).to(before.device)
        return replace(self, types=before - before[self.cu_seqlens[:-1].long()][piece])

    def arranged(self, grouped: bool) -> Layout:
        """As the kernels of a backend take it: with pieces of one length side by side, or as they came."""
        return self.layout if grouped else self.flat

    @cached_property
    def flat(self) -> Layout:
        """The pack as it came (made once)."""
        row_bounds = None if self.rows is None else np.searchsorted(self.rows, self.bounds)
        tensors = self.ids, self.types, self.key_bias
        return self._layout(*tensors, self.lengths, self.rows, (None, None), row_bounds, (), self.placed)

    @cached_property
    def layout(self) -> Layout:
        """The pack with equal lengths side by side (made once; nothing moves where they are so already)."""
        assert self.ids is not None, "pieces given as bases are for kernels that take any order"
        starts = np.flatnonzero(np.diff(self.lengths, prepend=-1))
        order = None if len(starts) == len(np.unique(self.lengths)) else np.argsort(self.lengths, kind="stable")
        lengths = self.lengths if order is None else self.lengths[order]
        device = self.cu_seqlens.device

        def moved(tensor: Tensor | None) -> Tensor | None:
            return tensor if tensor is None or order is None else tensor[tokens]

        tokens = torch.empty(0)
        rows, restore, restore_tokens = self.rows, None, None
        if order is not None:
            place = _segments(self.bounds[:-1][order], lengths)
            tokens = torch.from_numpy(place).to(device)
            inverse = np.empty_like(place)
            inverse[place] = np.arange(len(place))
            restore = restore_tokens = torch.from_numpy(inverse).to(device)
            if rows is not None:
                at = inverse[rows]
                rows = np.sort(at)
                restore = torch.from_numpy(np.searchsorted(rows, at)).to(device)
        bounds = _bounds(lengths)
        row_bounds = None if rows is None else np.searchsorted(rows, bounds)
        groups = tuple(_groups(lengths, bounds, bounds if row_bounds is None else row_bounds, device))
        tensors = moved(self.ids), moved(self.types), moved(self.key_bias)
        return self._layout(*tensors, lengths, rows, (restore, restore_tokens), row_bounds, groups)

    def _layout(
        self,
        ids: Tensor | None,
        types: Tensor | None,
        key_bias: Tensor | None,
        lengths: I64,
        rows: I64 | None,
        restore: tuple[Tensor | None, Tensor | None],
        row_bounds: I64 | None,
        groups: tuple[Group, ...],
        placed: tuple[Tensor, Tensor] | None = None,
    ) -> Layout:
        device = self.cu_seqlens.device
        bounds = _bounds(lengths)
        if placed is None and rows is not None and row_bounds is not None:
            placed = torch.from_numpy(rows).to(device), torch.from_numpy(row_bounds.astype(np.int32)).to(device)
        return Layout(
            ids=ids,
            bases=self.bases,
            lengths=lengths,
            types=types,
            cu_seqlens=self.cu_seqlens
            if lengths is self.lengths
            else torch.from_numpy(bounds.astype(np.int32)).to(device),
            max_len=self.max_len,
            bounds=bounds.tolist(),
            groups=groups,
            rows=None if placed is None else placed[0],
            row_bounds=None if placed is None else placed[1],
            max_rows=self.max_len if row_bounds is None else int(np.diff(row_bounds).max()),
            restore=restore[0],
            restore_tokens=restore[1],
            key_bias=key_bias,
        )


def _bounds(lengths: I64) -> I64:
    """Where runs of these lengths begin, and the end of the last: int64 [m + 1]."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])


def _segments(starts: I64, lengths: I64) -> I64:
    """The integers starts[i] to starts[i] + lengths[i], one run after the other."""
    return _positions(lengths) + np.repeat(starts, lengths)


def _positions(lengths: I64) -> I64:
    """0 to lengths[i] for each i, one run after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1], dtype=np.int64) - np.repeat(ends - lengths, lengths)


def _groups(lengths: I64, bounds: I64, row_bounds: I64, device: torch.device) -> Sequence[Group]:
    starts = np.flatnonzero(np.diff(lengths, prepend=-1)).tolist()
    groups = []
    for a, b in zip(starts, [*starts[1:], len(lengths)], strict=True):
        first, last = int(row_bounds[a]), int(row_bounds[b])
        counts = np.diff(row_bounds[a : b + 1])
        pick = keep = wanting = None
        if counts.min() != counts.max():
            grid = np.arange(counts.max())
            # A piece that wants no row asks for a neighbour's: computed, then left out.
            wanted = row_bounds[a:b, None] + np.minimum(grid, np.maximum(counts - 1, 0)[:, None])
            pick = torch.from_numpy(np.minimum(wanted, last - 1)).to(device)
            keep = torch.from_numpy(np.flatnonzero(grid < counts[:, None])).to(device)
            wanting = torch.from_numpy(counts > 0).to(device)
        groups.append(Group(int(lengths[a]), b - a, int(bounds[a]), first, last - first, pick, keep, wanting))
    return groups
