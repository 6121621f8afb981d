"""Which alleles are judged and why others are not, files joined to each other, classifiers, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle.judged_variants import META, Row, made, table, values, write_vcf
from sklearn import metrics as sk

from dnabert_fast.errors import DnabertError
from dnabert_fast.io import open_table
from dnabert_fast.workflows import judge_variants as work
from dnabert_fast.workflows.judge_variants import judge_variants

CLINVAR = "CLNSIG=Pathogenic:Benign"


@pytest.fixture(autouse=True)
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures and pages: what is judged is the same without, and sooner known."""
    monkeypatch.setattr(work, "draw_pictures", lambda *_: {})
    monkeypatch.setattr(work, "variants_report", lambda *_: ("", "", []))


def judged(paths: list[Path], out: Path, truth: str = CLINVAR, **options: Any) -> dict[str, Any]:
    return judge_variants(paths, truth=truth, output=out, **{"resamples": 20, "classifiers": ["none"], **options})


def scores_of(rows: list[Row], field: str) -> list[str]:
    return [row.info.split(f"{field}=")[1].split(";")[0] for row in rows]


def without(meta: str, field: str) -> str:
    return "".join(line for line in meta.splitlines(keepends=True) if f"ID={field}," not in line)


def test_every_allele_that_is_left_out_is_counted_by_its_reason(tmp_path: Path) -> None:
    given = made()
    ours = "DNABERT_DIFF=.;DNABERT_b_LLR=.;DNABERT_FLAG={}"
    odd = [
        Row("chr9", 1, "A", "C", f"CLNSIG=Pathogenic;{ours.format('NO_CONTIG')}"),
        Row("chr9", 2, "A", "C", f"CLNSIG=Benign;{ours.format('NO_CONTIG')}"),
        Row("chr9", 3, "A", "<DEL>", f"CLNSIG=Benign;{ours.format('SYMBOLIC&NO_CONTIG')}"),
        Row("chr9", 4, "A", "C", "CLNSIG=Benign"),
        Row("chr9", 5, "A", "C", "CLNSIG=Benign;DNABERT_DIFF=0.5;DNABERT_b_LLR=.;DNABERT_FLAG=."),
        Row("chr9", 6, "A", "C", "DNABERT_DIFF=0.5;DNABERT_b_LLR=1;DNABERT_FLAG=."),
        Row("chr9", 7, "A", "C", "CLNSIG=.;DNABERT_DIFF=0.5;DNABERT_b_LLR=1;DNABERT_FLAG=."),
        Row("chr9", 8, "A", "C", "CLNSIG=Pathogenic|Benign;DNABERT_DIFF=0.5;DNABERT_b_LLR=1;DNABERT_FLAG=."),
        Row("chr9", 9, "A", "C,G", "CLNSIG=Benign;DNABERT_DIFF=0.5;DNABERT_b_LLR=1,2;DNABERT_FLAG=.,."),
    ]
    alone = '##INFO=<ID=DNABERT_b_FLAG,Number=A,Type=String,Description="x">\n'  # b was run by itself
    meta = META.replace("##INFO=<ID=DNABERT_FLAG", f"{alone}##INFO=<ID=DNABERT_FLAG")
    facts = judged([write_vcf(tmp_path / "in.vcf", [*given.rows, *odd], meta)], tmp_path / "out")
    assert (facts["alleles"], facts["judged"]) == (70, 60)
    assert facts["without_truth"] == {"no CLNSIG": 2, "CLNSIG is Pathogenic|Benign": 1}
    # A model whose own flags say nothing has nothing but "no value" to say.
    assert facts["without_score"] == {
        "NO_CONTIG, no value": 2, "SYMBOLIC&NO_CONTIG, no value": 1, "no value": 1,
    }  # fmt: skip
    assert facts["without_one_score"] == {
        "DNABERT_b_LLR": {"no value": 1}, "DNABERT_DIFF": {"another number of values than alleles": 2},
    }  # fmt: skip
    left_out = [row["left_out"] for row in table(tmp_path / "out" / "alleles.tsv.gz")]
    assert left_out[:60] == ["."] * 60
    assert left_out[64] == "DNABERT_b_LLR: no value"
    assert sum(sum(part.values()) for part in (facts["without_truth"], facts["without_score"])) + 3 + 60 == 70
    # Several models of one run have one field of flags.
    facts = judged([write_vcf(tmp_path / "one.vcf", [*given.rows, *odd])], tmp_path / "again")
    assert facts["without_score"] == {"NO_CONTIG": 2, "SYMBOLIC&NO_CONTIG": 1, "no value": 1}


