"""`evaluate` as users type it: what it shows, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle.judged_variants import made, write_vcf

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = [f"{'ACGTTGCAAG' * 2}{'ACGT'[i % 4] * 3}{'GA' * i},{i % 2}" for i in range(16)]
    path.write_text("sequence,label\n" + "\n".join(rows) + "\n")
    return path


def test_it_shows_metrics_with_intervals_and_where_the_report_is(cli: Cli, model: Path, table: Path, out: Path) -> None:
    code, stdout, err = cli("evaluate", table, "-m", f"ours={model}", "-o", out / "r", "--resamples", 20)
    assert (code, stdout) == (0, "")
    found = json.loads((out / "r" / "metrics.json").read_text())["predictors"]["ours"]["metrics"]["auroc"]
    assert f"{found['value']:.4f}  ({found['low']:.4f} to {found['high']:.4f})" in err
    assert "ours: 16 rows of table.csv" in err
    assert f"{out / 'r'}/report.html" in err
    assert cli("evaluate", table, "-m", model, "-o", out / "q", "--resamples", 20, "-q") == (0, "", "")
    assert sorted(os.listdir(out)) == ["q", "r"]


def test_results_of_many_sets(cli: Cli, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(
        "set,model,mcc\n" + "".join(f"s{i},{m},{(i + j) / 20}\n" for i in range(9) for j, m in enumerate("ab"))
    )
    code, stdout, err = cli("evaluate", "--results", path, "-o", out / "r")
    assert (code, stdout) == (0, "")
    assert "mcc: 2 models on 9 sets" in err
    assert "a – b" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a labelled TABLE to judge on, or --results FILE"),
        (["{table}"], "nothing to judge: give --model DIR, --predictions FILE, or both"),
        (["{table}", "--results", "x.csv"], "give a labelled TABLE to judge on, or --results FILE"),
        (["--results", "x.csv", "-m", "demo"], "--model belongs to a labelled TABLE"),
        (["--results", "x.csv"], "x.csv: cannot be read: No such file or directory"),
        (["{table}", "-m", "demo", "--metric", "mcc"], "--metric belongs to --results"),
        (["{table}", "-m", "nowhere"], "nowhere"),
        (["missing.csv", "-m", "{model}"], "missing.csv: cannot be read"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(
    cli: Cli, model: Path, table: Path, out: Path, words: list[str], message: str
) -> None:
    code, stdout, err = cli("evaluate", *[word.format(table=table, model=model) for word in words], "-o", out / "r")
    assert (code, stdout) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (out / "r" / "report.html").exists()


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Sixty scored SNVs of two classes on three chromosomes."""
    return write_vcf(tmp_path / "scored.vcf", made().rows)


def test_scores_of_variants_are_shown_with_what_was_left_out(cli: Cli, scored: Path, out: Path) -> None:
    words = ["--variants", scored, "--resamples", 20]
    code, stdout, err = cli("evaluate", *words, "--truth", "CLNSIG=Pathogenic:Benign", "-o", out / "r")
    assert (code, stdout) == (0, "")
    facts = json.loads((out / "r" / "metrics.json").read_text())
    found = facts["strata"][0]["metrics"]["|DNABERT_DIFF|"]["auroc"]
    assert f"{found['value']:.4f}  ({found['low']:.4f} to {found['high']:.4f})" in err
    for name in ("|DNABERT_DIFF|", "-DNABERT_b_LLR", "logistic classifier", f"{out / 'r'}/report.html"):
        assert name in err
    bed = out / "near.bed"
    bed.write_text("chr1\t0\t1100\n")
    words += ["--features", f"near={bed}", "--bins", "20", "--score", "DNABERT_REF:neg", "--classifier", "none"]
    code, _, err = cli("evaluate", *words, "--truth", "CLNSIG=Pathogenic", "-o", out / "q", "-q")
    assert (code, err) == (0, "")
    facts = json.loads((out / "q" / "metrics.json").read_text())
    assert "-DNABERT_REF" in facts["scores"]
    assert facts["classifiers"] == {}
    near = {stratum["name"] for stratum in facts["strata"] if stratum["by"] == "distance to near"}
    assert near == {"inside", "1 to 20 bases", "over 20 bases", "none on the contig"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variants", "{scored}"], "--variants needs --truth"),
        (["--variants", "{scored}", "{table}", "--truth", "AF"], "give a labelled TABLE to judge on, or --results"),
        (["--variants", "{scored}", "--truth", "AF", "-m", "demo"], "--model belongs to a labelled TABLE; --variants"),
        (["--variants", "{scored}", "--truth", "AF", "--metric", "mcc"], "--metric belongs to --results"),
        (["--variants", "{scored}", "--truth", "AF", "--strand", "both"], "--strand belongs to a labelled TABLE"),
        (["--results", "x.csv", "--overlap", "0"], "--overlap belongs to a labelled TABLE"),
        (["--results", "x.csv", "--threads", "2"], "--threads belongs to a labelled TABLE"),
        (["{table}", "-m", "demo", "--truth", "AF"], "--truth belongs to --variants"),
        (["--results", "x.csv", "--score", "CADD"], "--score belongs to --variants"),
        (["--variants", "{scored}", "--truth", "AF"], "Left out: no AF (60)"),
        (["--variants", "missing.vcf", "--truth", "AF"], "missing.vcf: cannot be read"),
    ],
)
def test_variants_that_cannot_be_judged_end_with_one_line(
    cli: Cli, scored: Path, table: Path, out: Path, words: list[str], message: str
) -> None:
    code, stdout, err = cli("evaluate", *[word.format(scored=scored, table=table) for word in words], "-o", out / "r")
    assert (code, stdout) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err


def test_bins_without_features_are_refused(cli: Cli, vcf: Path, out: Path) -> None:
    """Those of distances to nothing would be passed over."""
    for bins in ("20", "100,1000,10000"):  # the second is what is taken where none are given
        code, _, err = cli("evaluate", "--variants", vcf, "--truth", "DP", "--bins", bins, "-o", out / "judged")
        assert (code, err.count("\n")) == (1, 1)
        assert f"--bins {bins}: are distances to features; give --features FILE.bed too" in err
        assert not (out / "judged").exists()
