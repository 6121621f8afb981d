"""Columns to tab-separated text, for TSV, BED and bedGraph. Knows nothing of headers or files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .. import _core
from .types import F32, I32, I64, U8

__all__ = ["TextColumn", "format_table"]

TextColumn: TypeAlias = "tuple[U8, I64] | I64 | I32 | F32"
"""n strings as (bytes u8, offsets i64[n+1]), integers, or floats."""


def format_table(columns: Sequence[TextColumn]) -> U8:
    """One line a row, u8: floats with six significant digits, NaN as ".". ValueError for columns of other lengths."""
    first = columns[0]
    rows = len(first[1]) - 1 if isinstance(first, tuple) else len(first)
    return _core.format_table(list(columns), rows)
