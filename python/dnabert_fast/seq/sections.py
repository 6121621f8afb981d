"""Where the sections of a text file start, so that some of them can be read alone. Knows nothing of records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import _core
from .types import I64

__all__ = ["SECTION_BYTES", "Sections", "runs_of"]

SECTION_BYTES = 4 << 20  # results depend on it: units end with their section


@dataclass(frozen=True)
class Sections:
    """Stretches of `section_bytes` bytes of the uncompressed text of a file, whose text has `text_bytes` bytes.

    stored i64[n], within i64[n]: the place of the byte before each section (of section 0: of byte 0), as the start of
    its BGZF block in the file and the byte in that block's text; of a plain file as the byte itself and 0.
    """

    section_bytes: int
    text_bytes: int
    stored: I64
    within: I64

    @staticmethod
    def find(path: str | Path, section_bytes: int = SECTION_BYTES) -> Sections:
        """Go over a plain or BGZF file, block by block and inflating none; any size of file needs little memory.

        FormatError for other gzip files, pipes, and damaged or truncated files.
        """
        return Sections(section_bytes, *_core.find_sections(os.fsencode(path), section_bytes))

    def __len__(self) -> int:
        return len(self.stored)


def runs_of(sections: Sequence[int]) -> list[range]:
    """Ascending numbers as runs of neighbours; ValueError where they do not ascend."""
    runs: list[range] = []
    for section in sections:
        if runs and section < runs[-1].stop:
            raise ValueError("sections must ascend")
        if runs and section == runs[-1].stop:
            runs[-1] = range(runs[-1].start, section + 1)
        else:
            runs.append(range(section, section + 1))
    return runs
