"""The verb screen as users type it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., tuple[int, str, str]]


def test_it_tells_what_it_found(cli: Cli, genome: Path, vcf: Path, model: Path, out: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.tsv"
    known.write_text("chrom\tpos\tref\talt\nc\t31\tA\tC\nc\t41\tA\tG\n")
    words = ("screen", vcf, genome, "-m", model, "-o", out / "s", "--window", 40, "--quantile", 0.5, "--top", 3)
    code, stdout, err = cli(*words, "--known", f"My={known}", "--summary", out / "facts.json")
    assert (code, stdout) == (0, "")
    told = " ".join(err.split())
    assert "ALT alleles 40" in told
    assert "candidates (the 3 of the largest |difference|) 3" in told
    assert "My: candidates against the others inside candidates known" in told
    assert "odds ratio" in told
    assert sorted(os.listdir(out)) == ["facts.json", "s"]
    assert cli(*words, "-q") == (0, "", "")


def test_mistakes_are_one_line(cli: Cli, genome: Path, vcf: Path, model: Path, out: Path) -> None:
    for flags, message in (
        (("--known", vcf), "give NAME=FILE"),
        (("--window", 40, "--known", f"A={genome}"), "no column"),
        (("--windows", out / "none.bed"), "no such file"),
        (("--window", 450), "longer than every contig"),
        (("--window", 9000), "--window: 9,000 bases, but this model scores windows of 3 to 512 bases"),
        (("--top", 2, "--threshold", 0.5), "give one of them"),
    ):
        code, stdout, err = cli("screen", vcf, genome, "-m", model, "-o", out / "s", *flags)
        assert (code, stdout) == (1, "")
        assert err.startswith("error: ")
        assert message in " ".join(err.split())
    assert os.listdir(out) == []
