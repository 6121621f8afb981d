"""Lines of text into a plain or BGZF file, or to standard output. Knows nothing of what they say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from .atomic import WrittenAside
from .bgzf import ByteFile, open_bytes, standard_output

__all__ = ["TextSink", "open_text"]


class TextSink(WrittenAside):
    """Bytes of text; a name that ends in .gz makes it BGZF."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._file = open_bytes(self.partial, self.path, compressed=self.path.suffix.lower() == ".gz")

    def write(self, text: bytes) -> None:
        """Write bytes as they are."""
        self._file.write(np.frombuffer(text, np.uint8))

    def _finish(self, afterwards: ExitStack) -> None:
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()


class _StandardText:
    """The same on standard output, which cannot be written aside."""

    def __init__(self) -> None:
        self._file: ByteFile = standard_output()

    def __enter__(self) -> _StandardText:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, text: bytes) -> None:
        self._file.write(np.frombuffer(text, np.uint8))


def open_text(path: str | Path) -> TextSink | _StandardText:
    """A sink for text: a file written aside, or standard output where the path is "-"."""
    return _StandardText() if str(path) == "-" else TextSink(path)
