"""Parts of outputs: the results of a shard on disk, to be joined into the file that a run in one go writes.

A sink whose bytes can be joined has parts of the very bytes (`part=True` and `append` of the sink). Of others a part
holds what each `write` was given, and `replay` gives it to an ordinary sink again.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import FormatError
from ..seq.types import F32, U8
from .atomic import WrittenAside, failures
from .runs import runs

if TYPE_CHECKING:
    from ..engine.protocols import Column

__all__ = ["CallPart", "RunsPart", "Spool", "TablePart", "replay"]

_LENGTH = struct.Struct("<Q")

Value: TypeAlias = "Column | U8 | str | int"


class _Calls(WrittenAside):
    """The arguments of calls in order: numbers, strings, lists of strings, arrays, and text columns of two arrays.

    A call is a length (8 bytes), so many bytes of JSON that say what the arguments are, and the arrays as they are.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        with failures(self.path):
            self._file = open(self.partial, "wb")  # noqa: SIM115 - closed by _finish or _abandon

    @property
    def state(self) -> dict[str, Any]:
        """Nothing: all there is to know is in the part."""
        return {}

    def _record(self, *values: Value) -> None:
        with failures(self.path):
            _put(self._file, values)

    def _finish(self, afterwards: ExitStack) -> None:
        with failures(self.path):
            self._file.close()

    def _abandon(self) -> None:
        self._file.close()


class CallPart(_Calls):
    """Calls as they come."""

    def write(self, *values: Value) -> None:
        """Add a call."""
        self._record(*values)


class Spool:
    """Calls that wait in a file without a name, in the folder of `path`; it goes with the process, or with `close`."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        with failures(path):
            self._file = tempfile.TemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}.")  # noqa: SIM115

    def write(self, *values: Value) -> None:
        """Add a call."""
        with failures(self._path):
            _put(self._file, values)

    def replay(self) -> Iterator[list[Any]]:
        """The arguments of each call, in order."""
        self._file.seek(0)
        yield from _read(self._file)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class TablePart(_Calls):
    """Rows for a table's sink: as many arguments as the table has columns."""

    def write(self, columns: Sequence[Column]) -> None:
        """Write the rows of a unit."""
        self._record(*columns)


class RunsPart(_Calls):
    """Stretches of a track: contig, start, length, and their runs of one value each."""

    def write(self, contig: str, start: int, values: F32) -> None:
        """Write values f32[L] of the bases from `start` on."""
        self._record(contig, start, len(values), *runs(start, values))


def replay(path: Path, start: int = 0, stop: int | None = None) -> Iterator[list[Any]]:
    """The arguments of each call of a part, in order; FormatError for a file that is not one.

    `start` and `stop` are bytes at which calls begin, where not all are wanted.
    """
    with open(path, "rb") as file:
        file.seek(start)
        try:
            yield from _read(file, stop)
        except (struct.error, ValueError, KeyError, TypeError) as wrong:
            raise FormatError(f"{path}: broken part ({wrong}); remove it and run the job again") from None


def _put(file: IO[bytes], values: Sequence[Value]) -> None:
    """Write a call."""
    described: list[Any] = []
    arrays: list[np.ndarray[Any, Any]] = []
    for value in values:
        those = value if isinstance(value, tuple) else (value,) if isinstance(value, np.ndarray) else ()
        arrays += [np.ascontiguousarray(array) for array in those]
        shapes = [[array.dtype.str, len(array)] for array in those]
        described.append({"arrays": shapes, "column": isinstance(value, tuple)} if shapes else {"value": value})
    head = json.dumps(described).encode()
    file.write(_LENGTH.pack(len(head)) + head)
    for array in arrays:
        file.write(array.data)


def _read(file: IO[bytes], stop: int | None = None) -> Iterator[list[Any]]:
    """The calls from where a file stands to its end, or to the byte `stop`."""
    while (stop is None or file.tell() < stop) and (length := file.read(_LENGTH.size)):
        described = json.loads(file.read(_LENGTH.unpack(length)[0]))
        yield [_value(said, file) for said in described]


def _value(said: dict[str, Any], file: IO[bytes]) -> Any:
    if "value" in said:
        return said["value"]
    arrays = []
    for kind, n in said["arrays"]:
        dtype = np.dtype(kind)
        array = np.frombuffer(file.read(n * dtype.itemsize), dtype)
        if len(array) != n:
            raise ValueError("it ends too soon")
        arrays.append(array)
    return tuple(arrays) if said["column"] else arrays[0]
