"""`mutate` from files to files: the original's example to the letter, tables against scores made by hand, and maps."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast import load
from dnabert_fast.engine.scores import log_odds_ratio, weighted_difference
from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.seq.batch import Windows
from dnabert_fast.workflows.mutate import mutate
from dnabert_fast.workflows.variants import variants

Rows = list[dict[str, str]]


def table(path: Path) -> Rows:
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def odds(folder: Path, sequences: list[str]) -> np.ndarray:
    """Log-odds of sequences, one by one."""
    model = load(folder)
    logits = [model.logits(model.prepare(Windows.from_strings([sequence]))) for sequence in sequences]
    return model.readout().score(np.concatenate(logits))


def test_the_originals_example_is_made_to_the_letter(
    tmp_path: Path, data: Path, make_model: Callable[..., Path]
) -> None:
    """Its sixth row is a deletion that the original wrote as "nan"; ours is the row without that base."""
    examples, model = data / "dnabert", make_model(preset="small")
    dev, given = examples / "prom-core_70nt_326.tsv.gz", examples / "example_mut_file.txt"
    facts = mutate(model=str(model), output=tmp_path / "o", sequences=dev, mutations=given)
    made = (tmp_path / "o" / "mutated.tsv").read_text().splitlines()
    right = (examples / "mutated_dev.tsv").read_text().splitlines()
    assert made[:5] == right[:5]
    kmers, row = made[5].split("\t")
    assert (row, len(kmers.split())) == ("325", 64)  # 69 bases
    theirs = right[5].split("\t")[0].split()
    assert "nan" in theirs[8]
    spelt = kmers.replace(" ", "")[:6] + "".join(word[-1] for word in kmers.split()[1:])
    nan = theirs[0] + "".join(word[-1] for word in theirs[1:])
    assert spelt == nan.replace("nan", "")
    assert (facts["windows"], facts["mutants"]) == (6, 6)

    rows = table(tmp_path / "o" / "scores.tsv")
    assert [(r["ref"], r["alt"]) for r in rows] == [
        ("A", "G"),
        ("C", "T"),
        ("A", "C"),
        ("C", "A"),
        ("", "A"),
        ("G", ""),
    ]
    for line, row in zip(made, rows, strict=True):
        kmers = line.split("\t")[0].split()
        changed = kmers[0] + "".join(word[-1] for word in kmers[1:])
        start, end = int(row["start"]), int(row["end"])
        before = changed[:start] + row["ref"] + changed[start + len(row["alt"]) :]
        assert end - start == len(row["ref"])
        check(row, *odds(model, [before, changed]))


def check(row: dict[str, str], ref: float, alt: float) -> None:
    """The four numbers of a row against log-odds."""
    one, other = np.array([ref]), np.array([alt])
    wanted = {
        "p_ref": 1 / (1 + np.exp(-ref)),
        "p_alt": 1 / (1 + np.exp(-alt)),
        "difference": weighted_difference(one, other)[0],
        "log_odds_ratio": log_odds_ratio(one, other)[0],
    }
    for name, value in wanted.items():
        assert float(row[name]) == pytest.approx(value, abs=5e-5), name


def test_mutations_come_out_in_the_order_of_their_file(tmp_path: Path, make_model: Callable[..., Path]) -> None:
    (tmp_path / "s.fa").write_text(">a\nACGTACGTAC\n>b\nGGGTTTCCCA\n")
    (tmp_path / "m.txt").write_text("1\t0\t1\tT\n0\t10\t10\tGG\n1\t2\t5\t\n0\t0\t10\tTTTT\n")
    mutate(model=str(make_model()), output=tmp_path / "o", sequences=tmp_path / "s.fa", mutations=tmp_path / "m.txt")
    lines = [line.split("\t") for line in (tmp_path / "o" / "mutated.tsv").read_text().splitlines()]
    spelt = [kmers.split()[0] + "".join(word[-1] for word in kmers.split()[1:]) for kmers, _ in lines]
    assert spelt == ["TGGTTTCCCA", "ACGTACGTACGG", "GGTCCCA", "TTTT"]
    assert [row for _, row in lines] == ["1", "0", "1", "0"]
    rows = table(tmp_path / "o" / "scores.tsv")
    for bases, row in zip(spelt, rows, strict=True):
        check(row, *odds(make_model(), [["ACGTACGTAC", "GGGTTTCCCA"][int(row["row"])], bases]))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("2\t0\t1\tA", r"m\.txt:2: row 2, but .*s\.fa has the rows 0 to 1"),
        ("1\t5\t11\tA", r"m\.txt:2: bases 5 to 11, but row 1 of .*s\.fa has 10"),
        ("0\t0\t9\t", r"m\.txt:2: leaves 1 bases of row 0"),
    ],
)
def test_alleles_that_do_not_fit_are_named(
    tmp_path: Path, make_model: Callable[..., Path], line: str, why: str
) -> None:
    (tmp_path / "s.fa").write_text(">a\nACGTACGTAC\n>b\nGGGTTTCCCA\n")
    (tmp_path / "m.txt").write_text(f"0\t0\t1\tA\n{line}\n")
    with pytest.raises(FormatError, match=why):
        mutate(
            model=str(make_model()), output=tmp_path / "o", sequences=tmp_path / "s.fa", mutations=tmp_path / "m.txt"
        )
    assert not (tmp_path / "o").exists()


def test_every_change_of_a_region(tmp_path: Path, make_model: Callable[..., Path], grch38: Path, chr20: bytes) -> None:
    """Twenty bases, all substitutions and deletions of up to three, filled from the genome; with a picture."""
    model, start = make_model(), 1_000_000
    facts = mutate(
        grch38, model=str(model), output=tmp_path / "o", region=["20:1,000,001-1,000,020"], longest=3, gradients=4,
        picture=True, summary=tmp_path / "facts.json",
    )  # fmt: skip
    window = chr20[start : start + 20].decode()
    name = "chr20:1000001-1000020"
    scored = table(tmp_path / "o" / "scores.tsv")
    assert len(scored) == 60
    for row in scored[::7]:
        at = int(row["position"]) - start - 1
        assert (row["window"], row["ref"]) == (name, window[at])
        check(row, *odds(model, [window, window[:at] + row["alt"] + window[at + 1 :]]))
    deleted = table(tmp_path / "o" / "deletions.tsv")
    assert len(deleted) == 20 + 19 + 18
    for row in deleted[::5]:
        at, gone = int(row["position"]) - start - 1, int(row["length"])
        assert row["deleted"] == window[at : at + gone]
        behind = chr20[start + 20 : start + 20 + gone].decode()
        check(row, *odds(model, [window, window[:at] + window[at + gone :] + behind]))
    bases = table(tmp_path / "o" / "bases.tsv")
    assert "".join(row["base"] for row in bases) == window
    attention = load(model).attention([window]).scores
    np.testing.assert_allclose([float(row["attention"]) for row in bases], attention, rtol=1e-4)
    for at in (0, 7, 19):
        own = [row for row in scored if int(row["position"]) == start + 1 + at]
        moved = np.log(2) * np.mean([abs(float(row["log_odds_ratio"])) for row in own])
        assert float(bases[at]["effect"]) == pytest.approx(moved, rel=1e-3)
        assert {row["attention"] for row in own} == {bases[at]["attention"]}
    assert set(facts["agreement"]) == {"attention_effect", "attention_gradient", "effect_gradient"}
    assert facts["agreement"]["attention_effect"]["low"] is None  # of one window there is no interval
    assert sorted(os.listdir(tmp_path / "o")) == [
        "bases.tsv", "deletions.tsv", "map.chr20_1000001-1000020.png", "map.chr20_1000001-1000020.svg", "scores.tsv"
    ]  # fmt: skip
    assert json.loads((tmp_path / "facts.json").read_text())["mutants"] == 60 + 57


def test_variants_have_the_scores_of_the_verb_variants(
    tmp_path: Path, make_model: Callable[..., Path], grch38: Path, make_vcf: Callable[..., Path], chr20: bytes
) -> None:
    """An SNV and a deletion in one region, read backwards, and an SNV outside; SNVs are in the map's table too."""
    base = [chr20[at - 1 : at].decode() for at in (1_000_010, 1_000_015, 1_000_016, 1_000_500)]
    other = {"A": "G", "C": "T", "G": "A", "T": "C"}
    snv = f"chr20 1000010 {base[0]} {other[base[0]]}"
    vcf = make_vcf([snv, f"chr20 1000015 {base[1]}{base[2]} {base[1]}", f"chr20 1000500 {base[3]} {other[base[3]]}"])
    bed = tmp_path / "w.bed"
    bed.write_text("chr20\t1000000\t1000030\tw\t0\t-\n")
    model = str(make_model())
    facts = mutate(grch38, model=model, output=tmp_path / "o", variants=vcf, windows=bed, picture=True, longest=2)
    variants(vcf, grch38, model=model, output=tmp_path / "v.tsv", windows=bed, precision="fp32")
    ours, theirs = table(tmp_path / "o" / "variants.tsv"), table(tmp_path / "v.tsv")
    assert len(ours) == 2
    for row, wanted in zip(ours, theirs, strict=False):
        assert (row["ref"], row["alt"], row["window"]) == (wanted["REF"], wanted["ALT"], "chr20:1000001-1000030(-)")
        for name, field in (("p_ref", "REF"), ("p_alt", "ALT"), ("difference", "DIFF"), ("log_odds_ratio", "LOGOR")):
            assert float(row[name]) == pytest.approx(float(wanted[f"DNABERT_{field}"]), abs=2e-5)
    assert (facts["alleles"], facts["scored"], facts["reasons"]) == (3, 2, {"OUTSIDE": 1})
    [same] = [
        row for row in table(tmp_path / "o" / "scores.tsv")
        if (row["position"], row["alt"]) == ("1000010", other[base[0]])
    ]  # fmt: skip
    assert float(same["difference"]) == pytest.approx(float(ours[0]["difference"]), abs=2e-5)
    [gone] = [
        row for row in table(tmp_path / "o" / "deletions.tsv") if (row["position"], row["length"]) == ("1000016", "1")
    ]
    assert float(gone["difference"]) == pytest.approx(float(ours[1]["difference"]), abs=2e-5)


