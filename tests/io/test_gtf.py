"""GTF into transcripts and exons: real lines, and what is wrong with others."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.gtf import read_gtf


def line(feature: str = "exon", start: object = 11, end: object = 20, strand: str = "+", more: str = "") -> str:
    return f'c\tx\t{feature}\t{start}\t{end}\t.\t{strand}\t.\tgene_id "g"; transcript_id "t"; {more}'


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write_lines(*lines: str, packed: bool = False) -> Path:
        text = ("\n".join(["#!a comment", "", *lines]) + "\n").encode()
        path = tmp_path / ("a.gtf.gz" if packed else "a.gtf")
        path.write_bytes(gzip.compress(text) if packed else text)
        return path

    return write_lines


def test_yeast(data: Path) -> None:
    path = data / "annotation" / "sacCer3_chrIV_60kb.gtf.gz"
    read = read_gtf(path)
    rows = [row.split("\t") for row in gzip.decompress(path.read_bytes()).decode().splitlines()]
    transcripts = [row for row in rows if row[2] == "transcript"]
    assert read.contigs == ("chrIV",)
    assert read.start.tolist() == [int(row[3]) - 1 for row in transcripts]
    assert read.end.tolist() == [int(row[4]) for row in transcripts]
    assert read.reverse.tolist() == [row[6] == "-" for row in transcripts]
    assert len(read.exon_of) == sum(row[2] == "exon" for row in rows)
    assert read.name[0] == read.gene[0] == "YDL248W"
    assert not read.canonical.any()
    assert (read.exon_start >= read.start[read.exon_of]).all()
    assert (read.exon_end <= read.end[read.exon_of]).all()


def test_transcripts_of_exons_alone_tags_and_names(write) -> None:  # type: ignore[no-untyped-def]
    path = write(
        line(start=101, end=110, more='gene_name "G"; tag "basic"; tag "Ensembl_canonical";'),
        line(start=11, end=20, more='tag "basic";'),
        line("CDS", start=11, end=20),
        line().replace('"t"', '"u"').replace("c\tx", "d\tx"),
        packed=True,
    )
    read = read_gtf(path)
    assert (read.start.tolist(), read.end.tolist(), read.line.tolist()) == ([10, 10], [110, 20], [3, 6])
    assert (read.name, read.canonical.tolist()) == (["G", "g"], [True, False])
    assert list(zip(read.exon_of, read.exon_start, read.exon_end, strict=True)) == [
        (0, 100, 110),
        (0, 10, 20),
        (1, 10, 20),
    ]
    assert read.contigs == ("c", "d")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"a\.gtf: no transcripts; a GTF with lines of the features transcript or exon"),
        ([line("gene")], r"a\.gtf: no transcripts"),
        (["c\tx\texon\t1\t5"], r"a\.gtf:3: 5 columns; GTF has nine"),
        ([line(start="one")], r"a\.gtf:3: start and end 'one 20' are not whole numbers"),
        ([line(), line(start=21)], r"a\.gtf:4: start 21 and end 20; GTF counts from 1"),
        ([line(start=0)], r"a\.gtf:3: start 0 and end 20"),
        ([line(strand=".")], r"a\.gtf:3: strand '\.' of a exon; it must be \+ or -"),
        ([line(), line(strand="-")], r"a\.gtf:4: t lies on both strands \(see line 3\)"),
        ([line().replace("transcript_id", "Parent")], r"a\.gtf:3: no transcript_id; GFF3"),
    ],
)
def test_refusals(write, lines: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FormatError, match=message):
        read_gtf(write(*lines))


def test_files_that_cannot_be_read(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FormatError, match=r"no\.gtf: cannot be read: No such file"):
        read_gtf(tmp_path / "no.gtf")
    path = write(*[line(start=i + 1, end=i + 2) for i in range(200)], packed=True)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError, match=r"truncated or damaged gzip"):
        read_gtf(path)
