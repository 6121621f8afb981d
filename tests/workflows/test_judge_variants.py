"""Scores of alleles judged by what is known of them, against numbers worked out apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import scored
from oracle.judged_variants import META, Row, made, table, values, write_vcf
from scipy import stats
from sklearn import metrics as sk

from dnabert_fast.evaluate.significance import delong
from dnabert_fast.workflows.judge_variants import judge_variants
from dnabert_fast.workflows.variants import variants

CLINVAR = "CLNSIG=Pathogenic:Benign"
FILES = ["alleles.tsv.gz", "metrics.json", "report.html", "report.md", "results.tsv", "strata.png", "strata.svg"]


def judged(vcfs: Path | list[Path], out: Path, truth: str = CLINVAR, **options: Any) -> dict[str, Any]:
    paths = vcfs if isinstance(vcfs, list) else [vcfs]
    facts = judge_variants(paths, truth=truth, output=out, **{"resamples": 20, **options})
    written = json.loads((out / "metrics.json").read_text())
    assert written == {name: value for name, value in facts.items() if name != "output"}
    return facts


def test_scores_have_the_areas_that_scikit_learn_gives(tmp_path: Path) -> None:
    given = made()
    facts = judged(write_vcf(tmp_path / "in.vcf", given.rows), tmp_path / "out")
    assert (facts["alleles"], facts["judged"], facts["positives"]) == (60, 60, 30)
    ranked = {"|DNABERT_DIFF|": np.abs(given.difference), "-DNABERT_b_LLR": -given.ratio}
    assert list(facts["strata"][0]["metrics"]) == [*ranked, "logistic classifier"]
    for name, scores in ranked.items():
        assert values(facts, name)["auroc"] == pytest.approx(sk.roc_auc_score(given.positive, scores))
        assert values(facts, name)["auprc"] == pytest.approx(sk.average_precision_score(given.positive, scores))
    test = facts["strata"][0]["tests"][0]
    assert (test["one"], test["other"]) == tuple(ranked)
    assert test["p"] == pytest.approx(delong(given.positive, *ranked.values()).p)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*FILES, "curves.png", "curves.svg"])
    again = judged(write_vcf(tmp_path / "in.vcf", given.rows), tmp_path / "again")
    assert again["strata"] == facts["strata"]
    for name in ("report.html", "results.tsv", "alleles.tsv.gz"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_the_tables_hold_every_number_and_every_allele(tmp_path: Path) -> None:
    given = made()
    rows = [*given.rows, replace(given.rows[0], position=9000, info="CLNSIG=Uncertain;DNABERT_DIFF=0.5")]
    facts = judged(write_vcf(tmp_path / "in.vcf", rows), tmp_path / "out", features=[])
    results = table(tmp_path / "out" / "results.tsv")
    metrics = [row for row in results if row["measure"] in ("auroc", "auprc")]
    assert len(metrics) == sum(2 * len(stratum["metrics"]) for stratum in facts["strata"])
    for row in metrics:
        stratum = next(s for s in facts["strata"] if (s["by"], s["name"]) == (row["stratum_by"], row["stratum"]))
        expected = stratum["metrics"][row["score"]][row["measure"]]
        assert [float(row[key]) for key in ("value", "low", "high")] == pytest.approx(
            [expected[key] for key in ("value", "low", "high")], rel=1e-5
        )
    tests = [row for row in results if row["measure"] == "auroc_difference"]
    assert len(tests) == sum(len(stratum["tests"]) for stratum in facts["strata"])
    alleles = table(tmp_path / "out" / "alleles.tsv.gz")
    assert [int(row["POS"]) for row in alleles] == [row.position for row in rows]
    assert [row["truth"] for row in alleles[:60]] == [str(int(one)) for one in given.positive]
    assert [float(row["DNABERT_DIFF"]) for row in alleles[:60]] == pytest.approx(given.difference.tolist())
    assert {row["left_out"] for row in alleles[:60]} == {"."}
    last = alleles[-1]
    assert (last["truth"], last["left_out"], last["logistic classifier"]) == (".", "CLNSIG is Uncertain", ".")
    answers = np.array([float(row["logistic classifier"]) for row in alleles[:60]])
    assert values(facts, "logistic classifier")["auroc"] == pytest.approx(sk.roc_auc_score(given.positive, answers))


@pytest.mark.parametrize(
    ("asked", "name", "sign"),
    [
        ("DNABERT_DIFF:sign", "DNABERT_DIFF", lambda x: x),
        ("DNABERT_DIFF:neg", "-DNABERT_DIFF", lambda x: -x),
        ("DNABERT_DIFF:abs", "|DNABERT_DIFF|", np.abs),
        ("DNABERT_DIFF", "|DNABERT_DIFF|", np.abs),
        ("DNABERT_REF", "DNABERT_REF", lambda x: 0 * x),
    ],
)
def test_a_direction_is_that_which_was_asked_for(
    tmp_path: Path, asked: str, name: str, sign: Callable[[np.ndarray], np.ndarray]
) -> None:
    given = made()
    facts = judged(write_vcf(tmp_path / "in.vcf", given.rows), tmp_path / "out", scores=[asked], classifiers=["none"])
    ours = {"-DNABERT_b_LLR"} | ({"|DNABERT_DIFF|"} if "DIFF" not in asked else set())
    assert set(facts["scores"]) == {name} | ours
    assert values(facts, name)["auroc"] == pytest.approx(sk.roc_auc_score(given.positive, sign(given.difference)))


def test_one_field_may_be_judged_in_two_directions(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "in.vcf", made().rows)
    facts = judged(path, tmp_path / "out", scores=["DNABERT_b_LLR:sign", "DNABERT_b_LLR:neg"], classifiers=["none"])
    there, back = (values(facts, name)["auroc"] for name in ("DNABERT_b_LLR", "-DNABERT_b_LLR"))
    assert there == pytest.approx(1 - back)
    (note,) = judged(path, tmp_path / "two", scores=["DNABERT_b_LLR:sign"], classifiers=["none"])["notes"]
    assert note.startswith("DNABERT_b_LLR: class 0 ranks above class 1")


def test_frequencies_are_held_against_each_alleles_own_score(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    frequency, scores = random.random((30, 2)).round(4), random.normal(size=(30, 2)).round(4)
    rows = [
        Row("1", 100 + i, "A", "C,G", f"AF={a[0]},{a[1]};DNABERT_DIFF={s[0]},{s[1]};DNABERT_b_LLR=.,.;DNABERT_FLAG=.,.")
        for i, (a, s) in enumerate(zip(frequency.tolist(), scores.tolist(), strict=True))
    ]
    meta = "".join(line for line in META.splitlines(keepends=True) if "LLR" not in line)
    facts = judged(write_vcf(tmp_path / "in.vcf", rows, meta), tmp_path / "out", truth="AF", interval="bca")
    expected = [stats.spearmanr, stats.kendalltau]
    found = values(facts, "|DNABERT_DIFF|")
    for name, method in zip(("spearman", "kendall"), expected, strict=True):
        assert found[name] == pytest.approx(method(frequency.ravel(), np.abs(scores).ravel()).statistic)
    assert (facts["of_classes"], facts["positives"], facts["classifiers"]) == (False, None, {})
    assert facts["strata"][0]["tests"] == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("truth", ["PATHOGENIC", "DB", "FILTER=PASS", "ID=rs*", "FILTER=PASS:q10"])
def test_a_truth_of_any_kind(tmp_path: Path, truth: str) -> None:
    """A field of 0 and 1 that the header lacks, a flag, and conditions on other columns."""
    given = made()
    rows = [
        replace(row, name="rs7" if one else ".", filter="PASS" if one else "q10",
                info=f"PATHOGENIC={int(one)};{'DB;' if one else ''}{row.info}")
        for row, one in zip(given.rows, given.positive, strict=True)
    ]  # fmt: skip
    facts = judged(write_vcf(tmp_path / "in.vcf", rows), tmp_path / "out", truth=truth, classifiers=["none"])
    assert (facts["judged"], facts["positives"]) == (60, 30)
    expected = sk.roc_auc_score(given.positive, np.abs(given.difference))
    assert values(facts, "|DNABERT_DIFF|")["auroc"] == pytest.approx(expected)


def test_types_and_distances_are_told_apart(tmp_path: Path) -> None:
    given = made()
    changes = [("A", "C"), ("AT", "GC"), ("A", "ACC"), ("AGG", "A"), ("A", "<DEL>"), ("TAC", "TAG")]
    rows = [
        replace(row, ref=changes[i % 6][0], alt=changes[i % 6][1]) for i, row in enumerate(given.rows)
    ]  # fmt: skip
    bed = tmp_path / "exons.bed"
    bed.write_text("1\t999\t1100\n1\t5000\t5001\n3\t0\t100\n")  # named without "chr"; positions 1,000 to 1,100
    facts = judged(
        write_vcf(tmp_path / "in.vcf", rows), tmp_path / "out", features=[f"exons={bed}"], bins="50,2000",
        classifiers=["none"],
    )  # fmt: skip
    counts = {(stratum["by"], stratum["name"]): stratum["alleles"] for stratum in facts["strata"]}
    types = {"SNV": 20, "MNV": 10, "insertion": 10, "deletion": 10, "other": 10}
    assert {name: n for (by, name), n in counts.items() if by == "type"} == types
    bins: Counter[str] = Counter()
    for row in table(tmp_path / "out" / "alleles.tsv.gz"):
        start = int(row["POS"]) - 1 + {"AGG": 1, "TAC": 2}.get(row["REF"], int(row["ALT"] == "ACC"))
        end = start + (2 if row["REF"] in ("AT", "AGG") else 1)
        regions = {"chr1": [(999, 1100), (5000, 5001)], "chr3": [(0, 100)]}.get(row["CHROM"])
        distance = min((max(0, begin - end + 1, start - stop + 1) for begin, stop in regions or []), default=-1)
        assert int(row["distance_exons"]) == distance
        near = "inside" if distance == 0 else "1 to 50 bases" if distance <= 50 else "51 to 2,000 bases"
        bins["none on the contig" if distance < 0 else near] += 1
    assert len(bins) == 4
    assert {name: n for (by, name), n in counts.items() if by == "distance to exons"} == bins


def test_scores_of_a_real_run_are_judged(
    make_model: Callable[..., Path], grch38: Path, data: Path, tmp_path: Path
) -> None:
    """ClinVar on GRCh38, half of it beyond the genome at hand: those alleles are named, as the flags name them."""
    vcf = tmp_path / "scored.vcf.gz"
    clinvar = data / "scoring" / "clinvar_grch38.vcf.gz"
    variants(clinvar, grch38, model=str(make_model()), output=vcf, window=40, device="cpu", threads=1, precision="fp32")
    facts = judged(vcf, tmp_path / "out", truth="PATHOGENIC", classifiers=["none"])
    alleles = scored.alleles(scored.text(vcf))
    lines = [line.split(b"\t")[7] for line in scored.lines(scored.text(vcf))]
    positive = np.array([b"PATHOGENIC=1" in info for info in lines])
    there = np.array([fields["DIFF"] != "." for *_, fields in alleles])
    assert facts["without_score"] == {"OUT_OF_CONTIG": int((~there).sum())}
    assert facts["judged"] == int(there.sum()) < len(alleles)
    for name in ("DIFF", "LOGOR"):
        found = np.array([float(fields[name]) for *_, fields in alleles if fields["DIFF"] != "."])
        expected = sk.roc_auc_score(positive[there], np.abs(found))
        assert values(facts, f"|DNABERT_{name}|")["auroc"] == pytest.approx(expected)
