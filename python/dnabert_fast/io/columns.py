"""String columns of tables as (bytes u8, offsets i64[n+1]). Knows no file format."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..seq.types import I64, U8

__all__ = ["packed", "repeated"]


def packed(strings: Sequence[str]) -> tuple[U8, I64]:
    """Strings as UTF-8 bytes side by side, and where each begins."""
    encoded = [string.encode() for string in strings]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(string) for string in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def repeated(string: str, n: int) -> tuple[U8, I64]:
    """The same string n times."""
    letters = np.frombuffer(string.encode(), np.uint8)
    return np.tile(letters, n), np.arange(n + 1, dtype=np.int64) * len(letters)
