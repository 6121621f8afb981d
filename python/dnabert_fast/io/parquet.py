"""Tables as Parquet through pyarrow. Knows nothing of what the columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError, MissingExtra
from .atomic import WrittenAside

if TYPE_CHECKING:
    from ..engine.protocols import Column

__all__ = ["ParquetSink"]


class ParquetSink(WrittenAside):
    """Rows of a table in Parquet, one row group a unit; missing floats (NaN) are null.

    Columns are (name, kind) with kind "str", "int" (int64) or "float" (float32). Raises MissingExtra without pyarrow.
    """

    def __init__(self, path: str | Path, columns: Sequence[tuple[str, str]]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtra("pyarrow", "parquet", "writing .parquet") from error
        super().__init__(path)
        self._pa = pa
        types = {"str": pa.string(), "int": pa.int64(), "float": pa.float32()}
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns])
        self._kinds = [kind for _, kind in columns]
        self._writer = pq.ParquetWriter(str(self.partial), self._schema)

    def write(self, columns: Sequence[Column]) -> None:
        """Write the rows of a unit as one row group; none for a unit without rows."""
        arrays = [self._array(column, kind) for column, kind in zip(columns, self._kinds, strict=True)]
        table = self._pa.Table.from_arrays(arrays, schema=self._schema)
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))

    def _array(self, column: Column, kind: str) -> Any:
        pa = self._pa
        if kind == "int":
            return pa.array(column, pa.int64())
        if kind == "float":
            values = np.asarray(column, np.float32)
            return pa.array(values, pa.float32(), mask=np.isnan(values))
        if not isinstance(column, tuple):
            return pa.array(column, pa.string())
        flat, offsets = column
        buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(flat))]
        strings = pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
        try:
            strings.validate(full=True)
        except pa.ArrowInvalid as error:
            raise FormatError(f"{self.path}: Parquet holds UTF-8 text only ({error}); write .tsv.gz instead") from error
        return strings

    def _finish(self, afterwards: ExitStack) -> None:
        self._writer.close()

    def _abandon(self) -> None:
        self._writer.close()
