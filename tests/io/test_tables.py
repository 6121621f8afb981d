"""Tables as TSV and Parquet, and arrays as .npy, hold what was written."""

from __future__ import annotations

import builtins
import csv
import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pysam
import pytest

from dnabert_fast.errors import FormatError, MissingExtra
from dnabert_fast.io import open_table
from dnabert_fast.io.bgzf import TabixColumns
from dnabert_fast.io.columns import packed, repeated
from dnabert_fast.io.npy import NpySink
from dnabert_fast.io.tsv import TsvSink

COLUMNS = [("contig", "str"), ("start", "int"), ("end", "int"), ("name", "str"), ("score", "float")]
NAN = float("nan")
UNITS: list[list[Any]] = [
    [
        repeated("chr1", 3),
        np.array([5, 90, 1_000_000_007], np.int64),
        np.array([9, 95, 1_000_000_017], np.int64),
        ["a", "", "naïve name"],
        np.array([0.25, NAN, -1.5e-7], np.float32),
    ],
    [repeated("chr1", 0), np.empty(0, np.int64), np.empty(0, np.int64), [], np.empty(0, np.float32)],
    [
        packed(["chr2", "chr2"]),
        np.array([1, 2], np.int32),
        np.array([3, 4], np.int32),
        packed(["x", "y"]),
        np.array([1, 1234567], np.float32),
    ],
]
ROWS = [
    ["chr1", "5", "9", "a", "0.25"],
    ["chr1", "90", "95", "", "."],
    ["chr1", "1000000007", "1000000017", "naïve name", "-1.5e-07"],
    ["chr2", "1", "3", "x", "1"],
    ["chr2", "2", "4", "y", "1.23457e+06"],
]


def written(path: Path, **options: Any) -> Path:
    with open_table(path, COLUMNS, **options) as sink:
        for unit in UNITS:
            sink.write(unit)
    return path


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
def test_text_tables_have_a_title_and_the_rows(tmp_path: Path, name: str) -> None:
    raw = written(tmp_path / name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    title, *rows = csv.reader(text.splitlines(), delimiter="\t")
    assert title == ["contig", "start", "end", "name", "score"]
    assert rows == ROWS
    assert os.listdir(tmp_path) == [name]


def test_an_index_finds_rows(tmp_path: Path) -> None:
    """A .csi, as one row lies beyond what a .tbi can address."""
    path = written(tmp_path / "t.tsv.gz", index=TabixColumns(0, 1, 2, zero_based=True))
    assert sorted(os.listdir(tmp_path)) == ["t.tsv.gz", "t.tsv.gz.csi"]
    with pysam.TabixFile(str(path), index=f"{path}.csi", encoding="utf-8") as index:
        assert [line.split("\t")[1] for line in index.fetch("chr1", 1_000_000_010, 1_000_000_011)] == ["1000000007"]
        assert [line.split("\t")[1] for line in index.fetch("chr1", 94, 200)] == ["90"]
        assert [line.split("\t")[1] for line in index.fetch("chr1", 95, 200)] == []
        assert [line.split("\t")[1] for line in index.fetch("chr2")] == ["1", "2"]


def test_rows_out_of_order_leave_no_index_and_say_so(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv.gz"
    stale = tmp_path / "t.tsv.gz.tbi"
    stale.write_bytes(b"of another file")
    with TsvSink(path, COLUMNS, TabixColumns(0, 1, 2, zero_based=True)) as sink:
        sink.write(UNITS[2])
        sink.write(UNITS[0])
        sink.write(UNITS[2])
    assert sink.unsorted
    assert os.listdir(tmp_path) == ["t.tsv.gz"]


def test_parquet_holds_types_and_missing_values(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet")
    table = pq.read_table(path)
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("contig", "string"), ("start", "int64"), ("end", "int64"), ("name", "string"), ("score", "float"),
    ]  # fmt: skip
    assert table["contig"].to_pylist() == [row[0] for row in ROWS]
    assert table["start"].to_pylist() == [int(row[1]) for row in ROWS]
    assert table["name"].to_pylist() == [row[3] for row in ROWS]
    assert table["score"].to_pylist() == [0.25, None, float(np.float32(-1.5e-7)), 1.0, 1234567.0]
    assert pq.ParquetFile(path).num_row_groups == 2  # one a unit that has rows


def test_parquet_refuses_text_that_is_not_utf8(tmp_path: Path) -> None:
    def write() -> None:
        with open_table(tmp_path / "t.parquet", [("name", "str")]) as sink:
            sink.write([(np.array([0xFF], np.uint8), np.array([0, 1], np.int64))])

    with pytest.raises(FormatError, match="UTF-8"):
        write()
    assert os.listdir(tmp_path) == []


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return kept(name, *rest, **named)

    for name in [name for name in sys.modules if name.startswith("pyarrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"dnabert-fast\[parquet\]"):
        open_table(tmp_path / "t.parquet", COLUMNS)


def write_npy(path: Path, units: list[np.ndarray]) -> None:
    with NpySink(path, 7) as sink:
        for unit in units:
            sink.write(unit)


@pytest.mark.parametrize("sizes", [[], [0], [1], [3, 0, 1000, 12_345]])
def test_npy_is_what_numpy_would_save(tmp_path: Path, sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    units = [rng.normal(size=(n, 7)).astype(np.float32) for n in sizes]
    write_npy(tmp_path / "ours.npy", units)
    whole = np.concatenate([np.empty((0, 7), np.float32), *units])
    np.save(tmp_path / "theirs.npy", whole)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_npy_refuses_rows_of_another_width(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 columns"):
        write_npy(tmp_path / "a.npy", [np.zeros((3, 7), np.float32), np.zeros((3, 8), np.float32)])
    assert os.listdir(tmp_path) == []


def interrupted_table(path: Path) -> None:
    with open_table(path, COLUMNS) as sink:
        sink.write(UNITS[0])
        raise KeyboardInterrupt


def interrupted_npy(path: Path) -> None:
    with NpySink(path, 7) as sink:
        sink.write(np.zeros((3, 7), np.float32))
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.tsv", interrupted_table),
        ("t.tsv.gz", interrupted_table),
        ("t.parquet", interrupted_table),
        ("t.npy", interrupted_npy),
    ],
)
def test_an_interruption_leaves_nothing(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write() -> None:
        with TsvSink(tmp_path / "t.tsv", COLUMNS) as sink:
            for _ in range(10_000):
                sink.write(UNITS[0])

    kept = builtins.open
    monkeypatch.setattr(builtins, "open", lambda path, *rest: kept("/dev/full", *rest))
    with pytest.raises(FormatError, match=r"t\.tsv: cannot be written \(No space left"):
        write()


def test_another_suffix_names_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"t\.bed: .*\.tsv, \.tsv\.gz or \.parquet"):
        open_table(tmp_path / "t.bed", COLUMNS)