def test_a_score_that_lacks_many_alleles_is_refused_or_asked_for(tmp_path: Path) -> None:
    given = made()
    rows = [
        replace(row, info=row.info.replace(f"LLR={given.ratio[i]}", "LLR=.")) if i < 10 else row
        for i, row in enumerate(given.rows)
    ]
    path = write_vcf(tmp_path / "in.vcf", rows)
    with pytest.raises(
        DnabertError,
        match=r"DNABERT_b_LLR has no value for 10 of 60 alleles that have a score \(chr1:1,000 is one; most often: no "
        r"value\), more than --max-missing 0.05",
    ):
        judged([path], tmp_path / "no")
    facts = judged([path], tmp_path / "out", max_missing=0.2)
    assert facts["judged"] == 50
    expected = sk.roc_auc_score(given.positive[10:], np.abs(given.difference[10:]))
    assert values(facts, "|DNABERT_DIFF|")["auroc"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["tsv", "parquet", "vcf"])
def test_another_file_adds_scores_of_the_same_alleles(tmp_path: Path, kind: str) -> None:
    """In another order, with other names of contigs, alleles written with more bases, and alleles of its own."""
    given = made()
    rows = [replace(row, info=row.info.split(";")[0]) for row in given.rows]
    first = write_vcf(tmp_path / "truth.vcf", rows, without(without(META, "DNABERT_DIFF"), "DNABERT_b_LLR"))
    order = np.random.default_rng(2).permutation(60)[:58]
    own = [given.rows[i] for i in order.tolist()]
    wide = [replace(row, contig=row.contig.removeprefix("chr"), ref="AT", alt="CT") for row in own]
    wide += [Row("X", 5, "A", "C", own[0].info), replace(wide[0], info=own[1].info)]  # the first of two counts
    path = tmp_path / f"scores.{kind}"
    if kind == "vcf":
        write_vcf(path, wide)
    else:
        columns = [("CHROM", "str"), ("POS", "int"), ("REF", "str"), ("ALT", "str")]
        columns += [("DNABERT_DIFF", "float"), ("DNABERT_b_LLR", "float")]
        with open_table(path, columns) as sink:
            numbers = [np.array(scores_of(wide, name), np.float32) for name in ("DNABERT_DIFF", "DNABERT_b_LLR")]
            places = np.array([row.position for row in wide])
            sink.write([[row.contig for row in wide], places, *([getattr(row, name) for row in wide]
                       for name in ("ref", "alt")), *numbers])  # fmt: skip
    facts = judged([first, path], tmp_path / "out")
    assert (facts["judged"], facts["without_score"]) == (58, {f"not in scores.{kind}": 2})
    kept = np.sort(order)
    found = values(facts, "|DNABERT_DIFF|")
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(given.positive[kept], np.abs(given.difference[kept])))
    assert values(facts, "-DNABERT_b_LLR")["auroc"] == pytest.approx(
        sk.roc_auc_score(given.positive[kept], -given.ratio[kept])
    )


def test_a_table_may_hold_the_truth_too(tmp_path: Path) -> None:
    given = made()
    path = tmp_path / "in.tsv"
    lines = [f"{row.contig}\t{row.position}\tA\tC\t{int(one)}\t{score}\n"
             for row, one, score in zip(given.rows, given.positive, given.difference, strict=True)]  # fmt: skip
    path.write_text("CHROM\tPOS\tREF\tALT\thit\tDNABERT_DIFF\n" + "".join(lines))
    facts = judged([path], tmp_path / "out", truth="hit")
    expected = sk.roc_auc_score(given.positive, np.abs(given.difference))
    assert values(facts, "|DNABERT_DIFF|")["auroc"] == pytest.approx(expected)


def test_classifiers_are_held_out_by_chromosome(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "in.vcf", made().rows)
    facts = judged([path], tmp_path / "out", classifiers=["logistic", "boosting"])
    assert list(facts["classifiers"]) == ["logistic classifier", "boosting classifier"]
    for about in facts["classifiers"].values():
        assert about["folds_are"] == "chromosomes"
        assert [(fold["alleles"], fold["positives"]) for fold in about["folds"]] == [(20, 10)] * 3
    assert facts["notes"] == []


