"""Scores of bases out of arrays, and arrays that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.scores import read_scores

LENGTHS = np.array([3, 2, 3])


def test_rows_as_long_as_the_longest_sequence(tmp_path: Path) -> None:
    table = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.save(tmp_path / "a.npy", table)
    assert read_scores(tmp_path / "a.npy", LENGTHS).tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    np.save(tmp_path / "wide.npy", np.pad(table.astype(np.float64), ((0, 0), (0, 2))))
    assert read_scores(tmp_path / "wide.npy", LENGTHS).tolist() == [0, 1, 2, 3, 4, 6, 7, 8]


def test_scores_and_offsets(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", scores=np.arange(8, dtype=np.float16), offsets=np.array([0, 3, 5, 8]))
    found = read_scores(tmp_path / "a.npz", LENGTHS)
    assert (found.dtype, found.tolist()) == (np.float32, list(range(8)))


@pytest.mark.parametrize(
    ("scores", "offsets", "why"),
    [
        (np.zeros(3, np.float32), [0, 2, 5], "do not fit the 2 given"),
        (np.zeros(5, np.float32), [1, 3, 6], "do not fit the 2 given"),
        (np.zeros(5, np.float32), 3, "do not fit the 2 given"),
        (np.array(["a"] * 5), [0, 2, 5], "are no numbers"),
        (np.zeros(5, np.float32), ["0", "2", "5"], "are no numbers"),
    ],
)
def test_arrays_of_something_else(tmp_path: Path, scores: object, offsets: object, why: str) -> None:
    np.savez(tmp_path / "x.npz", scores=scores, offsets=offsets)
    with pytest.raises(FormatError, match=why):
        read_scores(tmp_path / "x.npz", np.array([2, 3]))


def test_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for table in (np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(8), np.zeros((3, 3), np.int64)):
        np.save(path, table)
        with pytest.raises(FormatError, match="does not fit 3 sequences of up to 3 bases"):
            read_scores(path, LENGTHS)
    np.savez(tmp_path / "b.npz", scores=np.zeros(8), offsets=np.array([0, 2, 5, 8]))
    with pytest.raises(FormatError, match="do not fit the 3 given"):
        read_scores(tmp_path / "b.npz", LENGTHS)
    np.savez(tmp_path / "c.npz", scores=np.zeros(8))
    with pytest.raises(FormatError, match="no array 'offsets'"):
        read_scores(tmp_path / "c.npz", LENGTHS)


@pytest.mark.parametrize("content", [b"", b"sequence\tlabel\n", b"\x93NUMPY\x01", b"PK\x03\x04"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.npy: (not an array|cannot be read)"):
        read_scores(path, LENGTHS)
    with pytest.raises(FormatError, match="cannot be read"):
        read_scores(tmp_path / "nowhere.npy", LENGTHS)
