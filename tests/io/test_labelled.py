"""Labelled sets in every form: FASTA with labels, a file a class, pairs, values, labels of bases; and their faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.workflows.labelled import Source, read_set


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


FASTA = ">a {}\nACGT\nAC\n>b {}\nGGGGGG\n>c {}\nTTTTTT\n"


@pytest.mark.parametrize("words", [("0", "1", "0"), ("x label=0 y", "LABEL=1", "class=0"), ("no", "yes", "label=no")])
def test_labels_in_headers(tmp_path: Path, words: tuple[str, str, str]) -> None:
    found = read_labelled(write(tmp_path, "a.fa", FASTA.format(*words)), 3, classes=("no", "yes"))
    assert (found.names, found.labels.tolist()) == (["a", "b", "c"], [0, 1, 0])
    assert found.windows[0] == b"ACGTAC"


@pytest.mark.parametrize("separator", ["\t", ","])
def test_labels_beside(tmp_path: Path, separator: str) -> None:
    labels = write(tmp_path, "l.tsv", f"name{separator}label\nc{separator}0\r\n\nb{separator}1\na{separator}0\n")
    fasta = write(tmp_path, "a.fa", FASTA.format("", "", ""))
    assert read_labelled(fasta, 3, labels=labels).labels.tolist() == [0, 1, 0]
    labels.write_text("a\t0\nb\t1\n")
    with pytest.raises(FormatError, match=rf"a\.fa:6: {labels} has no label for c; add a line"):
        read_labelled(fasta, 3, labels=labels)
    for text, message in (("a\n", ":1: 1 columns"), ("a\t0\na\t1\n", ":2: a second label for a")):
        labels.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_labelled(fasta, 3, labels=labels)


def test_a_file_a_class(tmp_path: Path) -> None:
    write(tmp_path, "negative.fa", ">a\nACGTAC\n>b\nGGGGGG\n")
    write(tmp_path, "positive.fa.csv", "name,sequence\nc,TTTTTT\n")
    found = read_labelled(f"{tmp_path}/negative.fa,{tmp_path}/positive.fa.csv", 3)
    assert (found.labels.tolist(), found.names) == ([0, 0, 1], ["a", "b", "c"])
    assert found.classes == ("negative", "positive")
    with pytest.raises(FormatError, match=r"none\.fa: cannot be read"):
        read_labelled(f"{tmp_path}/negative.fa,{tmp_path}/none.fa", 3)
    with pytest.raises(FormatError, match=r"negative\.fa:1: the sequence has 6 bases, fewer than k = 7"):
        read_labelled(f"{tmp_path}/negative.fa,{tmp_path}/negative.fa", 7)


@pytest.mark.parametrize("names", ["sequence,sequence2", "sequence1,sequence2", "seq1,seq2"])
def test_pairs(tmp_path: Path, names: str) -> None:
    table = write(tmp_path, "a.csv", f"label,{names}\n1,ACG CGT,TTTT\n0,GGG,ACGTA\n")
    found = read_labelled(table, 3)
    assert [found.windows[0], found.windows[1]] == [b"ACGT", b"GGG"]
    assert found.second is not None
    assert [found.second[0], found.second[1]] == [b"TTTT", b"ACGTA"]
    assert found.labels.tolist() == [1, 0]
    table.write_text(f"label,{names}\n1,ACGT,TT\n0,GGG,ACGTA\n")
    with pytest.raises(FormatError, match=r"a\.csv:2: the sequence has 2 bases"):
        read_labelled(table, 3)
    table.write_text(f"label,{names}\n1,ACGT,TTT\n0,{'G' * 300},{'A' * 300}\n")
    with pytest.raises(FormatError, match=r":3: the pair has 596 k-mers, .* reads 509; shorten them to 513 bases"):
        read_labelled(table, 3)
    table.write_text(f"label,{names}\n1,ACGT,TTT\n0,GGG,T-T\n")
    with pytest.raises(FormatError, match=r":3: '-' in the sequence 2"):
        read_labelled(table, 3)


def test_values(tmp_path: Path) -> None:
    table = write(tmp_path, "a.csv", "sequence,label\nACGT,-1.5\nGGGG,2\nTTTT,3e2\n")
    for task in ("auto", "regression"):
        found = read_labelled(table, 3, task=task)
        assert found.labels.dtype == np.float32
        assert found.labels.tolist() == [-1.5, 2, 300]
    whole = write(tmp_path, "b.csv", "sequence,label\nACGT,1\nGGGG,0\nTTTT,3\n")
    assert read_labelled(whole, 3, task="regression").labels.tolist() == [1, 0, 3]
    with pytest.raises(FormatError, match=r":4: label 3, but no row has label 2; .*--task regression"):
        read_labelled(whole, 3, task="auto")
    for text, message in (
        ("ACGT,1\nGGGG,nan", ":3: label 'nan' is not a number"),
        ("ACGT,1\nGGGG,x", ":3: label 'x' is not a number"),
        ("ACGT,1\nGGGG,1.0", "every one of the 2 rows has the value 1"),
    ):
        with pytest.raises(FormatError, match=message):
            read_labelled(write(tmp_path, "c.csv", f"sequence,label\n{text}\n"), 3, task="regression")


def test_labels_of_bases(tmp_path: Path) -> None:
    rows = ["ACGTACGT,0001.200", "GGGGGGGG,0 1 . -1 2 2 2 2", "TTTTTTTT,0 1 2 0 1 2"]
    found = read_labelled(write(tmp_path, "a.csv", "sequence,label\n" + "\n".join(rows) + "\n"), 3, task="auto")
    assert found.labels.reshape(3, 8).tolist() == [
        [0, 0, 0, 1, -1, 2, 0, 0],
        [0, 1, -1, -1, 2, 2, 2, 2],
        [-1, 0, 1, 2, 0, 1, 2, -1],  # one a 3-mer: that of its middle base
    ]
    for text, message in (
        ("ACGTACGT,00011", ":2: 5 labels for 8 bases; give one a base, or one a 3-mer"),
        ("ACGTACGT,0001x000", ":2: label 'x' among those of the bases"),
        ("ACGTACGT,........", "no base has a label"),
        ("ACGTACGT,00000000", "has label 0; a classifier needs two"),
        ("ACGTACGT,00020000", ":2: label 2, but no row has label 1"),
    ):
        with pytest.raises(FormatError, match=message):
            read_labelled(write(tmp_path, "b.csv", f"sequence,label\n{text}\n"), 3, task="tokens")


def test_classes_by_name(tmp_path: Path) -> None:
    table = write(tmp_path, "a.csv", "sequence,label\nACGT,donor\nGGGG,none\nTTTT,1\n")
    assert read_labelled(table, 3, task="auto", classes=("none", "donor")).labels.tolist() == [1, 0, 1]
    with pytest.raises(FormatError, match=r":2: label 'donor' is not an integer; .* name them with --classes"):
        read_labelled(table, 3, task="auto")


def test_held_out_sets_may_lack_classes(tmp_path: Path) -> None:
    table = write(tmp_path, "a.csv", "sequence,label\nACGT,0\nGGGG,2\n")
    with pytest.raises(FormatError, match=r":3: label 2, but no row has label 1"):
        read_labelled(table, 3)
    assert read_labelled(table, 3, held_out=True).labels.tolist() == [0, 2]
    bases = write(tmp_path, "b.csv", "sequence,label\nACGT,0.20\n")
    assert read_labelled(bases, 3, task="tokens", held_out=True).labels.tolist() == [0, -1, 2, 0]
    with pytest.raises(FormatError, match="has label 1; a classifier needs two classes"):
        read_labelled(write(tmp_path, "c.csv", "sequence,label\nACGT,1\n"), 3, held_out=True)


BED = "chr1\t0\t6\ta\t1\t-\nchr1\t2\t10\tb\t0\t+\n"


def test_regions_of_a_genome(tmp_path: Path) -> None:
    genome = write(tmp_path, "g.fa", ">chr1\nACGTTGCATTACCA\n")
    bed = write(tmp_path, "a.bed", BED)
    found, classes = read_set(bed, 3, Source(genome=genome))
    assert [found.windows[0], found.windows[1]] == [b"CAACGT", b"GTTGCATT"]
    assert found.labels.tolist() == [1, 0]
    assert classes is None
    bed.write_text("1\t0\t6\tyes\n1\t2\t10\tno\n")
    found, _ = read_set(bed, 3, Source(genome=genome, classes=("no", "yes")))
    assert (found.labels.tolist(), found.windows[0]) == ([1, 0], b"ACGTTG")
    for text, message in (
        ("chr1\t0\t6\n", r"a\.bed:1: no label in column 4"),
        (BED + "chr1\t0\t6\tc\n", r"a\.bed:3: no label in column 5"),
        (BED + "chr1\t0\t2\tc\t1\n", r"a\.bed:3: a window of 2 bases is shorter than one 3-mer"),
        (BED + "chr9\t0\t6\tc\t1\n", r"a\.bed:3: contig chr9 is not in the genome"),
        ("chr1\t0\t6\ta\t1\nchr1\t1\t7\ta\tx\n", r"a\.bed:2: label 'x' is not an integer"),
    ):
        bed.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_set(bed, 3, Source(genome=genome))
    with pytest.raises(FormatError, match="give the genome they lie on with --genome"):
        read_set(bed, 3, Source())
    with pytest.raises(FormatError, match="leave --labels out"):
        read_set(bed, 3, Source(genome=genome, labels=bed))
