"""The verb `check` as users type it, and what other verbs say of precision."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle.machine import machine_with

Cli = Callable[..., tuple[int, str, str]]
SMALL, LARGE = 1e-6, 1.0


def test_a_table_and_an_exit_code(cli: Cli, monkeypatch: pytest.MonkeyPatch, model: Path, out: Path) -> None:
    put = machine_with(monkeypatch)
    put({"int8": SMALL}, {"fp8": "this GPU is too old"})
    code, stdout, err = cli("check", model, "--count", 64, "--summary", out / "facts.json")
    assert (code, err) == (0, "")
    first, titles, *rows = stdout.splitlines()
    assert first.startswith("64 SNVs in windows of 101 bases, on ")
    assert titles.split()[:2] == ["precision", "against"]
    assert [(row.split()[0], row.split()[-1]) for row in rows[:2]] == [("int8", "PASS"), ("fp32", "PASS")]
    assert rows[2].split() == ["fp8", "not", "here:", "this", "GPU", "is", "too", "old"]
    facts = json.loads((out / "facts.json").read_text())
    assert (facts["verb"], facts["failed"], facts["snvs"]) == ("check", [], 64)

    put({"int8": LARGE})
    code, stdout, err = cli("check", model, "--count", 64)
    assert (code, err) == (1, "")
    assert [row.split()[-1] for row in stdout.splitlines()[2:]] == ["FAIL", "PASS"]
    code, stdout, _ = cli("check", model, "--count", 64, "--precision", "fp32")
    assert (code, len(stdout.splitlines())) == (0, 3)
    assert cli("check", model, "--count", 64, "-q") == (1, "", "")

    put({"int8": LARGE, "bf16": SMALL}, spared={"int8": 2})
    code, stdout, err = cli("check", model, "--count", 64)
    assert code == 0
    assert stdout.splitlines()[2].startswith("int8 (2 layers bf16)  reference  ")
    assert err.startswith("note: int8 leaves these layers in bf16: layers.")


def test_two_machines(cli: Cli, monkeypatch: pytest.MonkeyPatch, model: Path, out: Path) -> None:
    put = machine_with(monkeypatch)
    put({"int8": SMALL})
    assert cli("check", model, "--count", 20, "--scores", out / "there.tsv", "-q")[0] == 0
    code, stdout, _ = cli("check", model, "--against", out / "there.tsv")
    assert code == 0
    assert [row.split()[:2] for row in stdout.splitlines()[2:]] == [["int8", "int8"], ["fp32", "fp32"]]
    put({"fp16": LARGE})
    code, stdout, _ = cli("check", model, "--against", out / "there.tsv")
    assert code == 1
    assert stdout.splitlines()[2].split()[:2] == ["fp16", "fp32"]


def test_own_variants(cli: Cli, vcf: Path, genome: Path, model: Path, own_cache: Path) -> None:
    code, stdout, err = cli(
        "check", model, "--variants", vcf, "--genome", genome, "--window", 12, "--count", 10, "--precision", "fp32"
    )
    assert code == 0
    assert stdout.startswith("10 SNVs in windows of 12 bases, on ")
    assert err == "note: verdicts are not remembered: 10 SNVs are fewer than 64\n"
    assert os.listdir(own_cache) == []


def test_errors_are_one_line(cli: Cli, vcf: Path, model: Path) -> None:
    for words, message in [
        (["--precision", "fp7"], "error: --precision fp7: choose all or one of "),
        (["--variants", vcf], "error: --variants and --genome go together"),
        (["--against", vcf], f"error: {vcf}: is not a file that `dnabert-fast check --scores` wrote"),
    ]:
        code, stdout, err = cli("check", model, *words)
        assert (code, stdout, err.count("\n")) == (1, "", 1)
        assert err.startswith(message)
    assert cli("check", model, "--count", 0)[0] == 2


def test_verbs_say_which_precision_auto_took(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    machine_with(monkeypatch)({"int8": SMALL})
    words = ["variants", vcf, genome, "-m", model, "-o", out / "o.vcf", "--window", 12]
    few = f"precision fp32: too few variants to repay a check; `dnabert-fast check {model}` makes one once\n"
    assert cli(*words)[2].endswith(few)
    assert "\nprecision " not in cli(*words, "--precision", "fp32")[2]
    assert cli("check", model, "-q")[0] == 0
    assert "precision int8 passed the check of 20" in cli(*words)[2]
    assert "precision=int8" in (out / "o.vcf").read_text()
    for verb, name in (("scan", "o.bw"), ("predict", "o.tsv"), ("embed", "o.npy")):
        given = [verb, genome, "-m", model, "-o", out / name, *(["--window", 12] if verb == "scan" else [])]
        assert "\nprecision " not in cli(*given)[2]
        assert "precision int8 passed the check of 20" in cli(*given, "--precision", "auto")[2]


def test_a_threshold_without_calls(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    words = ["scan", genome, "-m", model, "-o", out / "o.bw", "--window", 12, "--threshold", 0.9]
    assert cli(*words) == (1, "", "error: --threshold 0.9 is that of calls; give --calls FILE.bed too\n")
    assert os.listdir(out) == []
    assert cli(*words, "--calls", out / "calls.bed")[0] == 0


def test_the_wrong_assembly_is_told(cli: Cli, vcf: Path, model: Path, genome: Path, out: Path) -> None:
    other = genome.parent / "other.fa"
    warning = "note: no allele was scored: is GENOME the assembly of VCF?"
    words = ["-m", model, "-o", out / "o.vcf", "--window", 12]
    for content in (b">c\n" + b"G" * 400 + b"\n", b">e\n" + b"A" * 400 + b"\n"):  # other bases; other contigs
        other.write_bytes(content)
        (other.parent / "other.fa.fai").unlink(missing_ok=True)
        assert warning in cli("variants", vcf, other, *words)[2]
    assert warning not in cli("variants", vcf, genome, *words)[2]
    (genome.parent / "far.bed").write_text("d\t0\t30\n")
    assert warning not in cli("variants", vcf, genome, *words[:4], "--windows", genome.parent / "far.bed")[2]
    other.write_bytes(b">c\n" + b"N" * 400 + b"\n")
    (other.parent / "other.fa.fai").unlink(missing_ok=True)
    err = cli("scan", other, "-m", model, "-o", out / "o.tsv", "--window", 12)[2]
    assert "no window was scored: in every one more than 0.5 of the bases are unknown" in err


def test_sequences_that_say_nothing_are_named(cli: Cli, model: Path, genome: Path, out: Path) -> None:
    fasta = genome.parent / "s.fa"
    rows = {"good": "ACGT", "void": "NNNNN", "gaps": "ACNGTNAC", "short": "NN", "late": "NNNACG"}
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in rows.items()))
    told = "note: sequences without one 3-mer of A, C, G and T, whose answers say nothing: 2 (void, gaps)\n"
    for verb, name in (("predict", "o.tsv"), ("embed", "o.npy")):
        words = [verb, fasta, "-m", model, "-o", out / name, "--summary", out / "facts.json"]
        assert cli(*words)[2].endswith(told)
        facts = json.loads((out / "facts.json").read_text())
        assert (facts["without_known_kmer"], facts["shorter_than_k"]) == (2, 1)
    fasta.write_text("".join(f">s{i}\nNNNN\n" for i in range(5000)))
    assert (
        "say nothing: 5,000 (s0, s1, s2, s3, s4 and 4,995 more)"
        in cli("predict", fasta, "-m", model, "-o", out / "o.tsv")[2]
    )
    fasta.write_text(">a\nACGT\n")
    assert "say nothing" not in cli("predict", fasta, "-m", model, "-o", out / "o.tsv")[2]
