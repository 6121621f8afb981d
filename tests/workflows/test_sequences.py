"""Predictions, vectors and k-mers of files of sequences."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from oracle.kmers import kmer_ids

from dnabert_fast import DnabertError, load
from dnabert_fast.errors import FormatError
from dnabert_fast.workflows.sequences import embed, predict, tokenize

MakeModel = Callable[..., Path]
SEQUENCES = {
    "first": b"ACGTTGCATT",
    "short": b"AC",
    "lower": b"acgttnca",
    "empty": b"",
    "again": b"ACGTTGCATT",
    "long": b"TTGACA" * 30,
}
KEPT = {name: bases for name, bases in SEQUENCES.items() if len(bases) >= 3}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "sequences.fa"
    path.write_bytes(b"".join(b">%s a description\n%s\n" % (name.encode(), bases) for name, bases in SEQUENCES.items()))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


@pytest.mark.parametrize("name", ["out.tsv", "out.tsv.gz", "out.parquet"])
@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c")])
def test_a_row_a_sequence(
    make_model: MakeModel, fasta: Path, tmp_path: Path, name: str, labels: tuple[str, ...]
) -> None:
    folder = make_model("sequence", labels)
    facts = predict(fasta, model=str(folder), output=tmp_path / name, summary=tmp_path / "facts.json")
    assert (facts["sequences"], facts["shorter_than_k"]) == (6, 2)
    assert json.loads((tmp_path / "facts.json").read_text()) == facts
    expected = dict(zip(KEPT, load(folder).predict(list(KEPT.values())), strict=True))
    found = rows(tmp_path / name)
    assert [row["name"] for row in found] == list(SEQUENCES)
    for row in found:
        assert int(row["length"]) == len(SEQUENCES[row["name"]])
        if row["name"] not in expected:
            assert all(row[f"p_{label}"] in (".", None) for label in labels)
            assert row["predicted"] == "."
            continue
        values = [float(row[f"p_{label}"]) for label in labels]
        assert values == pytest.approx(expected[row["name"]].tolist(), abs=1e-5)
        assert row["predicted"] == labels[int(np.argmax(values))]
    assert found[0] | {"name": ""} == found[4] | {"name": ""}


def test_a_regression_gives_a_value(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    folder = make_model("sequence", ("signal",), regression=True)
    predict(fasta, model=str(folder), output=tmp_path / "out.tsv")
    found = rows(tmp_path / "out.tsv")
    assert list(found[0]) == ["name", "length", "value"]
    expected = load(folder).predict(list(KEPT.values()))[:, 0]
    assert [float(row["value"]) for row in found if row["value"] != "."] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("strand", ["-", "both"])
def test_strands(make_model: MakeModel, fasta: Path, tmp_path: Path, strand: str) -> None:
    predict(fasta, model=str(make_model()), output=tmp_path / "out.tsv", strand=strand)
    expected = load(make_model(), strand=strand).predict(list(KEPT.values()))[:, 1]
    found = [float(row["p_yes"]) for row in rows(tmp_path / "out.tsv") if row["p_yes"] != "."]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def test_tables_of_bases_and_of_kmers(make_model: MakeModel, data: Path, tmp_path: Path) -> None:
    model = load(make_model())
    for source, separator in (("prom_300_tata_60.csv.gz", ","), ("ctcf_6mer_40.tsv.gz", "\t")):
        text = gzip.decompress((data / "labelled" / source).read_bytes()).decode().splitlines()
        sequences = [row["sequence"] for row in csv.DictReader(text, delimiter=separator)]
        if separator == "\t":
            sequences = [words.split()[0] + "".join(word[-1] for word in words.split()[1:]) for words in sequences]
        facts = predict(data / "labelled" / source, model=str(make_model()), output=tmp_path / "out.tsv")
        found = [float(row["p_yes"]) for row in rows(tmp_path / "out.tsv")]
        assert facts["sequences"] == len(found) == len(sequences)
        assert found == pytest.approx(model.predict(sequences)[:, 1].tolist(), abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_a_vector_a_sequence(make_model: MakeModel, fasta: Path, tmp_path: Path, pooling: str, name: str) -> None:
    facts = embed(fasta, model=str(make_model()), output=tmp_path / name, pooling=pooling)
    assert (facts["sequences"], facts["shorter_than_k"], facts["pooling"]) == (6, 2, pooling)
    if name == "out.npy":
        found = np.load(tmp_path / name)
        assert (found.dtype, found.shape) == (np.float32, (6, 32))
    else:
        table = rows(tmp_path / name)
        assert [row.pop("name") for row in table] == list(SEQUENCES)
        found = np.array([[math.nan if cell is None else cell for cell in row.values()] for row in table])
    missing = np.array([sequence not in KEPT for sequence in SEQUENCES])
    assert np.isnan(found[missing]).all()
    expected = load(make_model()).embed(list(KEPT.values()), pooling)
    assert found[~missing] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("k", [3, 6])
@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz"])
def test_kmers_as_text_and_as_ids(fasta: Path, tmp_path: Path, k: int, name: str) -> None:
    def lines() -> list[str]:
        data = (tmp_path / name).read_bytes()
        return (gzip.decompress(data) if name.endswith("gz") else data).decode().split("\n")

    assert tokenize(fasta, k=k, output=tmp_path / name)["sequences"] == 6
    expected = [" ".join(s[i : i + k].decode() for i in range(len(s) - k + 1)) for s in SEQUENCES.values()]
    assert lines() == [*expected, ""]
    tokenize(fasta, k=k, output=tmp_path / name, ids=True)
    assert lines() == [*(" ".join(map(str, kmer_ids(s, k))) for s in SEQUENCES.values()), ""]


def test_what_cannot_be_done(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    model, bare = str(make_model()), str(make_model("none", ()))
    (tmp_path / "in" / "empty.fa").write_bytes(b"")
    (tmp_path / "in" / "table.csv").write_text("bases,label\nACGT,1\n")
    cases: list[tuple[Callable[[], object], type[DnabertError], str]] = [
        (lambda: predict(fasta, model=model, output=tmp_path / "o.txt"), FormatError, r"o\.txt: unknown kind of table"),
        (
            lambda: predict(fasta, model=bare, output=tmp_path / "o.tsv"),
            DnabertError,
            "no classification or regression",
        ),
        (lambda: embed(fasta, model=bare, output=tmp_path / "o.tsv"), FormatError, r"name it \.npy or \.parquet"),
        (
            lambda: embed(fasta, model=bare, output=tmp_path / "o.npy", pooling="max"),
            DnabertError,
            "choose mean or cls",
        ),
        (lambda: predict(fasta, model=model, output=tmp_path / "no" / "o.tsv"), FormatError, "does not exist"),
        (lambda: predict(fasta, model=model, output=tmp_path / "o.tsv", strand="x"), DnabertError, "--strand x"),
    ]
    for name, message in [("empty.fa", "empty"), ("missing.fa", "missing.fa"), ("table.csv", "sequence")]:
        path = tmp_path / "in" / name
        cases += [
            (lambda path=path: predict(path, model=model, output=tmp_path / "o.tsv"), FormatError, message),  # type: ignore[misc]
            (lambda path=path: embed(path, model=model, output=tmp_path / "o.npy"), FormatError, message),  # type: ignore[misc]
            (lambda path=path: tokenize(path, k=3, output=tmp_path / "o.txt"), FormatError, message),  # type: ignore[misc]
        ]
    for call, error, message in cases:
        with pytest.raises(error, match=message):
            call()
        assert os.listdir(tmp_path) == ["in"]


def test_a_sequence_too_long_for_the_head(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "in.fa").write_text(">a\nACGT\n>b\n" + "ACGT" * 200 + "\n")
    with pytest.raises(DnabertError, match=r"^sequence b: 800 bases, but this model scores windows of 3 to 512"):
        predict(tmp_path / "in.fa", model=str(make_model()), output=tmp_path / "out.tsv")
    assert os.listdir(tmp_path) == ["in.fa"]
    assert embed(tmp_path / "in.fa", model=str(make_model()), output=tmp_path / "out.npy")["sequences"] == 2


@pytest.mark.parametrize("verb", [predict, embed])
def test_letters_that_no_model_knows_are_counted_and_named(
    make_model: MakeModel, tmp_path: Path, verb: Callable[..., dict[str, Any]]
) -> None:
    rows = [b"ACGTNACG", b"acgurnnac", b"ACXGTJACG", b"NN", b"ACGT"]
    (tmp_path / "in.fa").write_bytes(b"".join(b">s\n%s\n" % row for row in rows))
    output = tmp_path / ("out.tsv" if verb is predict else "out.npy")
    facts = verb(tmp_path / "in.fa", model=str(make_model()), output=output)
    assert facts["unknown_letters"] == {"N": 5, "J": 1, "R": 1, "X": 1}
    assert facts["unknown_kmers"] == sum(list(kmer_ids(row, 3)).count(1) for row in rows) == 14
    told = "letters besides A, C, G and T: N 5, J 1, R 1, X 1; 3-mers over them, read as unknown: 14"
    assert facts["notes"] == [told]
    (tmp_path / "in.fa").write_bytes(b">s\nACGTU\n")
    facts = verb(tmp_path / "in.fa", model=str(make_model()), output=output)
    assert (facts["unknown_letters"], facts["unknown_kmers"], facts["notes"]) == ({}, 0, [])


def test_both_sequences_of_pairs_are_looked_at(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sequence,sequence2\nACGTN,ACRT\nACG,AC\n")
    facts = predict(tmp_path / "in.csv", model=str(make_model()), output=tmp_path / "out.tsv")
    assert (facts["unknown_letters"], facts["unknown_kmers"]) == ({"N": 1, "R": 1}, 3)
    assert (facts["sequences"], facts["shorter_than_k"]) == (2, 1)


@pytest.mark.parametrize("verb", [predict, embed])
def test_a_file_without_one_answer(make_model: MakeModel, tmp_path: Path, verb: Callable[..., dict[str, Any]]) -> None:
    (tmp_path / "in.fa").write_bytes(b">a\nAC\n>b\n\n")
    output = tmp_path / ("out.tsv" if verb is predict else "out.npy")
    facts = verb(tmp_path / "in.fa", model=str(make_model()), output=output)
    assert facts["notes"] == ["no sequence has an answer: all are shorter than one 3-mer"]
