"""Bytes into plain or BGZF files, and their tabix indexes through htslib. Knows nothing of what the bytes mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pysam
import pysam.bcftools
from pysam.utils import SamtoolsError

from ..errors import FormatError
from ..seq.types import U8
from .atomic import writing

__all__ = [
    "ByteFile",
    "TabixColumns",
    "open_bytes",
    "publish_index",
    "quiet_htslib",
    "remove_indexes",
    "standard_output",
]

_LONGEST_TBI = 1 << 29  # bases a .tbi can address (SAM specification, section 5.2)

_MODE = "w5"  # on VCF text a few percent larger than level 6, and a quarter faster at least
_PIECE_BYTES = 1 << 18


class ByteFile(Protocol):
    """Where a sink's bytes go; `end_unit` closes the compressed block, so that units never share one."""

    def write(self, text: U8) -> None: ...

    def end_unit(self) -> None: ...

    def close(self) -> None: ...


class _PlainFile:
    def __init__(self, where: str | Path | int, shown: str) -> None:
        self._shown = shown
        with _failures(shown):
            self._file = open(where, "wb")  # noqa: SIM115 - closed by close()

    def write(self, text: U8) -> None:
        with _failures(self._shown):
            self._file.write(text.data)

    def end_unit(self) -> None:
        pass

    def close(self) -> None:
        with _failures(self._shown):
            self._file.close()


class _BgzfFile:
    def __init__(self, where: Path, shown: str) -> None:
        self._shown = shown
        mode: Any = _MODE
        with _failures(shown):
            open(where, "wb").close()  # pysam crashes where a file cannot be made
            self._file = pysam.BGZFile(str(where), mode, None)

    def write(self, text: U8) -> None:
        with _failures(self._shown):
            # pysam holds the GIL while it compresses; between pieces other threads get their turn.
            for at in range(0, len(text), _PIECE_BYTES):
                self._file.write(text[at : at + _PIECE_BYTES].tobytes())

    def end_unit(self) -> None:
        with _failures(self._shown):
            self._file.flush()

    def close(self) -> None:
        with _failures(self._shown):
            self._file.close()


def open_bytes(where: Path, shown: str | Path, *, compressed: bool) -> ByteFile:
    """Open the file at `where` for bytes, BGZF or plain; errors of the disk name it `shown`."""
    return _BgzfFile(where, str(shown)) if compressed else _PlainFile(where, str(shown))


def standard_output() -> ByteFile:
    """The process's standard output as a plain file; closing it leaves the descriptor open."""
    return _PlainFile(os.dup(1), "standard output")


@contextmanager
def _failures(shown: str) -> Iterator[None]:
    """Turn what a full or vanished disk does into one line; a closed pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FormatError(f"{shown}: cannot be written ({error.strerror or error}); is the disk full?") from error


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
