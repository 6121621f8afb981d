"""`prepare` as users type it: its kinds, what it tells, and how bad input ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def annotation(data: Path) -> Path:
    return data / "annotation"


def test_the_kinds_are_shown(cli: Cli) -> None:
    code, shown, _ = cli("prepare", "--help")
    assert code == 0
    assert all(kind in shown for kind in ("promoters", "prom-scan", "tfbs", "splice", "windows", "hard-negatives"))


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ("promoters", ["--tss", "gencode_upstream_1kb_chr20.bed", "--tss-at", "after", "--window", 70]),
        ("prom-scan", ["--tss", "gencode_upstream_1kb_chr20.bed", "--tss-at", "after"]),
        ("tfbs", ["--peaks", "tf_chip_chr20.bed", "--negatives", "shuffle"]),
        ("splice", ["--exons", "gencode_exons_chr20.bed", "--only-gt-ag"]),
        ("windows", ["--regions", "tf_chip_chr20.bed", "--window", 50, "--negatives", "flanks"]),
    ],
)
def test_each_kind(cli: Cli, grch38: Path, annotation: Path, out: Path, kind: str, flags: list[object]) -> None:
    cut = out.parent / "cut.bed"
    lines = (annotation / str(flags[1])).read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[: 16 if kind == "prom-scan" else None]))
    words = [flags[0], cut, *flags[2:]]
    asked = ["prepare", kind, grch38, *words, "--dev", "chr20:0.3-0.5M", "--seed", 7]
    code, stdout, err = cli(*asked, "-o", out / "a")
    assert (code, stdout) == (0, ""), err
    assert "train: " in err
    assert sorted(os.listdir(out / "a")) == ["card.json", "card.md", "dev.csv.gz", "positives.bed", "train.csv.gz"]
    card = json.loads((out / "a" / "card.json").read_text())
    assert str(card["sequences"]["train"][list(card["classes"])[1]]) in err.replace(",", "")
    # The card's own command makes the same set again.
    words = card["command"].split()
    assert words[0] == "dnabert-fast"
    assert cli(*words[1:], "-o", out / "b", "-q") == (0, "", "")
    for name in os.listdir(out / "a"):
        assert (out / "a" / name).read_bytes() == (out / "b" / name).read_bytes(), name


def test_bad_input_is_one_line(cli: Cli, grch38: Path, out: Path, annotation: Path) -> None:
    bad = out.parent / "bad.gtf"
    bad.write_text("##gff\nchr20\tx\tgene\t1\t5\t.\t+\t.\tgene_id 'g';\n")
    cases = {
        "no transcripts": ["promoters", grch38, "--tss", bad, "--dev", "chr20:1-2M"],
        "the genome has no contig 'chr9'": ["promoters", grch38, "--tss", bad, "--dev", "chr9"],
        "cannot be read": ["tfbs", grch38, "--peaks", out / "none.bed", "--dev", "chr20:1-2M"],
        "has no sequence of the class background; give other regions or more sites": [
            "tfbs", grch38, "--peaks", annotation / "tf_chip_chr20.bed", "--dev", "chr20:3999000-4000000",
        ],
        "give a folder that prepare made": ["hard-negatives", out, grch38],
    }  # fmt: skip
    for message, words in cases.items():
        code, stdout, err = cli("prepare", *words, "-o", out / "o")
        assert (code, stdout) == (1, "")
        assert len(err.splitlines()) == 1
        assert err.startswith("error: ")
        assert message in err
    assert not (out / "o").exists()
    assert cli("prepare", "tfbs", grch38, "--peaks", "x.bed", "-o", out)[0] == 2  # no --dev


def test_hard_negatives(cli: Cli, out: Path) -> None:
    random = np.random.default_rng(0)
    genome, bed = out.parent / "random.fa", out.parent / "sites.bed"
    genome.write_bytes(b">c\n" + random.choice([*b"ACGT"], 6000).astype(np.uint8).tobytes() + b"\n")
    bed.write_text("".join(f"c\t{at}\t{at + 40}\ts{at}\t0\t+\n" for at in range(100, 5900, 100)))
    made = cli(
        "prepare", "windows", genome, "--regions", bed, "-o", out / "a", "--dev", "c:4-6k", "--negatives", "shuffle"
    )
    assert made[0] == 0, made
    asked = ("--rounds", 1, "--network", "tiny", "--epochs", 1, "--threads", 1, "--threshold", 0.1, "--stride", 20)
    code, stdout, err = cli("prepare", "hard-negatives", out / "a", genome, "-o", out / "b", *asked)
    assert (code, stdout) == (0, ""), err
    told = json.loads((out / "b" / "report.json").read_text())["rounds"]
    assert [row["round"] for row in told] == [0, 1]
    assert told[0]["added"] > 0
    assert "called falsely" in err
    assert str(out / "b" / "round_1") in "".join(err.split())
