"""Tables as tab-separated text, plain or BGZF with a tabix index. Knows nothing of what the columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..seq.table import format_table
from .bgzf import PlacesFile, TabixColumns
from .columns import packed

if TYPE_CHECKING:
    from ..engine.protocols import Column
    from ..seq.types import F32, I64, U8

__all__ = ["TsvSink"]


class TsvSink(PlacesFile):
    """Rows of a table as text, under one line of column names; missing floats (NaN) are ".".

    Columns are (name, kind) with kind "str", "int" or "float" (6 significant digits). A name that ends in .gz makes it
    BGZF, a block a unit; then `index` (its `skip` is set here) says which columns tabix indexes. `unsorted` is set when
    rows out of order left the file without the index. `part` as of UnitsFile.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[tuple[str, str]],
        index: TabixColumns | None = None,
        *,
        part: bool = False,
    ) -> None:
        title = "\t".join(name for name, _ in columns) + "\n"
        super().__init__(path, compressed=Path(path).suffix.lower() == ".gz", part=part, head=title.encode())
        self.unsorted = False
        self._columns = len(columns)
        self._kinds = [kind for _, kind in columns]
        self._layout = index

    def write(self, columns: Sequence[Column]) -> None:
        """Write the rows of a unit."""
        if len(columns) != self._columns:
            raise ValueError(f"{len(columns)} columns do not fit a table of {self._columns}")
        exact = [_exact(column, kind) for column, kind in zip(columns, self._kinds, strict=True)]
        if self._layout is not None:
            ends: I64 = exact[self._layout.end]  # type: ignore[assignment]  # the kind says so
            self._reach(ends)
        self._put(format_table(exact))

    def _index(self, afterwards: ExitStack) -> None:
        if self.compressed and self._layout is not None:
            layout = replace(self._layout, skip=1)
            self.unsorted = not self._publish_index(layout, afterwards)


def _exact(column: Column, kind: str) -> tuple[U8, I64] | I64 | F32:
    """A column in the one dtype of its kind."""
    if kind == "int":
        return np.ascontiguousarray(column, np.int64)
    if kind == "float":
        return np.ascontiguousarray(column, np.float32)
    if isinstance(column, tuple):
        return column
    strings: Sequence[str] = column  # type: ignore[assignment]  # the kind says so
    return packed(strings)