def test_folds_of_a_single_chromosome_are_stretches_and_said_to_be(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "in.vcf", made(contigs=["chr20"]).rows)
    facts = judged([path], tmp_path / "out", classifiers=["logistic"])
    about = facts["classifiers"]["logistic classifier"]
    assert (about["folds_are"], len(about["folds"])) == ("stretches", 5)
    assert facts["notes"] == [
        "classifiers: all alleles lie on chr20, so folds are stretches of the genome, not chromosomes"
    ]
    few = write_vcf(tmp_path / "few.vcf", made(n=20).rows)
    told = judged([few], tmp_path / "few", classifiers=["logistic"])
    assert (told["classifiers"], told["notes"]) == ({}, ["no classifier: too few alleles of a class to learn from"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "condition": ({"truth": "CLNSIG=a:b:c"}, "--truth CLNSIG=a:b:c: give FIELD"),
    "text": ({"truth": "CLNSIG"}, "--truth CLNSIG: '.*' is no number; name the values of the two classes"),
    "one class": ({"truth": "CLNSIG=Pathogenic:x"}, r"left to judge by are 30 of class 1 and 0 of class 0; it takes 5 "
                  r"of each. Left out: CLNSIG is Benign \(30\)"),
    "nobody": ({"truth": "AF"}, r"are 0 of class 1 and 0 of class 0; .* Left out: no AF \(60\)"),
    "undeclared": ({"truth": "NOTHING"}, r"--truth NOTHING: .*in\.vcf does not declare such a field, and no record has "
                   r"one; it declares CLN\w+, .*DNABERT_"),
    "undeclared else": ({"truth": "NOTHING=a:."}, "--truth NOTHING: .* does not declare such a field"),
    "constant": ({"truth": "DNABERT_REF"}, "left to judge by are 60; it takes 5 that differ"),
    "direction": ({"scores": ["DNABERT_DIFF:up"]}, "--score DNABERT_DIFF:up: give FIELD or FIELD:DIRECTION"),
    "twice": ({"scores": ["QUAL", "QUAL:sign"]}, "--score QUAL:sign: given twice"),
    "no score": ({"scores": ["CADD"]}, "no allele has a value of it; most often: no value; no header declares it"),
    "words": ({"scores": ["CLNSIG"]}, r"in\.vcf: CLNSIG is 'Pathogenic', no finite number"),
    "bins": ({"bins": "10,5"}, "--bins 10,5: give rising whole numbers"),
    "no features": ({"bins": "10,50"}, "--bins 10,50: are distances to features; give --features FILE.bed too"),
    "letters": ({"bins": "near"}, "--bins near: give rising whole numbers"),
    "kind": ({"classifiers": ["forest"]}, "--classifier forest: choose logistic, boosting or none"),
    "features": ({"features": ["x={bed}"]}, r"--features x=.*: its contigs \(scaffold\) are not the alleles' \(chr1, "),
    "names": ({"features": ["x={bed}", "x={bed}"]}, "two sets of features are named x"),
    "level": ({"level": 95}, "--level 95 must lie between 0 and 1"),
    "missing": ({"max_missing": 2.0}, "--max-missing 2 must lie between 0 and 1"),
    "seed": ({"seed": -1}, "--seed -1"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged(tmp_path: Path, case: str) -> None:
    given, message = REFUSED[case]
    (tmp_path / "x.bed").write_text("scaffold\t0\t5\n")
    filled = {
        name: [text.format(bed=tmp_path / "x.bed") for text in value] if isinstance(value, list) else value
        for name, value in given.items()
    }
    with pytest.raises(DnabertError, match=message):
        judged([write_vcf(tmp_path / "in.vcf", made().rows)], tmp_path / "out", **filled)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "in.vcf", made().rows)
    with pytest.raises(DnabertError, match=r"DNABERT_DIFF is in .*in\.vcf and in .*in\.vcf; give models names"):
        judged([path, path], tmp_path / "out")
    bare = write_vcf(tmp_path / "bare.vcf", made().rows, without(without(META, "DNABERT_DIFF"), "DNABERT_b_LLR"))
    with pytest.raises(DnabertError, match="no field of a score"):
        judged([bare], tmp_path / "out")
    lines = tmp_path / "t.tsv"
    lines.write_text("CHROM\tPOS\tREF\nchr1\t1\tA\n")
    with pytest.raises(DnabertError, match=r"t\.tsv: no column ALT; a table of alleles has"):
        judged([lines], tmp_path / "out")
    lines.write_text("CHROM\tPOS\tREF\tALT\thit\n")
    with pytest.raises(DnabertError, match=r"t\.tsv: no rows"):
        judged([lines], tmp_path / "out", truth="hit")
    lines.write_text("CHROM\tPOS\tREF\tALT\tDNABERT_DIFF\nchr1\tx\tA\tC\t1\n")
    with pytest.raises(DnabertError, match=r"--truth hit: .*t\.tsv has no such column"):
        judged([lines], tmp_path / "out", truth="hit")
    with pytest.raises(DnabertError, match=r"t\.tsv: a POS is no whole number"):
        judged([lines], tmp_path / "out", truth="DNABERT_DIFF")
    empty = write_vcf(tmp_path / "empty.vcf", [])
    with pytest.raises(DnabertError, match=r"empty\.vcf: no alleles"):
        judged([empty], tmp_path / "out")


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text("CHROM\tPOS\tREF\tALT\thit\tDNABERT_DIFF\nchr1\t1\tA\tC\t1\t1\n")
    before = path.read_bytes()
    with pytest.raises(DnabertError, match=r"results\.tsv is an input and would be replaced"):
        judged([path], tmp_path, truth="hit")
    assert path.read_bytes() == before
