"""BED files read and written, against a line-by-line reader."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.io.bed import Bed, BedSink, read_bed


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def rows(bed: Bed) -> list[tuple[str, int, int, str, str]]:
    flat, offsets = bed.names
    return [
        (
            bed.contigs[bed.contig[i]],
            int(bed.start[i]),
            int(bed.end[i]),
            flat[offsets[i] : offsets[i + 1]].tobytes().decode(),
            chr(bed.strand[i]),
        )
        for i in range(len(bed))
    ]


def slowly(text: str) -> list[tuple[str, int, int, str, str]]:
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if not line or line.startswith("#") or line.split()[0] in ("track", "browser"):
            continue
        name = fields[3] if len(fields) > 3 else ""
        found.append((fields[0], int(fields[1]), int(fields[2]), name, fields[5] if len(fields) > 5 else "."))
    return found


contig_names = st.sampled_from(["chr1", "chr20", "1", "NC_000020.11", "trackless", "HLA-A*01:01", "browser1"])
coordinates = st.tuples(st.integers(0, 10**12), st.integers(0, 10**6)).map(lambda pair: (pair[0], sum(pair)))
words = st.text("abcXYZ_ -.:;é", max_size=6)
regions = st.tuples(contig_names, coordinates, words, st.sampled_from("+-."), st.integers(3, 6)).map(
    lambda r: "\t".join([r[0], str(r[1][0]), str(r[1][1]), r[2], "0", r[3]][: r[4]])
)
skipped = st.sampled_from(["", "#chrom\tstart\tend", "track name=x", "browser position chr1:1-2", "track"])


@given(
    st.lists(st.one_of(regions, skipped), min_size=0, max_size=30),
    regions,
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_reads_what_a_line_by_line_reader_reads(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], last: str, end: str, closed: bool
) -> None:
    text = end.join([*lines, last]) + (end if closed else "")
    path = write(tmp_path_factory.mktemp("bed") / "a.bed", text)
    bed = read_bed(path)
    assert rows(bed) == slowly(text.replace("\r\n", "\n"))
    assert [text.split("\n")[number - 1].split("\t")[0] for number in bed.line] == [row[0] for row in rows(bed)]


def test_blanks_separate_where_there_are_no_tabs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bed", "track x\n chr1  5 9 name  0 -\n\nchr2 1 2 \n")
    assert rows(read_bed(path)) == [("chr1", 5, 9, "name", "-"), ("chr2", 1, 2, "", ".")]


def test_gzip_and_a_title_line(tmp_path: Path) -> None:
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"chrom\tchromStart\tchromEnd\nchr1\t5\t9\n"))
    bed = read_bed(path)
    assert rows(bed) == [("chr1", 5, 9, "", ".")]
    assert bed.line.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("chr1\t1\t2\nchr1\t5\n", r"a\.bed:2: 2 columns"),
        ("chr1\t1\t2\n\nchr1\t7\t5\n", r"a\.bed:3: start 7 lies after end 5"),
        ("chr1\t1\t2\nchr1\tx\t5\n", r"a\.bed:2: start 'x' is not a whole number"),
        ("chr1\t1\t2\nchr1\t-1\t5\n", r"a\.bed:2: start '-1'"),
        ("chr1\t1\t2.5\n", r"a\.bed:1: end '2\.5'"),
        ("chr1\t1\t\n", r"a\.bed:1: end ''"),
        ("chr1\t1\t99999999999999999999\n", r"a\.bed:1: end '9+'"),
        ("chr1\t1\t2\tn\t0\tup\n", r"a\.bed:1: strand 'up'"),
        ("chr1 1\n", r"a\.bed:1: 2 columns"),
        ("", "holds no regions"),
        ("# nothing\n\n", "holds no regions"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        read_bed(write(tmp_path / "a.bed", text))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_bed(tmp_path / "missing.bed")
    broken = tmp_path / "a.bed.gz"
    broken.write_bytes(gzip.compress(b"chr1\t1\t2\n" * 1000)[:-12])
    with pytest.raises(FormatError, match="broken gzip"):
        read_bed(broken)


@pytest.mark.parametrize("suffix", [".bed", ".bed.gz"])
def test_calls_are_bed6_with_their_value(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"calls{suffix}"
    with BedSink(path) as sink:
        sink.write("chr1", np.array([5, 90]), np.array([9, 120]), np.array([0.7504, -2.5], np.float32))
        sink.write("chr2", np.array([1]), np.array([3]), np.array([1.5], np.float32))
    text = gzip.decompress(path.read_bytes()) if suffix == ".bed.gz" else path.read_bytes()
    assert text.decode().splitlines() == [
        "chr1\t5\t9\t.\t750\t.\t0.7504",
        "chr1\t90\t120\t.\t0\t.\t-2.5",
        "chr2\t1\t3\t.\t1000\t.\t1.5",
    ]
    assert [(row[0], row[1], row[2]) for row in rows(read_bed(path))] == [
        ("chr1", 5, 9),
        ("chr1", 90, 120),
        ("chr2", 1, 3),
    ]
    if suffix == ".bed.gz":
        with pysam.TabixFile(str(path)) as index:
            assert [line.split("\t")[1] for line in index.fetch("chr1", 100, 101)] == ["90"]
