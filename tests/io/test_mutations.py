"""The original's mutation files, and its set whose first line has blanks for tabs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.mutations import read_mutations
from dnabert_fast.io.rows import read_rows


def test_the_example(data: Path) -> None:
    found = read_mutations(data / "dnabert" / "example_mut_file.txt")
    rows = list(zip(found.row.tolist(), found.start.tolist(), found.end.tolist(), strict=True))
    assert rows == [(0, 30, 31), (23, 52, 53), (104, 14, 15), (125, 22, 23), (240, 8, 8), (325, 10, 11)]
    assert [found.allele[i] for i in range(6)] == [b"G", b"T", b"C", b"A", b"A", b""]


def test_blank_lines_line_ends_and_tabs_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mutations.txt.gz"
    path.write_bytes(gzip.compress(b"3\t1\t2\r\n\r\n0\t4\t4\tacgt\r\n"))
    found = read_mutations(path)
    assert found.row.tolist() == [3, 0]
    assert (found.allele[0], found.allele[1]) == (b"", b"acgt")
    assert found.line.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0\t1", "is not row, start, end"),
        ("chr1\t1\t2\tA", "is not row, start, end"),
        ("0\t-1\t2\tA", "is not row, start, end"),
        ("0\t5\t2\tA", "start 5 lies after end 2"),
        ("0\t1\t2\tA,C", "allele 'A,C'"),
        ("0\t1\t2\t<DEL>", "allele '<DEL>'"),
        ("0\t1\t" + "9" * 19 + "\tA", "more than 18 digits"),
        ("0 1 2 A", "is not row, start, end"),
    ],
)
def test_lines_that_are_no_mutation_are_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "m.txt"
    path.write_text(f"0\t1\t2\tA\n{line}\n")
    with pytest.raises(FormatError, match=rf"m\.txt:2: .*{why}"):
        read_mutations(path)


def test_a_file_without_mutations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("\n")
    with pytest.raises(FormatError, match="no mutations"):
        read_mutations(tmp_path / "m.txt")


def test_a_first_line_with_blanks_for_tabs_names_the_columns(data: Path) -> None:
    rows = list(read_rows(data / "dnabert" / "prom-core_70nt_326.tsv.gz", labelled=True))
    assert len(rows) == 326
    assert {len(row.bases) for row in rows} == {70}
    assert {row.label for row in rows} == {b"0", b"1"}


def test_one_column_needs_no_separator(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("sequence\nACGTAC\nACG CGT GTA\n")
    assert [row.bases for row in read_rows(tmp_path / "s.csv")] == [b"ACGTAC", b"ACGTA"]
