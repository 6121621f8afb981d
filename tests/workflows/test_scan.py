"""Scans in every format against windows scored one by one, and the work that long windows share."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pybigtools
import pysam
import pytest
from oracle.fasta import twobit
from oracle.track import overlap_mean

import dnabert_fast.analysis.scan as analysis
from dnabert_fast import DnabertError, Model, load
from dnabert_fast.errors import FormatError
from dnabert_fast.workflows.scan import scan

MakeModel = Callable[..., Path]
Track = dict[str, list[float]]


@pytest.fixture(scope="session")
def contigs(chr20: bytes) -> dict[str, bytes]:
    one = chr20[1_000_000:1_000_500] + b"N" * 90 + chr20[1_000_590:1_001_200]
    return {"one": one, "short": b"ACGTACGT", "two": chr20[2_000_000:2_000_333].lower(), "none": b"N" * 100}


@pytest.fixture
def fasta(contigs: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "genome.fa"
    path.write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), bases) for name, bases in contigs.items()))
    return path


@pytest.fixture
def model(make_model: MakeModel) -> Model:
    return load(make_model())


def windows_of(model: Model, contigs: dict[str, bytes], window: int, stride: int) -> dict[str, list[tuple[int, float]]]:
    """Start and probability of every window that has no more than half of N, each predicted on its own."""
    found = {}
    for name, bases in contigs.items():
        starts = range(0, len(bases) - window + 1, stride)
        kept = [start for start in starts if 2 * bases[start : start + window].upper().count(b"N") <= window]
        found[name] = [(start, float(model.predict([bases[start : start + window]])[0, 1])) for start in kept]
    return found


def track_of(windows: dict[str, list[tuple[int, float]]], contigs: dict[str, bytes], window: int) -> Track:
    return {
        name: overlap_mean(
            [s for s, _ in rows], [s + window for s, _ in rows], [p for _, p in rows], 0, len(contigs[name])
        )
        for name, rows in windows.items()
    }


def read_bigwig(path: Path, contigs: dict[str, bytes]) -> Track:
    """The values of a bigWig, which lists the contigs that have some."""
    track = {name: [math.nan] * len(bases) for name, bases in contigs.items()}
    with pybigtools.open(str(path)) as file:
        for name, length in file.chroms().items():
            assert length == len(contigs[name])
            for start, end, value in file.records(name):
                track[name][start:end] = [value] * (end - start)
    return track


def read_bedgraph(path: Path, contigs: dict[str, bytes]) -> Track:
    track = {name: [math.nan] * len(bases) for name, bases in contigs.items()}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if not line.startswith(("#", "track")):
            contig, start, end, value = line.split("\t")
            track[contig][int(start) : int(end)] = [float(value)] * (int(end) - int(start))
    return track


@pytest.mark.parametrize(("window", "stride"), [(40, 7), (40, 40), (30, 50), (101, 25)])
@pytest.mark.parametrize("suffix", ["bw", "bedgraph.gz"])
def test_tracks_are_the_mean_of_windows(
    model: Model,
    make_model: MakeModel,
    contigs: dict[str, bytes],
    fasta: Path,
    tmp_path: Path,
    suffix: str,
    window: int,
    stride: int,
) -> None:
    out = tmp_path / f"out.{suffix}"
    facts = scan(fasta, model=str(make_model()), output=out, window=window, stride=stride)
    windows = windows_of(model, contigs, window, stride)
    found = (read_bigwig if suffix == "bw" else read_bedgraph)(out, contigs)
    for name, expected in track_of(windows, contigs, window).items():
        assert found[name] == pytest.approx(expected, abs=1e-5, nan_ok=True)
    assert facts["windows"] == sum(map(len, windows.values()))
    every = sum(len(range(0, len(bases) - window + 1, stride)) for bases in contigs.values())
    assert facts["left_out_n"] == every - facts["windows"] > 0
    assert facts["short_contigs"] == (["short", "none"] if window > 100 else ["short"])
    assert facts["bases"] == sum(len(bases) for bases in contigs.values() if len(bases) >= window)


@pytest.mark.parametrize("suffix", ["bed.gz", "tsv.gz", "tsv", "parquet"])
@pytest.mark.parametrize("strand", ["+", "both"])
def test_tables_hold_a_row_a_window(
    model: Model,
    make_model: MakeModel,
    contigs: dict[str, bytes],
    fasta: Path,
    tmp_path: Path,
    suffix: str,
    strand: str,
) -> None:
    out = tmp_path / f"out.{suffix}"
    scan(fasta, model=str(make_model()), output=out, window=40, stride=15, strand=strand)
    windows = windows_of(model.with_strand(strand), contigs, 40, 15)
    expected = [(name, start, start + 40, p) for name, rows in windows.items() for start, p in rows]
    if suffix == "parquet":
        rows = pq.read_table(out).to_pylist()
        assert [row.pop("strand") for row in rows] == ["." if strand == "both" else strand] * len(expected)
        found = [(row["contig"], row["start"], row["end"], row["score"]) for row in rows]
    else:
        text = out.read_bytes()
        lines = (gzip.decompress(text) if suffix.endswith("gz") else text).decode().splitlines()
        cells = [line.split("\t") for line in lines if not line.startswith(("#", "contig"))]
        value = 6 if suffix == "bed.gz" else 4
        found = [(row[0], int(row[1]), int(row[2]), float(row[value])) for row in cells]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_calls_are_merged_windows(
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
    make_model: MakeModel,
    contigs: dict[str, bytes],
    fasta: Path,
    tmp_path: Path,
) -> None:
    windows = windows_of(model, contigs, 40, 15)
    scores = sorted(p for rows in windows.values() for _, p in rows)
    threshold = (scores[len(scores) // 2] + scores[len(scores) // 2 - 1]) / 2
    expected: list[list[Any]] = []
    for name, rows in windows.items():
        for start, p in rows:
            if p < threshold:
                continue
            if expected and expected[-1][0] == name and start <= expected[-1][2]:
                expected[-1][2:] = [start + 40, max(p, expected[-1][3])]
            else:
                expected.append([name, start, start + 40, p])
    for unit in (10**6, 70):
        monkeypatch.setattr(analysis, "UNIT_BASES", unit)
        scan(
            fasta,
            model=str(make_model()),
            output=tmp_path / "out.bw",
            window=40,
            stride=15,
            calls=tmp_path / "calls.bed",
            threshold=threshold,
        )
        lines = [line.split("\t") for line in (tmp_path / "calls.bed").read_text().splitlines()]
        found = [(row[0], int(row[1]), int(row[2])) for row in lines]
        assert found == [tuple(row[:3]) for row in expected]
        assert [float(row[6]) for row in lines] == pytest.approx([row[3] for row in expected], abs=1e-5)
    assert len(expected) > 3


def test_no_calls_is_an_empty_file(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    scan(
        fasta,
        model=str(make_model()),
        output=tmp_path / "out.tsv",
        window=40,
        stride=40,
        calls=tmp_path / "calls.bed.gz",
        threshold=1.1,
    )
    assert gzip.decompress((tmp_path / "calls.bed.gz").read_bytes()) == b""


def test_regions_alone_are_scanned(
    model: Model, make_model: MakeModel, contigs: dict[str, bytes], fasta: Path, tmp_path: Path
) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("two\t33\t100\none\t700\t790\none\t660\t720\none\t10\t20\n")
    out = tmp_path / "out.tsv"
    facts = scan(fasta, model=str(make_model()), output=out, window=40, stride=15, regions=bed)
    starts = [("one", s) for s in range(660, 751, 15)] + [("two", s) for s in range(33, 61, 15)]
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    assert [(row[0], int(row[1])) for row in rows] == starts
    for (name, start), row in zip(starts, rows, strict=True):
        expected = model.predict([contigs[name][start : start + 40]])[0, 1]
        assert float(row[4]) == pytest.approx(float(expected), abs=1e-5)
    assert facts["bases"] == 130 + 67
    assert (facts["short_regions"], facts["short_contigs"]) == (1, [])


def test_the_summary_is_what_came_back(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    facts = scan(fasta, model=str(make_model()), output=tmp_path / "out.bw", window=40, summary=tmp_path / "facts.json")
    assert json.loads((tmp_path / "facts.json").read_text()) == facts


@pytest.mark.parametrize("name", ["out.bw", "out.bedgraph.gz", "out.tsv.gz", "out.bed.gz"])
def test_the_same_scan_gives_the_same_bytes(make_model: MakeModel, fasta: Path, tmp_path: Path, name: str) -> None:
    results = []
    for _ in range(2):
        scan(fasta, model=str(make_model()), output=tmp_path / name, window=40, stride=9, strand="both")
        results.append((tmp_path / name).read_bytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["out.tsv.gz", "out.bed.gz", "OUT.BED.GZ", "OUT.TSV.GZ"])
def test_tables_of_windows_are_indexed(make_model: MakeModel, fasta: Path, tmp_path: Path, name: str) -> None:
    scan(fasta, model=str(make_model()), output=tmp_path / name, window=40, stride=9)
    rows = [line.split("\t") for line in gzip.decompress((tmp_path / name).read_bytes()).decode().splitlines()]
    last = rows[-1]
    with pysam.TabixFile(str(tmp_path / name), encoding="utf-8") as index:
        found = [line.split("\t") for line in index.fetch(last[0], int(last[2]) - 1, int(last[2]))]
        assert found == [row for row in rows if row[0] == last[0] and row[2] == last[2]]


@pytest.mark.parametrize("kind", ["gzip", "bgzf", "2bit", "crlf"])
def test_the_kind_of_genome_does_not_matter(
    make_model: MakeModel, contigs: dict[str, bytes], fasta: Path, tmp_path: Path, kind: str
) -> None:
    path, text = tmp_path / "in" / f"other.{kind}", fasta.read_bytes()
    if kind == "bgzf":
        with pysam.BGZFile(str(path), "w") as file:  # type: ignore[call-arg]
            file.write(text)
    elif kind == "2bit":
        path.write_bytes(twobit(list(contigs.items())))
    else:
        path.write_bytes(gzip.compress(text) if kind == "gzip" else text.replace(b"\n", b"\r\n"))
    given: dict[str, Any] = {"model": str(make_model()), "window": 40, "stride": 9}
    scan(fasta, output=tmp_path / "expected.bedgraph.gz", **given)
    scan(path, output=tmp_path / "out.bedgraph.gz", **given)
    assert (tmp_path / "out.bedgraph.gz").read_bytes() == (tmp_path / "expected.bedgraph.gz").read_bytes()


def test_a_regression_gives_its_value(
    make_model: MakeModel, contigs: dict[str, bytes], fasta: Path, tmp_path: Path
) -> None:
    folder = make_model("sequence", ("signal",), regression=True)
    scan(fasta, model=str(folder), output=tmp_path / "out.tsv", window=60, stride=60)
    rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()[1:]]
    for contig, start, end, _, value in rows:
        expected = load(folder).predict([contigs[contig][int(start) : int(end)]])[0, 0]
        assert float(value) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(("head", "fields"), [("xl-mean", {}), ("xl-concat", {"split": 2})])
def test_pieces_of_long_windows_are_encoded_once(
    make_model: MakeModel, chr20: bytes, tmp_path: Path, head: str, fields: dict[str, int]
) -> None:
    """1,025 bases are 1,020 6-mers: two whole pieces, and with a stride of 102 each is the first and the second of two
    windows that start 510 bases apart."""
    bases = chr20[3_000_000:3_002_700]
    (tmp_path / "long.fa").write_bytes(b">long\n" + bases + b"\n")
    folder, out = make_model(head, preset="small", **fields), tmp_path / "out.tsv"
    facts = scan(tmp_path / "long.fa", model=str(folder), output=out, window=1025, stride=102)
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    starts = list(range(0, len(bases) - 1024, 102))
    assert [int(row[1]) for row in rows] == starts
    assert facts["pieces"] == 2 * len(starts)
    assert facts["pieces_encoded"] == len({start + shift for start in starts for shift in (0, 510)}) == len(starts) + 5
    model = load(folder)
    alone = [float(model.predict([bases[start : start + 1025]])[0, 1]) for start in starts[::5]]
    assert [float(row[4]) for row in rows[::5]] == pytest.approx(alone, abs=1e-5)
    assert np.ptp(alone) > 1e-4


def test_what_cannot_be_scanned(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    model, bed = str(make_model()), tmp_path / "regions.bed"
    given: dict[str, Any] = {"model": model, "output": tmp_path / "out.bw", "window": 40}
    for changed, error, message in [
        ({"window": 5000}, DnabertError, "no window of 5000 bases fits: the longest contig has 1200"),
        ({"window": 2}, DnabertError, "--window 2 is shorter than one 3-mer"),
        ({"window": None}, DnabertError, "give --window BASES"),
        ({"window": 600}, DnabertError, "2 pieces"),
        ({"output": tmp_path / "out.txt"}, FormatError, r"out\.txt: unknown kind of output; name it \.bw"),
        ({"output": tmp_path / "no" / "out.bw"}, FormatError, "does not exist; make it first"),
        ({"regions": bed}, FormatError, r"regions\.bed:2: contig x is not in the genome"),
        ({"calls": tmp_path / "no" / "calls.bed"}, FormatError, "does not exist; make it first"),
    ]:
        bed.write_text("one\t0\t100\nx\t0\t100\n")
        with pytest.raises(error, match=message):
            scan(fasta, **(given | changed))
    assert sorted(os.listdir(tmp_path)) == ["in", "regions.bed"]
