"""Tables and scored regions as other programs write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.predictions import read_scored_bed, read_scored_names
from dnabert_fast.io.text_table import read_text_table


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("separator", ["\t", ","])
def test_columns_by_name(tmp_path: Path, packed: bool, separator: str) -> None:
    lines = ["", "\ufeffName Score Note", "a 1 x", "", "b -2.5e-3 y", "c . z"]
    data = "\r\n".join(line.replace(" ", separator) for line in lines[1:]).encode()
    path = tmp_path / "table.txt"
    path.write_bytes(gzip.compress(data) if packed else data)
    table = read_text_table(path, ("name",), keep=("score",))
    assert table.columns == {"name": ["a", "b", "c"], "score": ["1", "-2.5e-3", "."]}
    assert table.line == [2, 4, 5]
    np.testing.assert_array_equal(table.numbers("score", may_miss=True), [1, -0.0025, np.nan])
    with pytest.raises(FormatError, match=r"table\.txt:5: score '\.' is not a finite number"):
        table.numbers("score")
    with pytest.raises(FormatError, match=r"table\.txt:2: name 'a' is not a finite number"):
        table.integers("name")


def test_quotes_and_no_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('name,score\n"a, the first",1\n')
    assert read_text_table(path).columns["name"] == ["a, the first"]
    path.write_text("a\t0.5\nb\t0.25\n")
    table = read_text_table(path, ("name",), headless=("name", "score"))
    assert table.columns == {"name": ["a", "b"], "score": ["0.5", "0.25"]}
    assert table.line == [1, 2]


def test_what_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(FormatError, match=r"t\.csv: cannot be read: No such file"):
        read_text_table(path)
    path.write_bytes(b"name,score\n\xff\xfe,1\n")
    with pytest.raises(FormatError, match=r"t\.csv: not a table of text"):
        read_text_table(path)
    path.write_bytes(gzip.compress(b"name,score\na,1\n" * 500)[:-9])
    with pytest.raises(FormatError, match="truncated or damaged gzip"):
        read_text_table(path)
    path.write_text("a,n\nx,1.5\n")
    with pytest.raises(FormatError, match=r"t\.csv:2: n '1\.5' is not a whole number"):
        read_text_table(path).integers("n")


def test_one_score_or_one_a_class(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("name\tlength\tp_no\tp_YES\tpredicted\na\t40\t0.25\t0.75\tYES\nb\t2\t.\t.\t.\n")
    found = read_scored_names(path, ("no", "YES"))
    assert found.names == ["a", "b"]
    np.testing.assert_array_equal(found.scores, [[0.25, 0.75], [np.nan, np.nan]])
    path.write_text("name\tprobability\tnote\na\t0.5\tx\n")
    assert read_scored_names(path, ("no", "yes")).scores.tolist() == [[0.5]]


def test_regions_with_and_without_scores(tmp_path: Path) -> None:
    path = tmp_path / "t.bed"
    path.write_text("track name=x\nchr1\t5\t9\tn\t-3.5\t+\n#\nchr1\t1\t2\tn\t7\t-\n")
    bed, scores = read_scored_bed(path)
    assert (scores.tolist(), bed.start.tolist(), bytes(bed.strand)) == ([-3.5, 7.0], [5, 1], b"+-")
    path.write_text("chr1 5 9\nchr2 1 2\n")
    assert read_scored_bed(path)[1].tolist() == [1.0, 1.0]
    path.write_text("chr1\t5\t9\tn\t.\nchr1\t5\t9\tn\t.\n")
    assert read_scored_bed(path)[1].tolist() == [1.0, 1.0]
    path.write_bytes(gzip.compress(b"chr1\t5\t9\tn\t2\nchr1\t5\t9\tn\t.\n"))
    with pytest.raises(FormatError, match=r"t\.bed:2: score '\.' \(fifth column\)"):
        read_scored_bed(path)
