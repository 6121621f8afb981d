"""A two-dimensional .npy array written in units. Knows nothing of what its rows are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..seq.types import F32, U8
from .atomic import WrittenAside, failures
from .bgzf import open_bytes

__all__ = ["NpySink"]


class NpySink(WrittenAside):
    """Rows f32[n, d] appended to a .npy file; the header gets the number of rows when the file is whole.

    numpy leaves room for 21 digits of the first axis in the header, so it never changes its length (NEP 1 and
    `numpy.lib.format`). Only one unit is in memory. A `part` has no header; `append` adds one, with its `state`.
    """

    def __init__(self, path: str | Path, columns: int, *, part: bool = False) -> None:
        super().__init__(path)
        self._columns = columns
        self._rows = 0
        self._part = part
        self._file = open_bytes(self.partial, self.path, compressed=False)
        if not part:
            self._file.write(self._header())

    def write(self, rows: F32) -> None:
        """Append rows f32[n, columns]."""
        if rows.ndim != 2 or rows.shape[1] != self._columns:
            raise ValueError(f"rows of shape {rows.shape} do not fit an array of {self._columns} columns")
        self._file.write(np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8))
        self._rows += len(rows)

    @property
    def state(self) -> dict[str, Any]:
        """What the array that this part is joined to must know of it."""
        return {"rows": self._rows}

    def append(self, part: Path, state: Mapping[str, Any]) -> None:
        """Add the rows of a part."""
        self._file.append(part)
        self._rows += state["rows"]

    def _header(self) -> U8:
        text = BytesIO()
        fields = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._columns)}
        npy.write_array_header_1_0(text, fields)
        return np.frombuffer(text.getvalue(), np.uint8)

    def _finish(self, afterwards: ExitStack) -> None:
        self._file.close()
        if not self._part:
            with failures(self.path), open(self.partial, "r+b") as file:
                file.write(self._header().data)

    def _abandon(self) -> None:
        self._file.close()
