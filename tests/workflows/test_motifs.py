"""The verb motifs: every file against what was found, CTCF out of real attention, empty results, and wrong inputs."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast import DnabertError, load, motifs
from dnabert_fast.analysis.base_scores import WAYS, base_scores
from dnabert_fast.analysis.regions import high_regions
from dnabert_fast.errors import FormatError, MissingExtra
from dnabert_fast.io.meme import read_motifs
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.seq.batch import Windows
from dnabert_fast.workflows.attention import attention

MakeModel = Callable[..., Path]
TABLES = ("motifs.tsv", "strings.tsv", "sites.tsv")


def read_table(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def planted(path: Path, n: int = 80, classes: tuple[str, ...] = ("0", "1")) -> Path:
    """Sequences, every other one with a site."""
    rng = np.random.default_rng(0)
    rows = []
    for row in range(n):
        text = "".join(rng.choice(list("ACGT"), 40))
        rows.append(f"{text[:14]}GATTACACC{text[23:] if row % 2 else text[14:]}"[:40] if row % 2 else text)
    path.write_text("sequence\tlabel\n" + "".join(f"{text}\t{classes[i % 2]}\n" for i, text in enumerate(rows)))
    return path


@pytest.fixture
def ctcf(data: Path) -> dict[str, Any]:
    folder = data / "motifs"
    return {"sequences": folder / "ctcf_400.tsv.gz", "scores": str(folder / "ctcf_400_attention.npz")}


def test_ctcf_is_what_a_model_of_ctcf_attends_to(ctcf: dict[str, Any], data: Path, tmp_path: Path) -> None:
    known = data / "motifs" / "jaspar_31.pfm"
    facts = motifs(**ctcf, output=tmp_path / "out", quantile=0.8, database=known, logos=False)
    best = facts["motifs"][0]
    assert (best["match"], best["match_name"]) == ("MA0139.1", "CTCF")
    assert best["match_q"] < 1e-5
    assert facts["notes"] == []
    matches = read_table(tmp_path / "out" / "matches.tsv")
    assert (matches[0]["motif"], matches[0]["target"], matches[0]["name"]) == ("motif_1", "MA0139.1", "CTCF")
    assert all(float(row["q"]) <= 0.5 for row in matches)
    assert float(matches[0]["E"]) == pytest.approx(31 * float(matches[0]["p"]), rel=0.01)


def test_every_file_says_the_same(ctcf: dict[str, Any], tmp_path: Path) -> None:
    facts = motifs(**ctcf, output=tmp_path / "out", quantile=0.8, width=20)
    out = tmp_path / "out"
    rows = read_table(out / "motifs.tsv")
    assert [row["motif"] for row in rows] == [f"motif_{i + 1}" for i in range(len(rows))]
    assert len(rows) == len(facts["motifs"]) >= 3
    full, trimmed = read_motifs(out / "motifs.meme"), read_motifs(out / "trimmed.meme")
    sites = read_table(out / "sites.tsv")
    texts = [line.split("\t")[0] for line in gzip.decompress(ctcf["sequences"].read_bytes()).decode().splitlines()[1:]]
    for row, whole, part in zip(rows, full, trimmed, strict=True):
        own = [site for site in sites if site["motif"] == row["motif"]]
        assert len(own) == int(row["sites"]) == whole.sites
        assert (len(whole.matrix), len(part.matrix)) == (20, int(row["last"]) - int(row["first"]))
        assert int(row["positives"]) + int(row["negatives"]) == int(row["sequences"])
        for site in own:
            bases = site["bases"] if site["strand"] == "+" else turned(site["bases"])
            text = texts[int(site["sequence"]) - 1]
            assert bases.strip("-") == text[int(site["start"]) : int(site["end"])]
            assert len(bases) == 20
        column = [sum(site["bases"][9] == base for site in own) for base in "ACGT"]
        assert np.abs(whole.matrix[9] - np.array(column) / max(1, sum(column))).max() < 1 / (1 + sum(column))
    strings = read_table(out / "strings.tsv")
    assert all(float(row["adjusted_p"]) < 0.005 for row in strings)
    assert strings[0]["string"] == rows[0]["string"]
    pictures = sorted(path.name for path in out.glob("motif_*.png"))
    assert pictures == sorted(name for name in facts["pictures"] if name.endswith(".png"))
    assert len(pictures) == len(rows)
    assert json.loads((out / "summary.json").read_text())["motifs"][0]["consensus"] == rows[0]["consensus"]


def turned(text: str) -> str:
    return text.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def test_equal_runs_have_equal_bytes_and_leave_no_stale_pictures(ctcf: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        motifs(**ctcf, output=tmp_path / name, quantile=0.8)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert "motif_2.png" in names
    for name in names - {"summary.json"}:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    motifs(**ctcf, output=tmp_path / "a", quantile=0.8, cutoff=1e-12)
    assert not list((tmp_path / "a").glob("motif_*"))


def test_no_motif_is_a_result(ctcf: dict[str, Any], data: Path, tmp_path: Path) -> None:
    facts = motifs(**ctcf, output=tmp_path / "out", cutoff=1e-12, database=data / "motifs" / "jaspar_31.pfm")
    assert facts["motifs"] == []
    assert any(text.startswith("no motif found") for text in facts["notes"])
    assert any("--quantile 0.8" in text for text in facts["notes"])
    for name in (*TABLES, "matches.tsv"):
        assert len((tmp_path / "out" / name).read_text().splitlines()) == 1
    assert (tmp_path / "out" / "motifs.meme").read_text().startswith("MEME version 4\n")


@pytest.mark.parametrize("way", WAYS)
def test_a_model_scores_the_bases_of_positives(make_model: MakeModel, tmp_path: Path, way: str) -> None:
    table, model = planted(tmp_path / "in.tsv"), load(make_model())
    facts = motifs(table, model=str(make_model()), output=tmp_path / "out", scores=way, quantile=0.5, cutoff=1.0)
    assert (facts["sequences"], facts["positives"]) == (80, 40)
    bound = Windows.from_strings([line.split("\t")[0] for line in table.read_text().splitlines()[2::2]])
    expected = high_regions(base_scores(model, bound, way), bound.offsets, quantile=0.5)
    assert facts["regions"] == len(expected) > 40
    strings = {bound[i][a:b].decode() for i, a, b in zip(expected.window, expected.start, expected.end, strict=True)}
    assert facts["candidates"] == len({min(text, turned(text)) for text in strings})


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_scores_of_the_verb_attention_give_the_same_files(make_model: MakeModel, tmp_path: Path, suffix: str) -> None:
    table, model = planted(tmp_path / "in.tsv"), str(make_model())
    attention(table, model=model, output=tmp_path / f"a{suffix}", raw=True)
    options = {"quantile": 0.5, "cutoff": 1.0, "min_sites": 1, "logos": False}
    motifs(table, model=model, output=tmp_path / "one", **options)
    motifs(table, scores=str(tmp_path / f"a{suffix}"), output=tmp_path / "two", **options)
    for name in TABLES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_two_files_are_positives_and_negatives(make_model: MakeModel, tmp_path: Path) -> None:
    rows = [line.split("\t") for line in planted(tmp_path / "in.tsv").read_text().splitlines()[1:]]
    for name, label in (("pos.fa", "1"), ("neg.fa", "0")):
        chosen = [text for text, own in rows if own == label]
        (tmp_path / name).write_text("".join(f">{name}{i}\n{text}\n" for i, text in enumerate(chosen)))
    options = {"model": str(make_model()), "quantile": 0.5, "cutoff": 1.0, "min_sites": 1, "logos": False}
    motifs(tmp_path / "in.tsv", output=tmp_path / "one", **options)
    motifs(tmp_path / "pos.fa", negatives=tmp_path / "neg.fa", output=tmp_path / "two", **options)
    for name in ("motifs.tsv", "strings.tsv", "motifs.meme"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_class_by_its_name(make_model: MakeModel, tmp_path: Path) -> None:
    labels = ("none", "donor", "acceptor")
    block = WindowBlock(k=3, window=40, anchor="centre", classes=labels, strand="+", pairs=False)
    model = str(make_model(labels=labels, block=block))
    table = planted(tmp_path / "in.tsv", classes=("none", "acceptor"))
    table.write_text(table.read_text() + "ACGTACGTACGTACG\tdonor\n")
    options = {"model": model, "quantile": 0.5, "cutoff": 1.0, "logos": False, "output": tmp_path / "out"}
    assert motifs(table, **options, class_name="acceptor")["positives"] == 40
    assert motifs(table, **options, class_name="donor")["positives"] == 1
    named = motifs(table, **options, class_name="acceptor", scores="mutagenesis")
    numbered = motifs(table, **options, class_name="2", scores="mutagenesis")
    assert {**named, "seconds": 0} == {**numbered, "seconds": 0}
    with pytest.raises(DnabertError, match="3 classes; say with --class"):
        motifs(table, **options)
    with pytest.raises(DnabertError, match="--class exon: the classes are none, donor, acceptor"):
        motifs(table, **options, class_name="exon")


def test_the_written_strand_alone(make_model: MakeModel, tmp_path: Path) -> None:
    facts = motifs(
        planted(tmp_path / "in.tsv"), model=str(make_model()), output=tmp_path / "out", both_strands=False, cutoff=1.0,
        quantile=0.5, min_sites=1, logos=False,
    )  # fmt: skip
    assert facts["both_strands"] is False
    assert "strands: +\n" in (tmp_path / "out" / "motifs.meme").read_text()
    assert {row["strand"] for row in read_table(tmp_path / "out" / "sites.tsv")} == {"+"}


def test_inputs_that_are_wrong(make_model: MakeModel, tmp_path: Path, data: Path) -> None:
    model, table = str(make_model()), planted(tmp_path / "in.tsv")
    bad = tmp_path / "bad.meme"
    bad.write_text("MEME version 4\n\nMOTIF a\nletter-probability matrix: alength= 4 w= 1\n0.5 0.2 0.1\n")
    out: dict[str, Any] = {"output": tmp_path / "out"}
    with pytest.raises(FormatError, match=r"bad\.meme:5: 3 numbers"):
        motifs(table, model=model, database=bad, **out)
    with pytest.raises(DnabertError, match="give --model, or a file of scores"):
        motifs(table, **out)
    with pytest.raises(FormatError, match=r"nowhere\.npz: cannot be read"):
        motifs(table, scores="nowhere.npz", **out)
    with pytest.raises(DnabertError, match="--quantile 2"):
        motifs(table, model=model, quantile=2.0, **out)
    with pytest.raises(DnabertError, match="--cutoff 0 "):
        motifs(table, model=model, cutoff=0.0, **out)
    short = tmp_path / "short.fa"
    short.write_text(">a\nACGTACGT\n>b\nAC\n")
    with pytest.raises(FormatError, match=r"short\.fa:3: the sequence has 2 bases, fewer than k = 3"):
        motifs(short, negatives=short, model=model, **out)
    one = tmp_path / "one.tsv"
    one.write_text("sequence\tlabel\nACGTACGT\t1\nACGTAAAT\t1\n")
    with pytest.raises(FormatError, match="a classifier needs two classes"):
        motifs(one, model=model, **out)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("sequence\tsequence2\tlabel\nACGTACGT\tACGTA\t1\nACGTAAAT\tACGTA\t0\n")
    with pytest.raises(FormatError, match="motifs are of single sequences"):
        motifs(pairs, model=model, **out)
    inside = tmp_path / "strings.tsv"
    inside.write_text(table.read_text())
    with pytest.raises(DnabertError, match=r"strings\.tsv is an input and would be replaced"):
        motifs(inside, model=model, output=tmp_path)


def test_a_model_without_a_head_has_attention_but_no_gradients(make_model: MakeModel, tmp_path: Path) -> None:
    table, model = planted(tmp_path / "in.tsv"), str(make_model("none", ()))
    assert motifs(table, model=model, output=tmp_path / "out", logos=False)["positives"] == 40
    with pytest.raises(DnabertError, match="head"):
        motifs(table, model=model, output=tmp_path / "out", scores="gradients")


def test_without_the_extras(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    table, model = planted(tmp_path / "in.tsv"), str(make_model())
    options: dict[str, Any] = {"model": model, "quantile": 0.5, "cutoff": 1.0, "min_sites": 1}
    monkeypatch.setitem(sys.modules, "logomaker", None)
    facts = motifs(table, output=tmp_path / "out", **options)
    assert facts["motifs"]
    assert any(re.search(r"no logos: .*dnabert-fast\[report\]", text) for text in facts["notes"])
    monkeypatch.setitem(sys.modules, "memelite", None)
    with pytest.raises(MissingExtra, match=r"dnabert-fast\[motifs\]"):
        motifs(table, output=tmp_path / "out", database=data / "motifs" / "jaspar_31.pfm", **options)


def test_few_known_motifs_are_said_to_be_few(ctcf: dict[str, Any], data: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.pfm"
    few.write_text(">".join((data / "motifs" / "jaspar_31.pfm").read_text().split(">")[:8]))
    facts = motifs(**ctcf, output=tmp_path / "out", quantile=0.8, database=few, logos=False)
    assert any("has 7 motifs; p-values of matches mean little" in text for text in facts["notes"])


def test_attention_of_a_loaded_model_is_what_is_searched(make_model: MakeModel, tmp_path: Path) -> None:
    """Only positives are scored: negatives' bases have no part in regions."""
    table = planted(tmp_path / "in.tsv")
    facts = motifs(table, model=str(make_model()), output=tmp_path / "out", quantile=0.9, logos=False)
    assert facts["model"] == load(make_model()).hash()
    rows = {int(row["sequence"]) for row in read_table(tmp_path / "out" / "sites.tsv")}
    assert all(row % 2 == 0 for row in rows)
