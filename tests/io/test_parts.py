"""Parts joined are the file that one sink writes, byte for byte; calls come back as they were made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dnabert_fast.io.bgzf as bgzf
from dnabert_fast.errors import FormatError
from dnabert_fast.io import open_table, open_track
from dnabert_fast.io.bed import BedSink
from dnabert_fast.io.bgzf import LAST_BLOCK, TabixColumns
from dnabert_fast.io.npy import NpySink
from dnabert_fast.io.parts import CallPart, RunsPart, replay
from dnabert_fast.io.vcf import VcfSink

COLUMNS = [("contig", "str"), ("start", "int"), ("end", "int"), ("score", "float")]
CONTIGS = {"one": 5000, "two": 600_000_000}
HEADER = b"##fileformat=VCFv4.2\n##contig=<ID=one,length=5000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
REUSE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
KINDS = ["t.tsv", "t.tsv.gz", "t.parquet", "b.bed", "b.bed.gz", "t.bedgraph.gz", "t.bw", "a.npy"]
KINDS += ["v.vcf", "v.vcf.gz", "v.bcf"]


def opened(path: Path, part: bool = False) -> Any:
    """The sink of a file of this name."""
    name = path.name
    if "tsv" in name or "parquet" in name:
        return open_table(path, COLUMNS, TabixColumns(0, 1, 2, zero_based=True), part=part)
    if "bed.gz" in name or name.endswith(".bed"):
        return BedSink(path, part=part)
    if name.endswith(".npy"):
        return NpySink(path, 3, part=part)
    if "vcf" in name or "bcf" in name:
        return VcfSink(path, HEADER, part=part)
    return open_track(path, CONTIGS, part=part)


def write(sink: Any, name: str, at: int, n: int) -> None:
    """A unit of n rows, or bases, from base `at` on."""
    draw = np.random.default_rng(at)
    start = at + np.arange(n, dtype=np.int64)
    score = draw.integers(0, 4, n).astype(np.float32) / 3
    if name.startswith("t.bed") or name.endswith(".bw"):
        sink.write("one", at, np.where(score == 0, np.float32(np.nan), score))
    elif name.startswith("b."):
        sink.write("one", start, start + 40, score)
    elif name.startswith("a."):
        sink.write(draw.random((n, 3), np.float32))
    elif name.startswith("v."):
        rows = b"".join(b"one\t%d\t.\tA\tC\t.\t.\t.\n" % (base + 1) for base in start.tolist())
        sink.note_positions(["one"], np.zeros(n, np.int32), start + 1)
        sink.write(np.frombuffer(rows, np.uint8))
    else:
        sink.write([["one"] * n, start, start + 40, score])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@REUSE
@given(data=st.data(), name=st.sampled_from(KINDS))
def test_joined_parts_are_the_file_of_one_sink(
    data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sizes = data.draw(st.lists(st.sampled_from([0, 1, 7, 300]), min_size=1, max_size=6))
    if name.endswith(".bw"):
        sizes.append(50)  # a bigWig cannot be empty
    cuts = data.draw(st.lists(st.integers(0, len(sizes)), max_size=3))
    bounds = [0, *sorted(cuts), len(sizes)]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    whole, joined, work = (tmp_path_factory.mktemp(folder) for folder in ("whole", "joined", "work"))
    with opened(whole / name) as sink:
        for at, n in zip(starts, sizes, strict=False):
            write(sink, name, at, n)
    parts: list[tuple[Path, dict[str, Any]]] = []
    for number, (a, b) in enumerate(pairwise(bounds)):
        path = work / f"{number}.{name.replace('v.bcf', 'v.vcf.gz')}"
        with opened(path, part=True) as sink:
            for at, n in zip(starts[a:b], sizes[a:b], strict=True):
                write(sink, name, at, n)
        parts.append((path, sink.state))
    with opened(joined / name) as sink:
        for path, state in parts:
            if hasattr(sink, "append"):
                sink.append(path, state)
                continue
            for values in replay(path):
                if name.endswith(".bw"):
                    sink.write_runs(*values)
                else:
                    sink.write(values)
    assert contents(joined) == contents(whole)
    assert {path.name for path in work.iterdir()} == {path.name for path, _ in parts}  # parts have no index
    assert not any(path.read_bytes().endswith(LAST_BLOCK) for path, _ in parts if path.name.endswith(".gz"))


def test_order_over_parts(tmp_path: Path) -> None:
    """Sorted parts may make an unsorted whole: such a file gets no index, and says so."""

    def part(name: str, rows: Sequence[tuple[str, int]]) -> tuple[Path, dict[str, Any]]:
        path = tmp_path / f"{name}.vcf.gz"
        with VcfSink(path, HEADER, part=True) as sink:
            for contig, position in rows:
                sink.note_positions([contig], np.zeros(1, np.int32), np.array([position], np.int64))
                sink.write(np.frombuffer(f"{contig}\t{position}\t.\tA\tC\t.\t.\t.\n".encode(), np.uint8))
        return path, sink.state

    low, high, two = (
        part("low", [("one", 1), ("one", 5)]),
        part("high", [("one", 5), ("one", 9)]),
        part("two", [("two", 1)]),
    )
    mixed, none = part("mixed", [("one", 7), ("two", 1), ("one", 8)]), part("none", [])
    for parts, unsorted in [
        ([low, none, high, two], False), ([high, low], True), ([low, two, high], True), ([mixed], True), ([none], False)
    ]:  # fmt: skip
        with VcfSink(tmp_path / "out.vcf.gz", HEADER) as sink:
            for path, state in parts:
                sink.append(path, state)
        assert sink.unsorted == unsorted
        assert (tmp_path / "out.vcf.gz.tbi").exists() == (not unsorted)


VALUES = st.one_of(
    st.integers(-(10**12), 10**12),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=4),
    st.lists(st.floats(width=32), max_size=5).map(lambda found: np.array(found, np.float32)),
    st.lists(st.integers(-9, 9), max_size=5).map(lambda found: np.array(found, np.int64)),
    st.binary(max_size=9).map(lambda found: (np.frombuffer(found, np.uint8), np.array([0, len(found)], np.int64))),
)


@REUSE
@given(calls=st.lists(st.lists(VALUES, max_size=4), max_size=5))
def test_calls_come_back_as_they_were_made(calls: list[list[Any]], tmp_path: Path) -> None:
    path = tmp_path / "part"
    with CallPart(path) as part:
        for call in calls:
            part.write(*call)
    found = list(replay(path))
    assert len(found) == len(calls)
    for values, call in zip(found, calls, strict=True):
        for value, given_value in zip(values, call, strict=True):
            same_kind(value, given_value)
    path.write_bytes(path.read_bytes()[:-1])
    if any(calls):
        with pytest.raises(FormatError, match="broken part"):
            list(replay(path))


def same_kind(found: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            same_kind(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
    else:
        assert found == expected


def test_a_track_is_kept_by_its_runs(tmp_path: Path) -> None:
    """A part of a genome's track is far smaller than a number a base."""
    values = np.repeat(np.arange(1000, dtype=np.float32), 100)
    with RunsPart(tmp_path / "part") as part:
        part.write("one", 0, values)
    assert (tmp_path / "part").stat().st_size < values.nbytes / 15


def test_copying_where_the_kernel_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    with BedSink(tmp_path / "part.bed.gz", part=True) as part:
        write(part, "b.", 0, 500)
    monkeypatch.setattr(bgzf.os, "copy_file_range", refused, raising=False)
    with BedSink(tmp_path / "out.bed.gz") as sink:
        sink.append(tmp_path / "part.bed.gz", part.state)
    assert len(list(pysam.TabixFile(str(tmp_path / "out.bed.gz")).fetch("one"))) == 500
    assert (tmp_path / "out.bed.gz").read_bytes().endswith(LAST_BLOCK)
