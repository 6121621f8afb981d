"""Arrays of one axis written in units into one .npz file. Knows nothing of what they hold."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..errors import FormatError
from .atomic import WrittenAside

__all__ = ["NpzSink"]


class NpzSink(WrittenAside):
    """Columns that grow unit by unit, each an array of one axis in a .npz file (uncompressed); memory holds one unit.

    `columns` maps names to dtypes. What has been appended lies beside the final file until that is written at the end.
    """

    def __init__(self, path: str | Path, columns: Mapping[str, str]) -> None:
        super().__init__(path)
        self._dtypes = {name: np.dtype(kind) for name, kind in columns.items()}
        self._whole: dict[str, np.ndarray[Any, Any]] = {}
        self._parts = {name: self.partial.with_suffix(f".{name}.partial") for name in columns}
        for part in self._parts.values():
            self._stack.callback(part.unlink, missing_ok=True)
        self._files = {name: open(part, "w+b") for name, part in self._parts.items()}  # noqa: SIM115 - see _abandon

    def write(self, columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Append to columns."""
        for name, values in columns.items():
            with _failures(self.path):
                self._files[name].write(np.ascontiguousarray(values, self._dtypes[name]).data)

    def add(self, name: str, values: np.ndarray[Any, Any]) -> None:
        """An array that is whole already."""
        self._whole[name] = values

    def _finish(self, afterwards: ExitStack) -> None:
        with _failures(self.path), zipfile.ZipFile(self.partial, "w", allowZip64=True) as archive:
            for name, file in self._files.items():
                shape = (file.tell() // self._dtypes[name].itemsize,)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    fields = {"descr": npy.dtype_to_descr(self._dtypes[name]), "fortran_order": False, "shape": shape}
                    npy.write_array_header_1_0(entry, fields)
                    file.seek(0)
                    shutil.copyfileobj(file, entry, 1 << 20)
            for name, values in self._whole.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    npy.write_array(entry, values, allow_pickle=False)
        self._abandon()

    def _abandon(self) -> None:
        for file in self._files.values():
            file.close()


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FormatError(f"{path}: cannot be written ({error.strerror}); is the disk full?") from error
