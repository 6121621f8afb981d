"""Sequences as callers give them, in units of windows. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..errors import DnabertError
from ..seq.batch import Windows
from ..seq.types import U8

if TYPE_CHECKING:
    from ..nn.config import NetworkConfig
    from ..seq.types import I64

__all__ = ["UNIT_SEQUENCES", "Sequences", "check_lengths", "paired_units", "units"]

UNIT_SEQUENCES = 4096

Sequences: TypeAlias = "Windows | Sequence[str | bytes] | U8 | Iterable[str | bytes]"
"""Sequences as Windows, as a list or iterator of str or bytes, or as one array uint8 [n, length] of ASCII bases."""


def paired_units(
    first: Sequences, second: Sequences | None, k: int, scored_by: NetworkConfig | None = None
) -> Iterator[tuple[Windows, Windows | None]]:
    """Units of sequences, each with the unit of the other sequences where they are pairs.

    Raises DnabertError where there are more of one than of the other; of single sequences as `units` does.
    """
    if second is None:
        yield from ((windows, None) for windows in units(first, k, scored_by))
        return
    for windows, others in zip_longest(units(first, k), units(second, k)):
        if windows is None or others is None or len(windows) != len(others):
            raise DnabertError("pairs need as many second sequences as first ones")
        yield windows, others


def units(sequences: Sequences, k: int, scored_by: NetworkConfig | None = None) -> Iterator[Windows]:
    """Cut sequences into units and check their lengths: a k-mer at least, and what the head of `scored_by` scores."""
    for first, windows in _windows(sequences):
        short = np.flatnonzero(np.diff(windows.offsets) < k)
        if len(short):
            at = int(short[0])
            length = int(windows.offsets[at + 1] - windows.offsets[at])
            raise DnabertError(f"sequence {first + at + 1} has {length} bases; the model reads {k}-mers and needs {k}")
        if scored_by is not None:
            check_lengths(scored_by, windows.lengths, partial(_numbered, first))
        yield windows


def _numbered(first: int, row: int) -> str:
    return f"sequence {first + row + 1}"


def check_lengths(config: NetworkConfig, lengths: I64, called: Callable[[int], str]) -> None:
    """Raise DnabertError for the first of these windows, as it is `called`, whose length the head does not score."""
    fewest, most = config.window_bases
    wrong = lengths < fewest if most is None else (lengths < fewest) | (lengths > most)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        config.check_window(int(lengths[at]), called(at))


def _windows(sequences: Sequences) -> Iterator[tuple[int, Windows]]:
    if isinstance(sequences, (str, bytes)):
        raise DnabertError("predict takes a list of sequences; put a single sequence into a list")
    if isinstance(sequences, Windows):
        for first in range(0, len(sequences), UNIT_SEQUENCES):
            yield first, sequences[first : first + UNIT_SEQUENCES]
    elif isinstance(sequences, np.ndarray):
        if sequences.ndim != 2 or sequences.dtype != np.uint8:
            raise DnabertError(f"an array of sequences is uint8 [n, length], not {sequences.dtype} {sequences.shape}")
        for first in range(0, len(sequences), UNIT_SEQUENCES):
            yield first, Windows.from_matrix(sequences[first : first + UNIT_SEQUENCES])
    else:
        if not isinstance(sequences, Iterable):
            raise DnabertError(f"a list of sequences is wanted, not {type(sequences).__name__}")
        rest, first = iter(sequences), 0
        while unit := list(islice(rest, UNIT_SEQUENCES)):
            yield first, Windows.from_strings(unit, first)
            first += len(unit)
