"""Readers of sequences and labelled tables: every form gives the same bases, every fault one line with its place."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.io import rows, sequences
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.io.sequences import sequence_units

DATA = Path(__file__).parent.parent / "data" / "labelled"


def strings(windows: sequences.Windows) -> list[str]:
    return [windows[i].decode() for i in range(len(windows))]


def kmers(bases: str, k: int) -> str:
    return " ".join(bases[i : i + k] for i in range(len(bases) - k + 1))


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


ROWS = [("ACGTACGTAC", 1), ("GGGTTTNNacgtu", 0), ("TTTTTT", 1)]


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("k", [None, 3, 6])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("final", [False, True])
def test_every_form_of_a_table_reads_the_same(
    tmp_path: Path, separator: str, end: str, k: int | None, packed: bool, final: bool
) -> None:
    lines = [f"sequence{separator}label"]
    lines += [f"{bases if k is None else kmers(bases, k)}{separator}{label}" for bases, label in ROWS]
    text = (end.join(lines) + (end if final else "")).encode()
    table = read_labelled(write(tmp_path, gzip.compress(text) if packed else text), 6)
    assert strings(table.windows) == [bases for bases, _ in ROWS]
    assert table.labels.tolist() == [label for _, label in ROWS]
    assert table.labels.dtype == np.int64
    assert table.names == ["1", "2", "3"]


@given(st.text("ACGTNacgtu", min_size=6, max_size=60), st.integers(3, 6))
@settings(max_examples=60)
def test_kmer_text_spells_its_bases(bases: str, k: int) -> None:
    assert rows._bases(kmers(bases, k).encode(), 1, "f") == bases.encode()


def test_real_tables(tmp_path: Path) -> None:
    promoters = read_labelled(DATA / "prom_300_tata_60.csv.gz", 6)
    assert len(promoters) == 60
    assert set(promoters.windows.lengths.tolist()) == {300}
    ctcf = read_labelled(DATA / "ctcf_6mer_40.tsv.gz", 6)
    assert set(ctcf.windows.lengths.tolist()) == {101}
    with gzip.open(DATA / "ctcf_6mer_40.tsv.gz", "rt") as lines:
        first = lines.readlines()[1].split("\t")[0]
    assert kmers(strings(ctcf.windows)[0], 6) == first


def test_columns_go_by_their_names_whatever_the_order(tmp_path: Path) -> None:
    text = '\ufeffLabel,extra,"name",SEQUENCE\n1,x,"first, with comma",ACGTACGT\n\n0,y,second,"TTTTTTTT"\n'
    table = read_labelled(write(tmp_path, text), 3)
    assert (strings(table.windows), table.labels.tolist()) == (["ACGTACGT", "TTTTTTTT"], [1, 0])
    assert table.names == ["first, with comma", "second"]


def test_fasta_gives_names_and_bases(tmp_path: Path) -> None:
    text = "\n>one  a description\r\nACGT\r\nAC\r\n>two\nNNryk\n\n>empty\n>last\nAAAA"
    (unit,) = sequence_units(write(tmp_path, text, "a.fa"))
    assert unit.names == ["one", "two", "empty", "last"]
    assert strings(unit.windows) == ["ACGTAC", "NNryk", "", "AAAA"]


def test_units_hold_4096_sequences_and_depend_on_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    drawn = ["".join(random.choice(list("ACGT"), random.integers(3, 30))) for _ in range(9000)]
    text = "sequence\n" + "\n".join(drawn) + "\n"
    path = write(tmp_path, text)
    whole = list(sequence_units(path))
    assert [len(unit.windows) for unit in whole] == [4096, 4096, 808]
    assert [unit.first for unit in whole] == [0, 4096, 8192]
    assert [text for unit in whole for text in strings(unit.windows)] == drawn
    assert whole[1].names[0] == "4097"
    monkeypatch.setattr(rows, "_CHUNK", 7)
    again = list(sequence_units(path))
    assert [strings(unit.windows) for unit in again] == [strings(unit.windows) for unit in whole]


def test_a_unit_ends_when_its_bases_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "UNIT_BASES", 10)
    path = write(tmp_path, "".join(f">{i}\n{'A' * 6}\n" for i in range(5)), "a.fa")
    assert [unit.names for unit in sequence_units(path)] == [["0", "1"], ["2", "3"], ["4"]]


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, gzip.compress(b">a\nACGT\n"))
    with open(path, "rb") as binary:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(binary))
        (unit,) = sequence_units("-")
        assert strings(unit.windows) == ["ACGT"]
        assert not binary.closed


FAULTS = {
    "no column 'label'": ("sequence\nACGTACGT\n", ":1: no column 'label' in the first line"),
    "no column 'sequence'": ("seq,label\nACGTACGT,1\n", ":1: no column 'sequence' in the first line ('seq,label')"),
    "no header": ("ACGTACGT,1\nACGTACGT,0\n", ":1: no column 'sequence' in the first line ('ACGTACGT,1')"),
    "no rows": ("sequence,label\n", ": no rows after the header"),
    "empty": ("", ": empty"),
    "one class": ("sequence,label\nACGTACGT,1\nACGTACGA,1\n", ": every one of the 2 rows has label 1"),
    "word label": ("sequence,label\nACGTACGT,1\nACGTACGT,yes\n", ":3: label 'yes' is not an integer"),
    "negative label": ("sequence,label\nACGTACGT,-1\n", ":2: label '-1' is not an integer"),
    "float label": ("sequence,label\nACGTACGT,1.0\n", ":2: label '1.0' is not an integer"),
    "empty label": ("sequence,label\nACGTACGT,\n", ":2: label '' is not an integer"),
    "endless label": ("sequence,label\nACGTACGT,99999999999999999999\n", ":2: label '99999999999999999999' is not"),
    "endless quotes": (f'sequence,label\n"{"A" * 200_000}",1\n', ":2: field larger than field limit"),
    "skipped label": ("sequence,label\nACGTACGT,0\n\nACGTACGT,2\n", ":4: label 2, but no row has label 1"),
    "short": ("sequence,label\nACGTACGT,0\nACGTA,1\n", ":3: the sequence has 5 bases, fewer than k = 6"),
    "fields": ("sequence,label\nACGTACGT,0,3\n", ":2: 3 columns, but the first line names 2"),
    "broken k-mers": ("sequence,label\nACGTAC CGTACC,0\nACG CGT TTT,1\n", ":3: words that are not k-mers"),
    "digits": ("sequence,label\nACGTACGT,0\nACGT4CGT,1\n", ":3: '4' in the sequence 2"),
    "gap": ("sequence,label\nACGTACGT,0\nACGT-CGT,1\n", ":3: '-' in the sequence 2"),
    "FASTA": (">a\nACGTACGT\n", ":1: FASTA without a label in the header"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_labelled_tables_name_their_line(tmp_path: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    path = write(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        read_labelled(path, 6)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": empty"),
        ("\n\n", ": empty"),
        ("sequence,label\n", ": no sequences"),
        (">\nACGT\n", ":1: a record without a name"),
        (">a\nACGT\n>b\nAC>GT\n", ":3: '>' in the sequence b"),
    ],
)
def test_faults_of_sequences(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        list(sequence_units(path))
    assert str(caught.value).startswith(f"{path}{message}")


def test_missing_folder_and_truncated_gzip(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.csv: cannot be read: No such file"):
        read_labelled(tmp_path / "none.csv", 3)
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        read_labelled(tmp_path, 3)
    whole = gzip.compress(b"sequence,label\n" + b"ACGTACGT,0\nACGTACGA,1\n" * 500, mtime=0)
    for wrong in (whole[:-20], whole[:40] + b"xxxxx" + whole[45:]):
        with pytest.raises(FormatError, match="truncated or damaged gzip"):
            read_labelled(write(tmp_path, wrong, "cut.csv.gz"), 3)


@given(st.binary(max_size=40) | st.text('ACGTacgt012,\t\n\r "></N', max_size=60).map(str.encode), st.booleans())
@settings(max_examples=300)
def test_any_bytes_read_or_give_one_line(tmp_path_factory: pytest.TempPathFactory, text: bytes, header: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"sequence,label\n" + text if header else text)
    for read in (lambda: list(sequence_units(path)), lambda: read_labelled(path, 3)):
        said = str(path)
        try:
            read()
        except FormatError as wrong:
            said = str(wrong)
        assert said.startswith(str(path))
        assert "\n" not in said
