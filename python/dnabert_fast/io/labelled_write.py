"""Labelled tables out: csv.gz with sequence, label, name and place. Knows nothing of how they were made."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from ..seq.batch import Windows
from ..seq.types import I64, Bool
from .text import TextSink

__all__ = ["COLUMNS", "LabelledSink"]

COLUMNS = ("sequence", "label", "name", "contig", "start", "end", "strand")
_ROWS = 4096


class LabelledSink(TextSink):
    """A table of labelled sequences, one a line under the names of the COLUMNS; start and end are half-open, 0-based.

    A name that ends in .gz makes it BGZF. The same rows give the same bytes. Without `header` the first line is left to
    whoever writes the rows of another table first.
    """

    def __init__(self, path: str | Path, *, header: bool = True) -> None:
        super().__init__(path)
        if header:
            self.write((",".join(COLUMNS) + "\n").encode())

    def write_rows(
        self,
        windows: Windows,
        label: I64,
        names: Sequence[str],
        contigs: Sequence[str],
        start: I64,
        end: I64,
        reverse: Bool,
    ) -> None:
        """Write n rows; names that hold a comma or a quote are quoted."""
        label_, start_, end_, reverse_ = label.tolist(), start.tolist(), end.tolist(), reverse.tolist()
        for first in range(0, len(windows), _ROWS):
            text = StringIO()
            table = csv.writer(text, lineterminator="\n")
            for row in range(first, min(first + _ROWS, len(windows))):
                strand = "-" if reverse_[row] else "+"
                table.writerow(
                    (windows[row].decode(), label_[row], names[row], contigs[row], start_[row], end_[row], strand)
                )
            self.write(text.getvalue().encode())
