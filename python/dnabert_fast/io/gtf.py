"""GTF annotation: transcripts and their exons as arrays. Does not know which contigs a genome has."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.types import I32, I64, Bool

__all__ = ["Annotation", "read_gtf"]

_ATTRIBUTE = re.compile(rb'(\w+) "?([^";]*)"?')
_WANTED = (b"transcript", b"exon")


@dataclass(frozen=True)
class Annotation:
    """Transcripts in the order of the file, half-open and 0-based, and their exons.

    contigs: names in order of first appearance; contig i32[n] a row of them; start, end i64[n]; reverse bool[n]; line
    i64[n] from 1; gene, name: gene_id and gene_name (the gene_id where there is none) of each; canonical bool[n]:
    tagged Ensembl_canonical or MANE_Select. exon_of i64[m]: the transcript of each exon; exon_start, exon_end i64[m].
    """

    contigs: tuple[str, ...]
    contig: I32
    start: I64
    end: I64
    reverse: Bool
    line: I64
    gene: list[str]
    name: list[str]
    canonical: Bool
    exon_of: I64
    exon_start: I64
    exon_end: I64

    def __len__(self) -> int:
        return len(self.start)


class _Transcript:
    """What is known of a transcript so far."""

    __slots__ = ("canonical", "contig", "end", "gene", "line", "name", "reverse", "start")

    def __init__(self, contig: int, start: int, end: int, reverse: bool, line: int, about: dict[bytes, bytes]) -> None:
        self.contig, self.start, self.end, self.reverse, self.line = contig, start, end, reverse, line
        self.gene = about.get(b"gene_id", b"").decode("utf-8", "replace")
        self.name = about.get(b"gene_name", b"").decode("utf-8", "replace") or self.gene
        self.canonical = False


def read_gtf(path: str | Path) -> Annotation:
    """Read the transcript and exon lines of a GTF, plain or gzip.

    A transcript without a line of its own reaches from its first exon to its last. Raises FormatError, naming the line,
    for too few columns, coordinates or a strand that are none, and a transcript without transcript_id or on two contigs
    or strands (as of genes that X and Y have under one name); and for a file without transcripts.
    """
    contigs: dict[bytes, int] = {}
    known: dict[tuple[bytes, int], int] = {}
    found: list[_Transcript] = []
    exons: list[tuple[int, int, int]] = []
    for number, line in _lines(path):
        fields = line.split(b"\t")
        if len(fields) < 9:
            raise FormatError(f"{path}:{number}: {len(fields)} columns; GTF has nine, separated by tabs")
        if fields[2] not in _WANTED:
            continue
        start, end, reverse = _place(fields, path, number)
        tags = [value for key, value in _ATTRIBUTE.findall(fields[8]) if key == b"tag"]
        about = dict(_ATTRIBUTE.findall(fields[8]))
        if not about.get(b"transcript_id"):
            raise FormatError(f"{path}:{number}: no transcript_id; GFF3 must be made GTF first (gffread -T)")
        contig = contigs.setdefault(fields[0], len(contigs))
        # One name can stand on X and on Y.
        key = about[b"transcript_id"], contig
        row = known.setdefault(key, len(found))
        if row == len(found):
            found.append(_Transcript(contig, start, end, reverse, number, about))
        one = found[row]
        if one.reverse != reverse:
            shown = key[0].decode("utf-8", "replace")
            raise FormatError(f"{path}:{number}: {shown} lies on both strands (see line {one.line}); mend the file")
        one.start, one.end = min(one.start, start), max(one.end, end)
        one.canonical |= any(tag in (b"Ensembl_canonical", b"MANE_Select") for tag in tags)
        if fields[2] == b"exon":
            exons.append((row, start, end))
    if not found:
        raise FormatError(f"{path}: no transcripts; a GTF with lines of the features transcript or exon is needed")
    parts = np.array(exons, np.int64).reshape(-1, 3)
    return Annotation(
        tuple(name.decode("utf-8", "replace") for name in contigs),
        np.array([one.contig for one in found], np.int32),
        np.array([one.start for one in found], np.int64),
        np.array([one.end for one in found], np.int64),
        np.array([one.reverse for one in found], np.bool_),
        np.array([one.line for one in found], np.int64),
        [one.gene for one in found],
        [one.name for one in found],
        np.array([one.canonical for one in found], np.bool_),
        parts[:, 0],
        parts[:, 1],
        parts[:, 2],
    )


def _place(fields: list[bytes], path: str | Path, number: int) -> tuple[int, int, bool]:
    """Start (0-based), end and strand of a line."""
    try:
        start, end = int(fields[3]) - 1, int(fields[4])
    except ValueError:
        shown = b" ".join(fields[3:5]).decode("utf-8", "replace")
        raise FormatError(f"{path}:{number}: start and end {shown!r} are not whole numbers") from None
    if not 0 <= start < end:
        raise FormatError(f"{path}:{number}: start {start + 1} and end {end}; GTF counts from 1, start before end")
    if fields[6] not in (b"+", b"-"):
        shown = fields[6].decode("utf-8", "replace")
        raise FormatError(f"{path}:{number}: strand {shown!r} of a {fields[2].decode()}; it must be + or -")
    return start, end, fields[6] == b"-"


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and text of each line that is no comment and not empty."""
    try:
        with open(path, "rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            for number, line in enumerate(stream, 1):
                text = line.rstrip(b"\r\n")
                if text and not text.startswith(b"#"):
                    yield number, text
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise FormatError(f"{path}: truncated or damaged gzip; make or fetch the file again") from None
    except OSError as wrong:
        raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