def test_alleles_are_normalized_on_demand(
    tmp_path: Path, make_model: Callable[..., Path], make_vcf: Callable[..., Path], grch38: Path
) -> None:
    genome, model = tmp_path / "g.fa", str(make_model())
    genome.write_text(">c\n" + "ACGTTGCAAG" * 10 + "CA" * 5 + "GTTACGGATC" * 10 + "\n")
    vcf = make_vcf(["c 108 ACA A"])
    for normalize in (True, False):
        given: dict[str, Any] = {"model": model, "window": 40, "normalize": normalize}
        mutate(genome, output=tmp_path / "o", variants=vcf, **given)
        variants(vcf, genome, output=tmp_path / "v.tsv", precision="fp32", **given)
        [ours], [theirs] = table(tmp_path / "o" / "variants.tsv"), table(tmp_path / "v.tsv")
        assert float(ours["p_alt"]) == pytest.approx(float(theirs["DNABERT_ALT"]), abs=2e-5)
        assert ours["window"] == ("c:81-120" if normalize else "c:89-128")
    with pytest.raises(DnabertError, match="--normalize is of the alleles of --variants"):
        mutate(grch38, model=model, output=tmp_path / "o", region=["chr20:1001-1100"], normalize=True)


def test_many_sequences_of_any_length(tmp_path: Path, make_model: Callable[..., Path]) -> None:
    """More than are held at a time, some of one name; the intervals are of windows."""
    random = np.random.default_rng(3)
    lengths = random.integers(5, 12, 300)
    texts = ["".join(random.choice(list("ACGTN"), n)) for n in lengths]
    (tmp_path / "s.fa").write_text("".join(f">s{i // 2}\n{text}\n" for i, text in enumerate(texts)))
    facts = mutate(model=str(make_model()), output=tmp_path / "o", sequences=tmp_path / "s.fa")
    rows = table(tmp_path / "o" / "scores.tsv")
    known = sum(text.count(letter) for text in texts for letter in "ACGT")
    assert len(rows) == facts["mutants"] == 3 * known + 4 * (lengths.sum() - known)
    agreement = facts["agreement"]["attention_effect"]
    assert agreement["low"] < agreement["spearman"] < agreement["high"]
    assert agreement["windows"] > 250
    last = rows[-1]
    assert (last["window"], last["position"]) == ("s149", str(lengths[-1]))


