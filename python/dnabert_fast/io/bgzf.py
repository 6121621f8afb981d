"""Bytes into plain or BGZF files, and their tabix indexes through htslib. Knows nothing of what the bytes mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pysam
import pysam.bcftools
from pysam.utils import SamtoolsError

from ..seq.types import I64, U8
from .atomic import WrittenAside, failures, writing

__all__ = [
    "LAST_BLOCK",
    "ByteFile",
    "PlacesFile",
    "TabixColumns",
    "UnitsFile",
    "open_bytes",
    "publish_index",
    "quiet_htslib",
    "remove_indexes",
    "standard_output",
]

LAST_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""How a BGZF file ends (SAM specification, section 4.1.2)."""

_LONGEST_TBI = 1 << 29  # bases a .tbi can address (SAM specification, section 5.2)

_LEVEL = 5  # on VCF text a few percent larger than level 6, and a quarter faster at least
_PIECE_BYTES = 1 << 18
_COPIED_BYTES = 1 << 26


class ByteFile(Protocol):
    """Where a sink's bytes go; `end_unit` closes the compressed block, so that units never share one.

    `append` adds the bytes of a file as they are; no `write` may follow.
    """

    def write(self, text: U8) -> None: ...

    def end_unit(self) -> None: ...

    def append(self, part: Path) -> None: ...

    def close(self) -> None: ...


class _PlainFile:
    def __init__(self, where: str | Path | int, shown: str) -> None:
        self._shown = shown
        with failures(shown):
            self._file = open(where, "wb")  # noqa: SIM115 - closed by close()

    def write(self, text: U8) -> None:
        with failures(self._shown):
            self._file.write(text.data)

    def end_unit(self) -> None:
        pass

    def append(self, part: Path) -> None:
        with failures(self._shown):
            self._file.flush()
            _copy(part, self._file.fileno())

    def close(self) -> None:
        with failures(self._shown):
            self._file.close()


class _BgzfFile:
    def __init__(self, where: Path, shown: str, whole: bool, level: int) -> None:
        self._shown = shown
        self._where = where
        self._whole = whole
        self._joined: int | None = None
        mode: Any = f"w{level}"
        with failures(shown):
            open(where, "wb").close()  # pysam crashes where a file cannot be made
            self._file = pysam.BGZFile(str(where), mode, None)

    def write(self, text: U8) -> None:
        assert self._joined is None, "what htslib has closed takes parts alone"
        with failures(self._shown):
            # pysam holds the GIL while it compresses; between pieces other threads get their turn.
            for at in range(0, len(text), _PIECE_BYTES):
                self._file.write(text[at : at + _PIECE_BYTES].tobytes())

    def end_unit(self) -> None:
        with failures(self._shown):
            self._file.flush()

    def append(self, part: Path) -> None:
        with failures(self._shown):
            if self._joined is None:
                self._file.close()
                self._cut_end()
                self._joined = os.open(self._where, os.O_WRONLY)
                os.lseek(self._joined, 0, os.SEEK_END)
            _copy(part, self._joined)

    def close(self) -> None:
        with failures(self._shown):
            if self._joined is not None:
                handle, self._joined = self._joined, None
                with open(handle, "wb") as file:
                    file.write(LAST_BLOCK)
            elif not self._file.closed:
                self._file.close()
                if not self._whole:
                    self._cut_end()

    def _cut_end(self) -> None:
        os.truncate(self._where, self._where.stat().st_size - len(LAST_BLOCK))


def _copy(part: Path, into: int) -> None:
    """Add a file's bytes to another, in the kernel where that can do it."""
    with open(part, "rb", buffering=0) as file:
        # Not on every system, nor between all files, nor always all of it; both files know how far they are.
        with suppress(AttributeError, OSError):
            while os.copy_file_range(file.fileno(), into, _COPIED_BYTES):
                pass
        while data := file.read(_COPIED_BYTES):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(into, rest) :]


def open_bytes(
    where: Path, shown: str | Path, *, compressed: bool, whole: bool = True, level: int = _LEVEL
) -> ByteFile:
    """Open the file at `where` for bytes, BGZF or plain; errors of the disk name it `shown`.

    A BGZF file that is not `whole` goes without the block that ends it; `level` is zlib's, 1 to 9.
    """
    return _BgzfFile(where, str(shown), whole, level) if compressed else _PlainFile(where, str(shown))


