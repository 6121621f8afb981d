"""Summits of narrowPeak, start sites of EPDnew, labels, and labelled tables out."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.bed import read_bed
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.io.labelled_write import COLUMNS, LabelledSink
from dnabert_fast.io.peaks import bed_column, summits, thick_starts
from dnabert_fast.seq.batch import Windows

# The first is the example of UCSC's page on the format.
NARROW = "chr1\t9356548\t9356648\t.\t0\t.\t182\t5.0945\t-1\t50\nchr1\t100\t200\tp\t0\t.\t1\t-1\t-1\t-1\n"
# Rows of EPDnew human 006, as UCSC's table shows them.
EPD = (
    "chr1 166808537 166808597 POGK_2 900 + 166808586 166808597\n"
    "chr1 166845483 166845543 TADA1_1 900 - 166845483 166845494\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.bed"


def test_summits(path: Path) -> None:
    path.write_text("# comment\n" + NARROW)
    at, said = summits(path, read_bed(path))
    assert (at.tolist(), said) == ([9356598, 150], True)
    path.write_bytes(gzip.compress(b"c\t0\t9\nc\t4\t8\n"))
    at, said = summits(path, read_bed(path))
    assert (at.tolist(), said) == ([4, 6], False)


@pytest.mark.parametrize(
    ("last", "message"), [("x", r"p\.bed:2: column 10 is no number"), ("100", r"p\.bed:2: the summit 100 lies outside")]
)
def test_wrong_summits(path: Path, last: str, message: str) -> None:
    path.write_text(NARROW.replace("\t-1\t-1\n", f"\t-1\t{last}\n"))
    with pytest.raises(FormatError, match=message):
        summits(path, read_bed(path))


def test_epd_new_is_known_by_its_thick_part(path: Path) -> None:
    path.write_text(EPD)
    starts = thick_starts(path, read_bed(path))
    assert starts is not None
    assert starts.tolist() == [166808586, 166845493]
    for other in (EPD.replace("166808597 P", "166808598 P"), EPD.replace(" 166808597\n", " 166808590\n"), "c 0 60\n"):
        path.write_text(other)
        assert thick_starts(path, read_bed(path)) is None


def test_a_column_of_labels(path: Path) -> None:
    path.write_text("track x\nc\t0\t9\ta\tup\nc\t4\t8\tb\tdown\n")
    assert bed_column(path, read_bed(path), 5) == ["up", "down"]
    with pytest.raises(FormatError, match=r"p\.bed:2: no column 6; this line has 5"):
        bed_column(path, read_bed(path), 6)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_labelled_tables(tmp_path: Path, name: str) -> None:
    def write(to: Path) -> Path:
        with LabelledSink(to) as sink:
            start = np.array([0, 5, 9], np.int64)
            windows = Windows.from_strings(["ACGTA", "CCC", "TTTT"])
            names = ["a", 'b,"c"', "d"]
            sink.write_rows(
                windows, np.array([0, 1, 1]), names, "xyz", start, start + 4, np.array([False, True, False])
            )
        return to

    one, other = write(tmp_path / name), write(tmp_path / f"2{name}")
    assert one.read_bytes() == other.read_bytes()
    text = gzip.decompress(one.read_bytes()).decode() if name.endswith("gz") else one.read_text()
    rows = list(csv.reader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert rows[2] == ["CCC", "1", 'b,"c"', "y", "5", "9", "-"]
    read = read_labelled(one, 3)
    assert (read.labels.tolist(), read.windows[2]) == ([0, 1, 1], b"TTTT")
