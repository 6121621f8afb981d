"""Genomes: named contigs and the bases of any windows of them. Knows nothing of k-mers, variants or models."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

from .. import _core
from .batch import Windows
from .types import I32, I64, U8

__all__ = ["Genome"]


class Genome:
    """A genome in a FASTA (plain, BGZF, gzip, "-" for standard input) or UCSC .2bit file, with random access.

    names: tuple of str; lengths: i64[contigs]; kind: "fasta", "bgzf" or "2bit", how bases are reached; notes: what
    opening it had to do (an index that was out of date, a temporary copy). Safe to share between threads.
    """

    def __init__(self, file: _core.Genome) -> None:
        self._file: _core.Genome | None = file
        self.names: tuple[str, ...] = tuple(file.names)
        self.lengths: I64 = file.lengths
        self.kind: str = file.kind
        self.notes: tuple[str, ...] = tuple(file.notes)
        self._row = {name: row for row, name in enumerate(self.names)}

    @staticmethod
    def open(path: str | Path, index_dir: str | Path | None = None) -> Genome:
        """Open a genome; FormatError for a file that is missing, broken, or neither FASTA nor .2bit.

        A .fai (for BGZF also a .gzi) that is missing or out of date is made, beside the file if that folder may be
        written, else in `index_dir` (by default the user's cache folder). Plain gzip, standard input and FASTA with
        uneven lines are unpacked to a temporary file (TMPDIR) without a name, which is gone when the genome is closed
        and whenever the program ends.
        """
        folder = _cache_folder() if index_dir is None else index_dir
        return Genome(_core.Genome(os.fsencode(path), os.fsencode(folder), os.fsencode(tempfile.gettempdir())))

    def fetch(self, contig: I32, start: I64, end: I64) -> Windows:
        """Bases as the file has them of windows [start[i], end[i]) of contig[i] (i32[n], rows of `names`; i64[n]).

        What lies outside a contig reads as N. Windows that ascend are fastest. ValueError for an end before its start.
        """
        if self._file is None:
            raise ValueError("the genome is closed")
        starts, ends = np.ascontiguousarray(start, np.int64), np.ascontiguousarray(end, np.int64)
        offsets = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        bases = np.empty(max(0, int(offsets[-1])), np.uint8)
        self._file.fetch(np.ascontiguousarray(contig, np.int32), starts, ends, bases)
        return Windows(bases, offsets)

    def bases(self, name: str, start: int, end: int) -> U8:
        """Bases u8[end - start] of one window; KeyError for a contig that is not there."""
        row = np.array([self._row[name]], np.int32)
        return self.fetch(row, np.array([start]), np.array([end])).bases

    def row(self, name: str) -> int:
        """The contig's row in `names`, -1 where there is none."""
        return self._row.get(name, -1)

    def close(self) -> None:
        """Let go of the file; its names and lengths stay."""
        self._file = None

    def __enter__(self) -> Genome:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _cache_folder() -> str | Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnabert_fast" / "index"
    except RuntimeError:  # a user without a home: indexes that cannot stand beside the file stay in memory
        return ""