def standard_output() -> ByteFile:
    """The process's standard output as a plain file; closing it leaves the descriptor open."""
    return _PlainFile(os.dup(1), "standard output")


class UnitsFile(WrittenAside):
    """A file of text, plain or BGZF: a head, then units that share no compressed block.

    A `part` of such a file has neither head nor end nor index; `append` adds one as it is, with its `state`: what a
    sink must know of the rows in it, as JSON holds it.
    """

    def __init__(self, path: str | Path, *, compressed: bool, part: bool = False, head: bytes = b"") -> None:
        super().__init__(path)
        self.compressed = compressed
        self._part = part
        self._file = open_bytes(self.partial, self.path, compressed=compressed, whole=not part)
        if head and not part:
            self._put(np.frombuffer(head, np.uint8))

    @property
    def state(self) -> dict[str, Any]:
        """What the file that this part is joined to must know of it."""
        return {}

    def append(self, part: Path, state: Mapping[str, Any]) -> None:
        """Add a part."""
        self._file.append(part)

    def _put(self, unit: U8) -> None:
        self._file.write(unit)
        self._file.end_unit()

    def _index(self, afterwards: ExitStack) -> None:
        """Publish an index of the whole file at `self.partial`, if it has one."""

    def _finish(self, afterwards: ExitStack) -> None:
        self._file.close()
        if not self._part:
            self._index(afterwards)

    def _abandon(self) -> None:
        self._file.close()


class PlacesFile(UnitsFile):
    """Rows of places on contigs, in a file whose index must know the last base that they speak of."""

    _longest = 0

    @property
    def state(self) -> dict[str, Any]:
        return {"longest": self._longest}

    def append(self, part: Path, state: Mapping[str, Any]) -> None:
        self._longest = max(self._longest, state["longest"])
        super().append(part, state)

    def _reach(self, ends: I64) -> None:
        """Note the last bases of rows."""
        self._longest = max(self._longest, int(ends.max(initial=0)))

    def _publish_index(self, layout: str | TabixColumns, afterwards: ExitStack) -> bool:
        """See `publish_index`."""
        return publish_index(self.partial, self.path, layout, afterwards, longest=self._longest)


@contextmanager
def quiet_htslib() -> Iterator[None]:
    """Keep htslib from printing: what it complains of is said in our own words."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


@dataclass(frozen=True)
class TabixColumns:
    """Which columns of a text table, from 0, hold contig, start and end; `skip` lines of header come first."""

    seq: int
    start: int
    end: int
    zero_based: bool
    skip: int = 0


def publish_index(data: Path, final: Path, layout: str | TabixColumns, afterwards: ExitStack, *, longest: int) -> bool:
    """Index the BGZF (or BCF) file at `data`, to be published as an index of `final` when `afterwards` is left.

    `layout` is a preset ("vcf", "bed", "bcf") or the columns; `longest` is the last base the file may speak of: beyond
    2^29, and for BCF, the index is .csi, else .tbi. Old indexes of `final` go. Returns False, with no index to publish,
    when the file is not sorted.
    """
    csi = layout == "bcf" or longest > _LONGEST_TBI
    if isinstance(layout, str):
        options: dict[str, Any] = {"preset": layout}
    else:
        options = {
            "seq_col": layout.seq,
            "start_col": layout.start,
            "end_col": layout.end,
            "zerobased": layout.zero_based,
            "line_skip": layout.skip,
        }
    index = afterwards.enter_context(writing(f"{final}.csi" if csi else f"{final}.tbi"))
    afterwards.callback(remove_indexes, final)
    with quiet_htslib():
        try:
            if layout == "bcf":
                pysam.bcftools.index("-f", "-c", "-o", str(index), str(data), catch_stdout=False)
            else:
                pysam.tabix_index(str(data), force=True, index=str(index), csi=csi, **options)
        except (OSError, SamtoolsError):
            index.unlink(missing_ok=True)
            return False
    return True


def remove_indexes(final: Path) -> None:
    """Remove the indexes of a file that is being replaced."""
    for suffix in (".tbi", ".csi"):
        final.with_name(final.name + suffix).unlink(missing_ok=True)
