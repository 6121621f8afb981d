"""VCF and BCF in, as text in units of whole records. Knows no genome, no window and no score."""

from __future__ import annotations

import ctypes
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pysam

from ..errors import FormatError
from ..seq.sections import SECTION_BYTES, Sections
from ..seq.vcf_text import Header, Records, VcfText
from .bgzf import LAST_BLOCK, quiet_htslib

__all__ = ["VcfSource", "has_sections"]

_BCF = b"BCF\x02"
_GZIP = b"\x1f\x8b"
_PEEK_BYTES = 65536


class VcfSource:
    """The records of a VCF (plain, gzip, BGZF), a BCF, or either on standard input ("-"), in units of whole lines.

    `header` is the file's, and `header_text` its very bytes; iterating gives Records, each unit of one section. BCF
    becomes text through htslib; lines and sections are those of this text. Raises FormatError for what cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        unit_records: int = 4096,
        section_bytes: int = SECTION_BYTES,
        *,
        sections: Sequence[int] | None = None,
        index: Sections | None = None,
    ) -> None:
        """Opens a file; with `sections`, ascending numbers, to read these alone of VCF text that is plain or BGZF.

        index: what `Sections.find` says of the file, which is asked where it is None.
        """
        self.path = os.fspath(path)
        self._unit_records = unit_records
        self._section_bytes = section_bytes
        self._text: VcfText | None = None
        self._binary: pysam.VariantFile | None = None
        if _begins_as_bcf(self.path):
            if sections is not None:
                raise FormatError(f"{_shown(self.path)}: BCF cannot be read in sections; convert it to .vcf.gz")
            self._binary = _open_bcf(self.path)
            self.header_text = str(self._binary.header).encode()
            self.header = Header.parse(self.header_text, self.path)
        else:
            self._text = VcfText(path, unit_records, section_bytes, sections=sections, index=index)
            self.header_text = self._text.header_text
            self.header = self._text.header

    @property
    def share(self) -> float | None:
        """How much of what is to be read has been, 0 to 1; None for standard input."""
        if self._binary is not None:
            return None if self.path == "-" else min(1.0, (self._binary.tell() >> 16) / os.path.getsize(self.path))
        return None if self._text is None else self._text.share

    def __iter__(self) -> Iterator[Records]:
        if self._text is not None:
            yield from self._text
        if self._binary is not None:
            yield from self._records_of(self._binary)

    def _records_of(self, binary: pysam.VariantFile) -> Iterator[Records]:
        first, offset = len(self.header.meta) + 2, len(self.header_text)
        unit: list[bytes] = []
        section = 0

        def records() -> Records:
            return Records.parse(np.frombuffer(b"".join(unit), np.uint8), first, self.path, section)

        with quiet_htslib():
            for line in self._lines(binary):
                if unit and (len(unit) == self._unit_records or offset // self._section_bytes > section):
                    yield records()
                    first += len(unit)
                    unit = []
                if not unit:
                    section = offset // self._section_bytes
                unit.append(line)
                offset += len(line)
            if unit:
                yield records()

    def _lines(self, binary: pysam.VariantFile) -> Iterator[bytes]:
        try:
            for record in binary:
                yield str(record).encode()
        except (OSError, ValueError) as error:
            with suppress(OSError):  # htslib complains once more
                binary.close()
            raise FormatError(f"{_shown(self.path)}: broken BCF ({error}); copy or make it anew") from error


def has_sections(path: str | Path) -> bool:
    """Whether sections of a VCF can be read alone: text, plain or BGZF, in a regular file."""
    if str(path) == "-" or not os.path.isfile(path) or _begins_as_bcf(os.fspath(path)):
        return False
    with open(path, "rb") as file:
        head = file.read(_PEEK_BYTES)
    extra = head[12 : 12 + int.from_bytes(head[10:12], "little")] if head[3:4] == b"\x04" else b""
    return not head.startswith(_GZIP) or b"BC\x02\x00" in extra


def _shown(path: str) -> str:
    return "standard input" if path == "-" else path


def _open_bcf(path: str) -> pysam.VariantFile:
    if path != "-" and _lacks_its_end(Path(path)):
        raise FormatError(f"{path}: truncated BCF, its last block is missing; copy or make it anew")
    with quiet_htslib():
        try:
            return pysam.VariantFile(path)
        except (OSError, ValueError) as error:
            raise FormatError(f"{_shown(path)}: broken BCF ({error}); copy or make it anew") from error


def _lacks_its_end(path: Path) -> bool:
    """Whether a BGZF file was cut between two blocks, which htslib takes for its end."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
        file.seek(-min(len(LAST_BLOCK), path.stat().st_size), os.SEEK_END)
        return compressed and file.read() != LAST_BLOCK


def _begins_as_bcf(path: str) -> bool:
    """Whether a file, or what waits on standard input, is BCF; takes nothing away from standard input.

    Another pipe, as of a shell's <(...), could not be read again and counts as text.
    """
    try:
        if path == "-":
            head = _waiting_on_stdin()
        elif stat.S_ISFIFO(os.stat(path).st_mode):
            head = b""
        else:
            with open(path, "rb") as file:
                head = file.read(_PEEK_BYTES)
    except OSError as error:
        raise FormatError(f"{_shown(path)}: cannot be read ({error.strerror})") from error
    if head[:2] == _GZIP:
        try:
            head = zlib.decompressobj(31).decompress(head, len(_BCF))
        except zlib.error:
            return False  # the reader of text says what is wrong with it
    return head.startswith(_BCF)


def _waiting_on_stdin() -> bytes:
    mode = os.fstat(0).st_mode
    if stat.S_ISREG(mode):
        return os.pread(0, _PEEK_BYTES, os.lseek(0, 0, os.SEEK_CUR))
    tee = getattr(ctypes.CDLL(None), "tee", None)  # Linux alone has it; elsewhere BCF on a pipe is refused as text
    if tee is None or not stat.S_ISFIFO(mode):
        return b""
    # tee(2) copies what is in a pipe without consuming it, and waits until there is something.
    out, into = os.pipe()
    try:
        tee.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
        tee.restype = ctypes.c_ssize_t
        copied = tee(0, into, _PEEK_BYTES, 0)
        return os.read(out, copied) if copied > 0 else b""
    finally:
        os.close(out)
        os.close(into)
