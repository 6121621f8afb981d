"""Where the pieces of a packed batch lie, as the kernels need to know it. Knows nothing of how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

__all__ = ["Bases", "Group", "Layout"]


class Group(Protocol):
    """A run of neighbouring pieces of one length, and the rows wanted of them (which are neighbours too)."""

    @property
    def length(self) -> int:
        """Tokens of each piece."""

    @property
    def pieces(self) -> int:
        """How many pieces."""

    @property
    def token(self) -> int:
        """The first token of the first piece."""

    @property
    def row(self) -> int:
        """The first wanted row."""

    @property
    def rows(self) -> int:
        """How many rows are wanted of all pieces together."""

    @property
    def pick(self) -> Tensor | None:
        """int64 [pieces, r]: the rows of each piece (the last repeated); None where each wants equally many."""

    @property
    def keep(self) -> Tensor | None:
        """int64 [rows]: the places of `pick` that are not repeats; None where `pick` is None."""

    @property
    def wanting(self) -> Tensor | None:
        """bool [pieces]: whether a piece wants any row; None where `pick` is None (all want equally many)."""


class Bases(Protocol):
    """Pieces as stretches of base codes on the device, of which the embedding makes token ids itself."""

    @property
    def codes(self) -> Tensor:
        """uint8 [B]: 0..3 as the digits of a k-mer; anything else is unknown."""

    @property
    def starts(self) -> Tensor:
        """int64 [pieces]: the first base of each piece; its tokens say how many bases follow."""

    @property
    def reverse(self) -> Tensor | None:
        """uint8 [pieces]: 1 for pieces read as their reverse complement; None where none is."""

    @property
    def k(self) -> int:
        """Bases of a k-mer."""


class Layout(Protocol):
    """The pieces of a packed batch; on processors equal lengths are neighbours, on GPUs they lie as they came."""

    @property
    def ids(self) -> Tensor | None:
        """Token ids [T] (int64 on processors; any integers on GPUs); None where there are `bases`."""

    @property
    def bases(self) -> Bases | None:
        """What the ids are made of on the device; None where there are `ids`."""

    @property
    def positions(self) -> Tensor:
        """int64 [T]: the place of each token in its piece."""

    @property
    def types(self) -> Tensor | None:
        """int64 [T]: 0 or 1 for the two sequences of a pair; None means all 0."""

    @property
    def cu_seqlens(self) -> Tensor:
        """int32 [pieces + 1] on the device: `bounds`."""

    @property
    def max_len(self) -> int:
        """Tokens of the longest piece."""

    @property
    def row_bounds(self) -> Tensor | None:
        """int32 [pieces + 1] on the device: piece i wants rows row_bounds[i] to row_bounds[i + 1]; None where all."""

    @property
    def max_rows(self) -> int:
        """The most rows that one piece wants."""

    @property
    def bounds(self) -> Sequence[int]:
        """Host integers [pieces + 1]: piece i is tokens bounds[i] to bounds[i + 1]."""

    @property
    def groups(self) -> Sequence[Group]:
        """Runs of pieces of one length; together they are all pieces, in order. Empty on GPUs, which need none."""

    @property
    def rows(self) -> Tensor | None:
        """int64 [R], ascending: the tokens whose state is wanted; None means all."""

    @property
    def key_bias(self) -> Tensor | None:
        """fp32 [T] added to the scores of each key (the reference alone takes one); None means nothing."""
