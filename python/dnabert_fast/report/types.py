"""What a genome picture shows, as arrays. Knows nothing of drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..seq.types import F32, I64

__all__ = ["Promoters", "Stretch", "Variants"]


@dataclass(frozen=True)
class Stretch:
    """A per-base track: values f32[L], in 0..1, of the bases [start, start + L) of a contig; NaN where none."""

    contig: str
    start: int
    values: F32

    @property
    def end(self) -> int:
        """The base after the last."""
        return self.start + len(self.values)


@dataclass(frozen=True)
class Promoters:
    """Annotated promoters: start and end i64[n] (half-open), a strand "+", "-" or "." and a name for each."""

    start: I64
    end: I64
    strand: Sequence[str]
    name: Sequence[str]


@dataclass(frozen=True)
class Variants:
    """Scored variants: position i64[n] (0-based), signed difference f32[n] (NaN = not scored), a label for each."""

    position: I64
    difference: F32
    label: Sequence[str]