def test_a_regression_has_values_and_no_odds(tmp_path: Path, make_model: Callable[..., Path]) -> None:
    (tmp_path / "s.fa").write_text(">a\nACGTACGTAC\n")
    folder = make_model("sequence", ("value",), regression=True)
    mutate(model=str(folder), output=tmp_path / "o", sequences=tmp_path / "s.fa", picture=True)
    row = table(tmp_path / "o" / "scores.tsv")[0]
    assert "log_odds_ratio" not in row
    moved = float(row["value_alt"]) - float(row["value_ref"])
    assert float(row["difference"]) == pytest.approx(moved, abs=1e-4)


@pytest.mark.parametrize(
    ("region", "why"),
    [
        ("chr20:63999990-64000200", "contig chr20 has the bases 1 to 4,000,000"),
        ("chr20:0-20", "contig chr20 has the bases 1 to"),
        ("chr20:30-20", "contig chr20 has the bases 1 to"),
        ("chr9:1-20", "has no contig chr9"),
        ("chr20", "write CONTIG:START-END"),
        ("chr20:100-101", "2 bases are fewer than one 3-mer"),
    ],
)
def test_regions_that_the_genome_has_not_are_refused(
    tmp_path: Path, make_model: Callable[..., Path], grch38: Path, region: str, why: str
) -> None:
    with pytest.raises(DnabertError, match=why):
        mutate(grch38, model=str(make_model()), output=tmp_path / "o", region=[region])
    assert not (tmp_path / "o").exists()


