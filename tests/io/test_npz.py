"""Columns of .npz files that grow unit by unit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.io.npz import NpzSink

COLUMNS = {"scores": "<f4", "offsets": "<i8", "reverse": "?"}


def test_columns_come_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    scores = np.random.default_rng(0).random(3000).astype(np.float32)
    with NpzSink(path, COLUMNS) as sink:
        sink.add("contigs", np.array(["chr1", "a longer name"]))
        for first in range(0, 3000, 700):
            sink.write({"scores": scores[first : first + 700], "offsets": np.arange(first, first + 2)})
        sink.write({"reverse": np.array([True, False])[::-1]})
        assert not path.exists()
    assert os.listdir(tmp_path) == ["out.npz"]
    found = np.load(path)
    assert {name: found[name].dtype.str for name in COLUMNS} == {
        name: np.dtype(kind).str for name, kind in COLUMNS.items()
    }
    assert found["scores"].tobytes() == scores.tobytes()
    assert found["offsets"].tolist() == [0, 1, 700, 701, 1400, 1401, 2100, 2101, 2800, 2801]
    assert found["reverse"].tolist() == [False, True]
    assert found["contigs"].tolist() == ["chr1", "a longer name"]


def test_none_at_all(tmp_path: Path) -> None:
    with NpzSink(tmp_path / "out.npz", COLUMNS):
        pass
    assert {name: array.shape for name, array in np.load(tmp_path / "out.npz").items()} == dict.fromkeys(COLUMNS, (0,))


def test_a_job_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    path.write_bytes(b"before")

    def fail() -> None:
        with NpzSink(path, COLUMNS) as sink:
            sink.write({"scores": np.ones(5, np.float32)})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == ["out.npz"]
    assert path.read_bytes() == b"before"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; it holds for a process, so the sink has one of its own."""
    script = f"""
import numpy as np, resource, signal
from dnabert_fast.io.npz import NpzSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with NpzSink({str(tmp_path / "out.npz")!r}, {{"scores": "<f4"}}) as sink:
    sink.write({{"scores": np.ones(9000, np.float32)}})
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    message = f"{tmp_path / 'out.npz'}: cannot be written (File too large); is the disk full?"
    assert ended.stderr.splitlines()[-1] == f"dnabert_fast.errors.FormatError: {message}"
    assert os.listdir(tmp_path) == []
