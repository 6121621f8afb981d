"""Motif files: MEME and JASPAR in every layout, what we write read by others, and files that are neither."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from memelite.io import read_meme

from dnabert_fast.errors import FormatError
from dnabert_fast.io.meme import Motif, read_motifs, write_meme

MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

MOTIF MA1.1 Arnt
letter-probability matrix: alength= 4 w= 2 nsites= 17 E= 0
 0.1 0.2 0.3 0.4
 1.0 0.0 0.0 0.0
URL http://example.org

MOTIF second
letter-probability matrix: alength= 4 w= 1
0.25 0.25 0.25 0.25
"""
ARNT = np.array([[0.2, 0.8, 0, 0], [0.95, 0, 0.05, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]])


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_meme(tmp_path: Path) -> None:
    first, second = read_motifs(written(tmp_path / "m.meme", MEME))
    assert (first.name, first.alt, first.sites) == ("MA1.1", "Arnt", 17)
    assert first.matrix.tolist() == [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]]
    assert (second.name, second.alt, second.sites) == ("second", "", 20)


def test_meme_with_dos_line_ends_in_gzip(tmp_path: Path) -> None:
    path = tmp_path / "m.meme.gz"
    path.write_bytes(gzip.compress(MEME.replace("\n", "\r\n").encode()))
    assert [motif.name for motif in read_motifs(path)] == ["MA1.1", "second"]


def test_a_row_a_column_as_collections_have_it(data: Path) -> None:
    motifs = read_motifs(data / "motifs" / "jaspar_31.pfm")
    assert len(motifs) == 31
    assert (motifs[0].name, motifs[0].alt, motifs[0].sites) == ("MA0004.1", "Arnt", 20)
    assert motifs[0].matrix == pytest.approx(ARNT)
    (ctcf,) = [motif for motif in motifs if motif.alt == "CTCF"]
    assert (ctcf.name, len(ctcf.matrix)) == ("MA0139.1", 19)


@pytest.mark.parametrize("style", ["bare", "brackets"])
def test_jaspar_as_it_comes(tmp_path: Path, style: str) -> None:
    rows = [" ".join(f"{20 * value:g}" for value in column) for column in ARNT.T]
    if style == "brackets":
        rows = [f"{letter}  [ {row} ]" for letter, row in zip("ACGT", rows, strict=True)]
    path = written(tmp_path / "m.jaspar", ">MA0004.1\tArnt\n" + "\n".join(rows) + "\n\n>other one\n" + "\n".join(rows))
    first, second = read_motifs(path)
    assert (first.name, first.alt) == ("MA0004.1", "Arnt")
    assert (second.name, second.alt) == ("other", "one")
    assert first.matrix == pytest.approx(ARNT)


def test_four_rows_of_four_are_read_as_the_rest_of_the_file(tmp_path: Path) -> None:
    square = ">square\n1 0 0 0\n0 0 1 0\n0 0 0 1\n0 1 0 0\n"
    alone = read_motifs(written(tmp_path / "alone", square))[0]
    by_column = read_motifs(written(tmp_path / "both", square + ">long\n" + "1 2 3 4\n" * 5))[0]
    by_base = read_motifs(written(tmp_path / "bases", square + ">long\n" + "1 2 3 4 5\n" * 4))[0]
    columns = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert by_column.matrix.tolist() == columns
    # A column of a base alone: its counts stand below each other.
    assert alone.matrix.tolist() == by_base.matrix.tolist() != columns


def test_what_is_written_is_read_by_us_and_by_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.dirichlet(np.ones(4), width) for width in (1, 8, 24)]
    motifs = [Motif(f"motif_{i}", "GATA" if i else "", matrix, 12) for i, matrix in enumerate(matrices)]
    write_meme(tmp_path / "m.meme", motifs, np.array([0.3, 0.2, 0.2, 0.3]))
    again = read_motifs(tmp_path / "m.meme")
    assert [(motif.name, motif.alt, motif.sites) for motif in again] == [(m.name, m.alt, 12) for m in motifs]
    others = read_meme(str(tmp_path / "m.meme"))
    assert len(others) == 3
    for motif, ours, theirs in zip(motifs, again, others.values(), strict=True):
        assert ours.matrix == pytest.approx(motif.matrix, abs=2e-6)
        assert np.abs(theirs.T - motif.matrix).max() < 2e-6


def test_none_is_a_valid_file(tmp_path: Path) -> None:
    write_meme(tmp_path / "m.meme", [], np.full(4, 0.25), both_strands=False)
    assert "strands: +\n" in (tmp_path / "m.meme").read_text()
    with pytest.raises(FormatError, match=r"m\.meme: no motif"):
        read_motifs(tmp_path / "m.meme")


WRONG = {
    "empty": ("", r"wrong:1: neither MEME .* nor JASPAR"),
    "fasta": (">seq\nACGT\n", r"wrong:1: motif seq has no counts"),
    "text": ("hello\n", r"wrong:1: neither MEME"),
    "protein": (MEME.replace("ACGT\n", "ACDEFGHIKLMNPQRSTVWY\n", 1), r"wrong:3: alphabet 'ACDEF"),
    "three": (MEME.replace(" 0.1 0.2 0.3 0.4", " 0.1 0.2 0.7"), r"wrong:12: 3 numbers in motif MA1\.1"),
    "sum": (MEME.replace(" 0.1 0.2", " 0.5 0.2"), r"wrong:12: the probabilities of motif MA1\.1 sum to 1\.4"),
    "short": (MEME.replace("w= 2", "w= 3"), r"wrong:10: motif MA1\.1 has 2 rows, but its matrix says w= 3"),
    "sites": (MEME.replace("nsites= 17", "nsites= many"), r"wrong:10: .*nsites= many is no number"),
    "no-matrix": (MEME[: MEME.index("letter-prob")], r"wrong:10: motif MA1\.1 has no letter-probability matrix"),
    "no-rows": (MEME.replace("0.25 0.25 0.25 0.25\n", ""), r"wrong:16: motif second has no rows"),
    "no-motif": (MEME.replace("MOTIF MA1.1 Arnt\n", ""), r"wrong:10: a matrix without a MOTIF line"),
    "ragged": (">a\n1 2 3\n1 2\n1 2 3\n1 2 3\n", r"wrong:3: 2 numbers in a row of motif a; it has rows of 3"),
    "five": (
        ">a\n1 2 3 4 5\n1 2 3 4 5\n",
        r"wrong:2: 5 numbers in a row of motif a; it has four rows, or rows of four",
    ),
    "negative": (">a\n1 2 -3 4\n1 2 3 4\n", r"wrong:2: a count of motif a is missing or below 0"),
    "nothing-there": (">a\n1 2 3 4\n0 0 0 0\n", r"wrong:1: column 2 of motif a is empty"),
    "words": (">a\n1 2 3 4\n1 2 3 4\nnonsense here\n", r"wrong:4: 'nonsense here' is neither a row of numbers nor"),
    "nameless": (">\n1 2 3 4\n", r"wrong:1: a motif without a name"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_say_the_line(tmp_path: Path, case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(FormatError, match=message):
        read_motifs(written(tmp_path / "wrong", text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_motifs(tmp_path / "nowhere")
