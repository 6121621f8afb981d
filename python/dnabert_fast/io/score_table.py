"""Tables of scores of alleles in CADD's layout, and the distributions that their scores are ranked by."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError
from ..seq.table import format_table
from .atomic import writing
from .bgzf import PlacesFile, TabixColumns

if TYPE_CHECKING:
    from ..seq.table import TextColumn
    from ..seq.types import F32, I64

__all__ = ["COLUMNS", "ScoreTableSink", "StoredBackground", "read_background", "write_background"]

COLUMNS = ("Chrom", "Pos", "Ref", "Alt", "RawScore", "PHRED")
"""The columns that CADD's tables have."""

_BLOCK_BYTES = 2048
"""Text of a block: who looks up an allele inflates half a block. BGZF's 64 KiB would make tables 7% smaller."""


class ScoreTableSink(PlacesFile):
    """Rows of alleles as BGZF text with a tabix index (-s1 -b2 -e2), .csi beyond 2^29 bases.

    `meta` are lines that begin with ##, `fields` the names of the columns behind CADD's. `part` as of UnitsFile. Blocks
    have up to `block` bytes of text, the rows of a place in one, and each unit begins another. Raises FormatError where
    rows are out of order.
    """

    def __init__(
        self,
        path: str | Path,
        meta: Sequence[str],
        fields: Sequence[str],
        *,
        part: bool = False,
        block: int = _BLOCK_BYTES,
    ) -> None:
        if not str(path).endswith(".tsv.gz"):
            raise FormatError(f"{path}: a table of scores is BGZF text with an index; name it .tsv.gz")
        lines = [*meta, "#" + "\t".join((*COLUMNS, *fields)), ""]
        super().__init__(path, compressed=True, part=part, head="\n".join(lines).encode())
        self._block = block

    def write(self, chrom: TextColumn, position: I64, ref: TextColumn, alt: TextColumn, scores: Sequence[F32]) -> None:
        """Write the rows of a unit: position i64[n] from 1, and the numbers behind ALT, f32[n] each."""
        if not len(position):
            return
        self._reach(position)
        text = format_table([chrom, np.ascontiguousarray(position, np.int64), ref, alt, *scores])
        ends = np.flatnonzero(text == ord("\n")) + 1
        cuts = np.append(ends[:-1][position[1:] != position[:-1]], len(text))  # behind the rows of each place
        at = 0
        while at < len(text):
            first, past = np.searchsorted(cuts, [at, at + self._block], side="right")
            end = int(cuts[max(first, past - 1)])
            self._put(text[at:end])
            at = end

    def _index(self, afterwards: ExitStack) -> None:
        columns = TabixColumns(0, 1, 1, zero_based=False)
        if not self._publish_index(columns, afterwards):
            raise FormatError(f"{self.path}: its rows are out of order and cannot be indexed")


@dataclass(frozen=True)
class StoredBackground:
    """A distribution of scores in a file: bins and counts i64[b], and what is known of it."""

    bins: I64
    counts: I64
    facts: dict[str, Any]


def read_background(path: Path) -> StoredBackground | None:
    """The distribution at `path`, None where there is no file; FormatError for one that is broken."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as found:
            facts = json.loads(str(found["facts"]))
            bins, counts = found["bins"].astype(np.int64), found["counts"].astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path}: broken background ({error}); delete it, or make it anew with --background"
        ) from None
    return StoredBackground(bins, counts, facts)


def write_background(path: Path, found: StoredBackground) -> None:
    """Write a distribution as .npz."""
    with writing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, bins=found.bins, counts=found.counts, facts=np.array(json.dumps(found.facts)))
