"""Where the pieces of a packed batch lie, as the kernels need to know it. Knows nothing of how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

__all__ = ["Group", "Layout"]


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


class Layout(Protocol):
    """The pieces of a packed batch whose equal lengths are neighbours."""

    @property
    def bounds(self) -> Sequence[int]:
        """Host integers [pieces + 1]: piece i is tokens bounds[i] to bounds[i + 1]."""

    @property
    def groups(self) -> Sequence[Group]:
        """Runs of pieces of one length; together they are all pieces, in order."""

    @property
    def rows(self) -> Tensor | None:
        """int64 [R], ascending: the tokens whose state is wanted; None means all."""

    @property
    def key_bias(self) -> Tensor | None:
        """fp32 [T] added to the scores of each key (the reference alone takes one); None means nothing."""
