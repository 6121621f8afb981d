"""Scores of bases read from arrays on disk, as `dnabert-fast attention` writes them. Knows no model."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.types import F32, I64

__all__ = ["read_scores"]


def read_scores(path: str | Path, lengths: I64) -> F32:
    """A score a base of sequences of these lengths i64[n], end to end, f32[B].

    .npy: an array [n, L], where row i has the scores of sequence i (what is beyond its length is not read); .npz:
    `scores` [B] and `offsets` [n + 1]. Raises FormatError for another file, and for one that does not fit.
    """
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _rows(np.asarray(loaded), lengths, path)
            missing = {"scores", "offsets"} - set(loaded.files)
            if missing:
                raise FormatError(f"{path}: no array {min(missing)!r}; give what `attention -o FILE.npz` writes")
            scores, offsets = loaded["scores"], loaded["offsets"]
    except OSError as wrong:
        raise FormatError(f"{path}: cannot be read: {wrong.strerror or 'not an array'}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise FormatError(f"{path}: not an array of NumPy; give .npy or .npz as `attention` writes it") from None
    if offsets.dtype.kind not in "iu" or scores.dtype.kind != "f":
        raise FormatError(f"{path}: scores and offsets are no numbers; give what `attention -o FILE.npz` writes")
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if scores.shape != (ends[-1],) or not np.array_equal(offsets, ends):
        raise FormatError(
            f"{path}: scores of {max(0, offsets.size - 1):,} sequences do not fit the {len(lengths):,} given; make "
            "them of the same file"
        )
    return np.asarray(scores, np.float32)


def _rows(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], lengths: I64, path: str | Path) -> F32:
    longest = int(lengths.max(initial=0))
    if table.ndim != 2 or len(table) != len(lengths) or table.shape[1] < longest or table.dtype.kind != "f":
        shape = " x ".join(str(size) for size in table.shape)
        raise FormatError(
            f"{path}: an array of {shape} does not fit {len(lengths):,} sequences of up to {longest} bases; give a row "
            "of scores a sequence"
        )
    found: F32 = table[np.arange(table.shape[1]) < lengths[:, None]].astype(np.float32)
    return found