def test_a_window_too_long_for_the_model_is_named(
    tmp_path: Path, make_model: Callable[..., Path], make_vcf: Callable[..., Path], grch38: Path
) -> None:
    fasta = tmp_path / "s.fa"
    fasta.write_text(f">short\nACGTA\n>long\n{'ACGTA' * 120}\n")
    said = "600 bases, but this model scores windows of 3 to 512 bases; give such windows"
    for name, given in (
        ("chr20:3001-3600", {"genome": grch38, "region": ["chr20:2001-2100", "chr20:3001-3600"]}),
        ("long", {"sequences": fasta}),
    ):
        with pytest.raises(DnabertError, match=f"^{name}: {said}"):
            mutate(model=str(make_model()), output=tmp_path / "o", **given)
    bed, vcf = tmp_path / "w.bed", make_vcf(["chr20 3100 N A"])
    bed.write_text("chr20\t3000\t3100\nchr20\t3000\t3600\n")
    with pytest.raises(DnabertError, match=rf"w\.bed:2: {said}"):
        mutate(grch38, model=str(make_model()), output=tmp_path / "o", variants=vcf, windows=bed)


def test_what_does_not_go_together_is_refused(tmp_path: Path, make_model: Callable[..., Path], grch38: Path) -> None:
    model, out, fasta = str(make_model()), tmp_path / "o", tmp_path / "s.fa"
    fasta.write_text(">a\nACGTACGTAC\n")
    cases = [
        ({}, "no windows: give GENOME"),
        ({"genome": grch38}, "no windows"),
        ({"region": ["chr20:1-9"]}, "--region needs GENOME"),
        ({"genome": grch38, "sequences": fasta}, "--sequences takes no GENOME"),
        ({"genome": grch38, "region": ["chr20:1-9"], "variants": "x.vcf"}, "--region and --variants"),
        ({"genome": grch38, "region": ["chr20:1-9"], "window": 9}, "say where --variants stand"),
        ({"genome": grch38, "region": ["chr20:1-9"], "mutations": fasta}, "--mutations are of rows of --sequences"),
        ({"sequences": fasta, "mutations": fasta, "picture": True}, "leave the other flags out"),
        ({"genome": grch38, "variants": "x.vcf", "windows": "no.bed"}, "no.bed: no such file"),
        ({"genome": grch38, "variants": "x.vcf", "windows": fasta, "window": 9}, "leave it or --windows out"),
    ]
    for given, why in cases:
        with pytest.raises(DnabertError, match=why):
            mutate(model=model, output=out, **given)
    with pytest.raises(DnabertError, match="has no classification or regression head"):
        mutate(model=str(make_model("none", ())), output=out, sequences=fasta)
    out.mkdir()
    (out / "scores.tsv").write_text(">a\nACGTACGTAC\n")
    with pytest.raises(DnabertError, match=r"scores\.tsv.* is an input too"):
        mutate(model=model, output=out, sequences=out / "scores.tsv")
    with pytest.raises(DnabertError, match="is a file; give a folder name for the output"):
        mutate(model=model, output=fasta, sequences=fasta)
