"""VCF and BCF out of text, with an index. Knows no genome, no window and no score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pysam
import pysam.bcftools
from pysam.utils import SamtoolsError

from ..errors import FormatError
from ..seq.types import I32, I64, U8
from ..seq.vcf_text import Header
from . import VARIANTS, ends_with
from .atomic import WrittenAside
from .bgzf import ByteFile, open_bytes, publish_index, quiet_htslib, remove_indexes, standard_output
from .vcf_source import VcfSource, has_sections

__all__ = ["VcfSink", "VcfSource", "has_sections", "header_lines"]

_INFO_ID = re.compile(rb"##INFO=<ID=([^,>]+)")
_CONTIG_LENGTH = re.compile(rb"^##contig=<.*?\blength=(\d+)", re.MULTILINE)


def header_lines(
    header: Header, ours: Sequence[bytes], names: Sequence[str], overwrite: bool
) -> tuple[bytes, tuple[str, ...]]:
    """The header as bytes with our ## lines before its #CHROM line; nothing else is added or changed.

    An INFO field of `names` that the header declares already is an error, or with `overwrite` goes, as do lines equal
    to ours; the names of fields that went come back too. What was repaired is in `header.repairs`.
    """
    kept, replaced = [], []
    for line in header.meta:
        declared = _INFO_ID.match(line)
        name = declared[1].decode("utf-8", "replace") if declared else None
        if name in names:
            if not overwrite:
                raise FormatError(f"the VCF header has INFO {name} already; --overwrite replaces it")
            replaced.append(str(name))
        elif line not in ours:
            kept.append(line)
    whole = Header(tuple(kept), header.columns, header.line_end, header.repairs)
    return whole.with_lines(ours), tuple(replaced)


class _Order:
    """Whether records come contig after contig, each from left to right, and how far they reach."""

    def __init__(self) -> None:
        self.unsorted = False
        self.furthest = 0
        self._runs: dict[str, list[int]] = {}
        self._contig: str | None = None
        self._last = 0

    @property
    def state(self) -> dict[str, Any]:
        """The same as JSON holds it: of sorted records also the first and last position on each contig, in order."""
        runs = [] if self.unsorted else [[name, *ends] for name, ends in self._runs.items()]
        return {"unsorted": self.unsorted, "furthest": self.furthest, "runs": runs}

    def extend(self, state: Mapping[str, Any]) -> None:
        """Records of this `state` follow."""
        names = [name for name, _, _ in state["runs"]]
        positions = [position for _, *ends in state["runs"] for position in ends]
        self.note(names, np.repeat(np.arange(len(names), dtype=np.int32), 2), np.array(positions, np.int64))
        self.unsorted |= state["unsorted"]
        self.furthest = max(self.furthest, state["furthest"])

    def note(self, contigs: Sequence[str], code: I32, position: I64) -> None:
        if not len(position):
            return
        self.furthest = max(self.furthest, int(position.max()))
        begins = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
        within = np.diff(position) < 0
        within[begins[1:] - 1] = False
        self.unsorted |= bool(within.any())
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(position)], strict=True):
            name = contigs[code[begin]]
            if name == self._contig:
                self.unsorted |= int(position[begin]) < self._last
            else:
                self.unsorted |= name in self._runs
                self._contig = name
            self._runs.setdefault(name, [int(position[begin]), 0])[1] = int(position[end - 1])
        self._last = int(position[-1])


class VcfSink:
    """A .vcf, .vcf.gz (BGZF, a block a unit, indexed), .bcf (indexed), or VCF text on standard output for "-".

    The index is .tbi, or .csi for .bcf and where a contig or position lies beyond 2^29 bases. When the positions noted
    are not sorted there is none, and `unsorted` is set. A .bcf is made of the text at the end, by htslib; records that
    use what the header does not declare raise FormatError, as BCF cannot hold them. A `part` of such a file (a .vcf or
    .vcf.gz) has records alone; `append` adds one, with its `state`.
    """

    def __init__(self, path: str | Path, header: bytes, *, part: bool = False) -> None:
        self._order = _Order()
        lengths = [int(length) for length in _CONTIG_LENGTH.findall(header)]
        self._order.furthest = max(lengths, default=0)
        self._file = _StandardVcf() if str(path) == "-" else _VcfFile(path, self._order, part)
        if not part:
            self.write(np.frombuffer(header, np.uint8))

    def __enter__(self) -> VcfSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._file.__exit__(kind, error, trace)

    @property
    def unsorted(self) -> bool:
        """Whether the records are out of order, so that the file has no index."""
        return self._order.unsorted

    @property
    def state(self) -> dict[str, Any]:
        """What the file that this part is joined to must know of it."""
        return self._order.state

    def append(self, part: Path, state: Mapping[str, Any]) -> None:
        """Add the records of a part."""
        self._order.extend(state)
        self._file.append(part)

    def write(self, text: U8) -> None:
        """Write the lines of a unit."""
        self._file.write(text)

    def note_positions(self, contigs: Sequence[str], code: I32, position: I64) -> None:
        """Say where the records written lie: CHROM is contigs[code[i]], code i32[n]; POS i64[n], 1-based."""
        self._order.note(contigs, code, position)


class _StandardVcf:
    """VCF text on standard output, which cannot be written aside."""

    def __init__(self) -> None:
        self._file = standard_output()

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, text: U8) -> None:
        self._file.write(text)

    def append(self, part: Path) -> None:
        self._file.append(part)


class _VcfFile(WrittenAside):
    """The file behind a VcfSink; a .bcf is text in a second file aside until the end."""

    def __init__(self, path: str | Path, order: _Order, part: bool) -> None:
        if not ends_with(path, VARIANTS):
            raise FormatError(f"{path}: unknown kind of variant file; name the output {', '.join(VARIANTS)} or -")
        super().__init__(path)
        self._order = order
        self._binary = ends_with(path, [".bcf"])
        self._compressed = ends_with(path, [".gz"]) or self._binary
        self._text = self.partial.with_suffix(".vcf.partial") if self._binary else self.partial
        self._stack.callback(self._remove_text)
        self._part = part
        self._file: ByteFile = open_bytes(self._text, self.path, compressed=self._compressed, whole=not part)

    def write(self, text: U8) -> None:
        self._file.write(text)
        self._file.end_unit()

    def append(self, part: Path) -> None:
        self._file.append(part)

    def _finish(self, afterwards: ExitStack) -> None:
        self._file.close()
        if self._part:
            return
        if self._binary:
            self._convert()
        if self._order.unsorted:
            afterwards.callback(remove_indexes, self.path)
        elif self._compressed:
            layout, longest = ("bcf" if self._binary else "vcf"), self._order.furthest
            self._order.unsorted = not publish_index(self.partial, self.path, layout, afterwards, longest=longest)

    def _convert(self) -> None:
        with quiet_htslib():
            try:
                pysam.bcftools.view("--no-version", "-Ob", "-o", str(self.partial), str(self._text), catch_stdout=False)
            except SamtoolsError as error:
                what = _undeclared(self._text) or "htslib cannot hold one of the records"
                raise FormatError(f"{self.path}: {what}; write .vcf.gz instead") from error

    def _abandon(self) -> None:
        self._file.close()

    def _remove_text(self) -> None:
        if self._binary:
            self._text.unlink(missing_ok=True)


def _undeclared(path: Path) -> str | None:
    """What the first record that BCF cannot hold uses without a declaration; read only after htslib refused."""
    declared: dict[bytes, set[bytes]] = {key: set() for key in (b"contig", b"INFO", b"FILTER", b"FORMAT")}
    declared[b"FILTER"] |= {b"PASS", b"."}
    for line in pysam.BGZFile(str(path), "r", None):
        if found := re.match(rb"##(contig|INFO|FILTER|FORMAT)=<ID=([^,>]+)", line):
            declared[found[1]].add(found[2])
        elif not line.startswith(b"#"):
            fields = line.rstrip(b"\r\n").split(b"\t")
            used = {
                b"contig": fields[:1],
                b"FILTER": fields[6].split(b";"),
                b"INFO": [] if fields[7] == b"." else [part.split(b"=")[0] for part in fields[7].split(b";")],
                b"FORMAT": fields[8].split(b":") if len(fields) > 8 else [],
            }
            for kind, names in used.items():
                for name in names:
                    if name not in declared[kind]:
                        where = f"{fields[0].decode()}:{fields[1].decode()}"
                        return f"the record at {where} has {kind.decode()} {name.decode()}, which the header lacks"
    return None
