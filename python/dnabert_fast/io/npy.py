"""A two-dimensional .npy array written in units. Knows nothing of what its rows are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ..errors import FormatError
from ..seq.types import F32
from .atomic import WrittenAside

__all__ = ["NpySink"]


class NpySink(WrittenAside):
    """Rows f32[n, d] appended to a .npy file; the header gets the number of rows when the file is whole.

    numpy leaves room for 21 digits of the first axis in the header, so it never changes its length (NEP 1 and
    `numpy.lib.format`). Only one unit is in memory.
    """

    def __init__(self, path: str | Path, columns: int) -> None:
        super().__init__(path)
        self._columns = columns
        self._rows = 0
        self._file = open(self.partial, "wb")  # noqa: SIM115 - closed by _finish or _abandon
        self._header()

    def write(self, rows: F32) -> None:
        """Append rows f32[n, columns]."""
        if rows.ndim != 2 or rows.shape[1] != self._columns:
            raise ValueError(f"rows of shape {rows.shape} do not fit an array of {self._columns} columns")
        try:
            self._file.write(np.ascontiguousarray(rows, np.float32).data)
        except OSError as error:
            raise FormatError(f"{self.path}: cannot be written ({error.strerror}); is the disk full?") from error
        self._rows += len(rows)

    def _header(self) -> None:
        fields = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._columns)}
        npy.write_array_header_1_0(self._file, fields)

    def _finish(self, afterwards: ExitStack) -> None:
        self._file.seek(0)
        self._header()
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()
