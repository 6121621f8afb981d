"""What the engine asks of files: sources that give units, sinks that take them in order. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from ..seq.types import F32, I32, I64, U8

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Column", "Sink", "Source", "TableSink", "TrackSink"]

Unit_co = TypeVar("Unit_co", covariant=True)
Unit_contra = TypeVar("Unit_contra", contravariant=True)

Column: TypeAlias = "tuple[U8, I64] | Sequence[str] | I64 | I32 | F32"
"""A column of n rows: strings as (bytes u8, offsets i64[n+1]) or as a list of str, integers, or floats (NaN = none)."""


class Source(Protocol[Unit_co]):
    """Gives the units of a job in order; the cut depends on the input and the unit's size alone."""

    def __iter__(self) -> Iterator[Unit_co]: ...


class _Context(Protocol):
    """A file written aside: leaving the block whole renames it to its final name, an exception leaves nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Sink(_Context, Protocol[Unit_contra]):
    """Takes the results of units in order: text u8[n] of a VCF, vectors f32[n, d] of an array."""

    def write(self, unit: Unit_contra, /) -> None: ...


class TableSink(_Context, Protocol):
    """Takes the rows of a table, a unit at a time: one Column for each column the table was opened with."""

    def write(self, columns: Sequence[Column], /) -> None: ...


class TrackSink(_Context, Protocol):
    """Takes a per-base track in genome order: values f32[L] of the contig's bases [start, start + L), NaN = none."""

    def write(self, contig: str, start: int, values: F32, /) -> None: ...
