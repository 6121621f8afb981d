"""Labelled sequences in memory, as everything that trains or is judged takes them. Knows no files and no networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..seq.batch import Windows
from ..seq.types import F32, I64, Bool

__all__ = ["NO_LABEL", "Kind", "LabelledSet", "flipped", "shared", "shifted"]

NO_LABEL = -1
"""The label of a base, or of a token, that nothing is asked about."""

Kind: TypeAlias = Literal["classes", "values", "tokens"]


@dataclass(frozen=True)
class LabelledSet:
    """n sequences and what is known of them; `second` holds the other sequence of each, where they are pairs.

    `labels`: a class a sequence, int64 [n]; a value a sequence, float32 [n]; or a class a base, int64 [B] along
    `windows.bases`, NO_LABEL for bases without one. Raises ValueError where the arrays do not fit together.
    """

    windows: Windows
    labels: I64 | F32
    second: Windows | None = None

    def __post_init__(self) -> None:
        if len(self.labels) not in (len(self.windows), len(self.windows.bases)):
            raise ValueError(f"{len(self.labels)} labels for {len(self.windows)} sequences")
        if self.second is not None and (len(self.second) != len(self.windows) or self.kind == "tokens"):
            raise ValueError("pairs take as many second sequences as first ones, and labels of whole pairs")

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def kind(self) -> Kind:
        """What the labels are: classes or values of whole sequences, or classes of bases ("tokens")."""
        if self.labels.dtype.kind == "f":
            return "values"
        return "classes" if len(self.labels) == len(self.windows) else "tokens"

    def take(self, rows: I64) -> LabelledSet:
        """Copies of these sequences with their labels, in the order of `rows`."""
        second = None if self.second is None else self.second.take(rows)
        of = self.windows.places(rows) if self.kind == "tokens" else rows
        return LabelledSet(self.windows.take(rows), self.labels[of], second)


def shifted(data: LabelledSet, shift: I64) -> LabelledSet:
    """Each window moved to the right by shift[i] bases (left where negative), its length kept; N comes in.

    Labels of bases move along. The second sequences of pairs stay.
    """
    if not shift.any():
        return data
    windows = data.windows
    of_base = np.repeat(np.arange(len(windows)), windows.lengths)
    source = np.arange(len(windows.bases)) - shift[of_base]
    inside = (source >= windows.offsets[of_base]) & (source < windows.offsets[of_base + 1])
    bases = np.full(len(windows.bases), ord("N"), np.uint8)
    bases[inside] = windows.bases[source[inside]]
    labels = data.labels
    if data.kind == "tokens":
        labels = np.full_like(labels, NO_LABEL)
        labels[inside] = data.labels[source[inside]]
    return LabelledSet(Windows(bases, windows.offsets), labels, data.second)


def flipped(windows: Windows, along: I64, reverse: Bool) -> I64:
    """Numbers int64 [B] along the bases, with those of the windows that `reverse` bool [n] names in reverse order."""
    of_base = np.repeat(np.arange(len(windows)), windows.lengths)
    place = np.arange(len(windows.bases))
    mirrored = windows.offsets[of_base] + windows.offsets[of_base + 1] - 1 - place
    found: I64 = along[np.where(reverse[of_base], mirrored, place)]
    return found


def shared(data: LabelledSet, other: LabelledSet) -> int:
    """How many sequences (pairs) of `other` stand in `data` as well, in either case of letters."""
    known = {_key(data, row) for row in range(len(data))}
    return int(np.count_nonzero([_key(other, row) in known for row in range(len(other))]))


def _key(data: LabelledSet, row: int) -> tuple[bytes, bytes]:
    return data.windows[row].upper(), b"" if data.second is None else data.second[row].upper()
