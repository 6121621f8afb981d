"""Tracks as bigWig and bedGraph hold what was written, base by base."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pybigtools
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dnabert_fast.errors import FormatError
from dnabert_fast.io import open_track
from dnabert_fast.io.bigwig import BigWigSink
from dnabert_fast.io.runs import runs

CONTIGS = {"chr1": 5_000, "chr2": 300, "chr10": 4_000, "chrM": 100}
NAN = np.float32("nan")


def track() -> list[tuple[str, int, np.ndarray]]:
    """Stretches in genome order (not in the order of the alphabet), with gaps, plateaus and a contig left out."""
    rng = np.random.default_rng(7)
    steps = np.repeat(rng.random(500, dtype=np.float32), 10)
    steps[1_000:1_500] = NAN
    noise = rng.normal(size=2_000).astype(np.float32)
    noise[::7] = NAN
    return [
        ("chr1", 0, steps[:3_000]),
        ("chr1", 3_000, steps[3_000:]),
        ("chr2", 100, np.full(50, NAN)),
        ("chr10", 500, noise),
        ("chr10", 3_999, np.array([0.25], np.float32)),
    ]


def expected() -> dict[str, np.ndarray]:
    whole = {name: np.full(length, NAN) for name, length in CONTIGS.items()}
    for name, start, values in track():
        whole[name][start : start + len(values)] = values
    return whole


def written(path: Path) -> Path:
    with open_track(path, CONTIGS) as sink:
        for name, start, values in track():
            sink.write(name, start, values)
    return path


def slow_runs(start: int, values: np.ndarray) -> list[tuple[int, int, float]]:
    found: list[list[float]] = []
    for at, value in enumerate(values.tolist(), start):
        if np.isnan(value):
            continue
        if found and found[-1][1] == at and found[-1][2] == value:
            found[-1][1] = at + 1
        else:
            found.append([at, at + 1, value])
    return [(int(a), int(b), value) for a, b, value in found]


@given(
    arrays.arrays(np.float32, st.integers(0, 60), elements=st.sampled_from([0.0, 0.5, -1.0, float("nan")])),
    st.integers(0, 99),
)
def test_runs_are_those_of_a_loop(values: np.ndarray, start: int) -> None:
    begins, ends, value = runs(start, values)
    assert list(zip(begins.tolist(), ends.tolist(), value.tolist(), strict=True)) == slow_runs(start, values)


def test_a_bigwig_gives_back_the_values_exactly(tmp_path: Path) -> None:
    path = written(tmp_path / "t.bw")
    with pybigtools.open(str(path)) as reader:
        assert {name: length for name, length in reader.chroms().items() if name != "chr2"} == {
            "chr1": 5_000, "chr10": 4_000
        }  # fmt: skip
        for name in ("chr1", "chr10"):
            found = np.full(CONTIGS[name], NAN)
            for start, end, value in reader.records(name):
                found[start:end] = value
            np.testing.assert_array_equal(found, expected()[name])
    assert os.listdir(tmp_path) == ["t.bw"]


def test_a_bigwig_has_one_record_a_run(tmp_path: Path) -> None:
    path = written(tmp_path / "t.bigwig")
    with pybigtools.open(str(path)) as reader:
        assert list(reader.records("chr1")) == slow_runs(0, expected()["chr1"][:3_000]) + slow_runs(
            3_000, expected()["chr1"][3_000:]
        )


def test_a_bedgraph_is_tabix_indexed_text(tmp_path: Path) -> None:
    path = written(tmp_path / "t.bedgraph.gz")
    assert sorted(os.listdir(tmp_path)) == ["t.bedgraph.gz", "t.bedgraph.gz.tbi"]
    with pysam.TabixFile(str(path)) as index:
        for name in ("chr1", "chr10"):
            found = np.full(CONTIGS[name], NAN)
            for line in index.fetch(name):
                _, start, end, value = line.split("\t")
                found[int(start) : int(end)] = value
            np.testing.assert_allclose(found, expected()[name], rtol=5e-6)  # six significant digits
        assert [line.split("\t")[1:3] for line in index.fetch("chr10", 3_500, 4_000)] == [["3999", "4000"]]
    # One block a stretch and the empty block that ends a BGZF file: units never share a block.
    assert path.read_bytes().count(b"\x1f\x8b\x08\x04") == 5


@pytest.mark.parametrize("name", ["t.bw", "t.bedgraph.gz"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interruption_leaves_nothing(
    tmp_path: Path, name: str, error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        with open_track(tmp_path / name, CONTIGS) as sink:
            for contig, start, values in track()[:2]:
                sink.write(contig, start, values)
            raise error

    with pytest.raises(error):
        interrupted()
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["t.bw", "t.bedgraph.gz"])
def test_the_same_track_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / "again").mkdir()
    assert written(tmp_path / name).read_bytes() == written(tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    "stretches",
    [
        [("chr1", 100, 10), ("chr1", 105, 10)],
        [("chr1", 0, 10), ("chr2", 0, 10), ("chr1", 10, 10)],
        [("chr2", 295, 10)],
    ],
)
def test_a_stretch_out_of_place_is_the_callers_mistake(tmp_path: Path, stretches: list[tuple[str, int, int]]) -> None:
    def write() -> None:
        with open_track(tmp_path / "t.bw", CONTIGS) as sink:
            for name, start, length in stretches:
                sink.write(name, start, np.zeros(length, np.float32))

    with pytest.raises(ValueError, match="chr"):
        write()
    assert os.listdir(tmp_path) == []


def test_an_empty_bigwig_is_said_and_an_empty_bedgraph_is_empty(tmp_path: Path) -> None:
    def write(name: str) -> None:
        with open_track(tmp_path / name, CONTIGS) as sink:
            sink.write("chr1", 0, np.full(100, NAN))

    with pytest.raises(FormatError, match="no base has a value"):
        write("t.bw")
    write("t.bedgraph.gz")
    assert gzip.decompress((tmp_path / "t.bedgraph.gz").read_bytes()) == b""


def test_a_contig_too_long_for_bigwig_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"t\.bw: chrX has 4294967296 bases"):
        BigWigSink(tmp_path / "t.bw", {"chrX": 1 << 32})


def test_a_bigwig_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left")

    def write() -> None:
        with BigWigSink(tmp_path / "t.bw", CONTIGS) as sink:
            for contig, start, values in track():
                sink.write(contig, start, values)

    monkeypatch.setattr(pybigtools, "open", refuse)
    with pytest.raises(FormatError, match=r"t\.bw: cannot be written \(no space left\)"):
        write()
    assert os.listdir(tmp_path) == []


def test_a_bigwig_that_lacks_values_is_said(tmp_path: Path) -> None:
    """pybigtools says nothing when its iterator fails half-way; the file is held against what was written."""

    def write() -> None:
        with BigWigSink(tmp_path / "t.bw", CONTIGS) as sink:
            sink.write("chr1", 0, np.zeros(10, np.float32))
            sink._covered += 1

    with pytest.raises(FormatError, match=r"t\.bw: cannot be written"):
        write()
    assert os.listdir(tmp_path) == []


def test_another_suffix_names_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"t\.wig: .*\.bw, \.bigwig or \.bedgraph\.gz"):
        open_track(tmp_path / "t.wig", CONTIGS)
