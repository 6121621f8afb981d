"""Pre-trained models in `variants`: their one field, their window, and what they have not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from oracle import scored
from oracle.likelihood import LikelihoodReference

from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.variants import variants

GENOME = "ACGTTGCAGGCTTAGCCATACGTTGCACGATTTTACCCGGGAATTCAGGATCCATTGACC"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    (tmp_path / "c.fa").write_text(f">c\n{GENOME}\n")
    return tmp_path / "c.fa"


def test_a_pretrained_model_gives_likelihoods(
    make_model: Callable[..., Path], make_vcf: Callable[..., Path], genome: Path, tmp_path: Path
) -> None:
    folder, out = make_model("mlm", ()), tmp_path / "out.vcf"
    vcf = make_vcf(["c 20 A C,G", "c 30 A <DEL>"])
    facts = variants(vcf, genome, model=str(folder), output=out, window=20, strand="both")
    oracle = LikelihoodReference(folder, 3)
    expected = [oracle.ratio(GENOME, 9, 20, 19, 1, base, "both") for base in "CG"]
    first, second, none = [allele[4] for allele in scored.alleles(out.read_bytes())]
    assert [float(first["LLR"]), float(second["LLR"])] == pytest.approx(expected, abs=5e-5)
    assert none == {"LLR": ".", "FLAG": "SYMBOLIC"}
    assert (facts["scored"], facts["pieces"], facts["pieces_encoded"]) == (2, 8, 2)
    assert b'ID=DNABERT_LLR,Number=A,Type=Float,Description="Mean natural log-likelihood ratio' in out.read_bytes()


def test_the_window_is_as_long_as_the_model_reads(
    make_model: Callable[..., Path], make_vcf: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "c.fa").write_text(f">c\n{GENOME * 20}\n")
    facts = variants(
        make_vcf(["c 620 A C"]), tmp_path / "c.fa", model=str(make_model("mlm", ())), output=tmp_path / "out.vcf"
    )
    assert facts["window"] == 512
    assert facts["scored"] == 1


def test_regions_longer_than_it_reads_are_refused_before_any_is_read(
    make_model: Callable[..., Path], make_vcf: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "c.fa").write_text(f">c\n{GENOME * 20}\n")
    bed = tmp_path / "r.bed"
    given = {"model": str(make_model("mlm", ())), "output": tmp_path / "out.vcf", "windows": bed}
    bed.write_text("c\t600\t700\nc\t0\t513\n")
    with pytest.raises(DnabertError, match=r"r\.bed: region 2: 513 bases, but a masked-LM head reads 512 at once"):
        variants(make_vcf(["c 620 A C"]), tmp_path / "c.fa", **given)  # type: ignore[arg-type]
    bed.write_text("c\t600\t700\nc\t0\t512\n")
    assert variants(make_vcf(["c 620 A C"]), tmp_path / "c.fa", **given)["scored"] == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": ["A={mlm}", "B={task}"]}, "pre-trained and has no task; score it in a run of its own"),
        ({"fields": "DIFF"}, "--fields: .* has DNABERT_LLR alone"),
        ({"class_name": "yes"}, "--class: .* has DNABERT_LLR alone"),
        ({"report": "page.html"}, "--report shows the scores of a model with a task"),
    ],
)
def test_what_it_has_not_is_said(
    make_model: Callable[..., Path],
    make_vcf: Callable[..., Path],
    genome: Path,
    tmp_path: Path,
    given: dict[str, object],
    message: str,
) -> None:
    mlm, task = make_model("mlm", ()), make_model()
    asked = {"model": str(mlm), "window": 20, "output": tmp_path / "out.vcf"} | given
    if isinstance(asked["model"], list):
        asked["model"] = [text.format(mlm=mlm, task=task) for text in asked["model"]]
    if "report" in given:
        asked["report"] = tmp_path / "page.html"
    with pytest.raises(DnabertError, match=message):
        variants(make_vcf(["c 20 A C"]), genome, **asked)  # type: ignore[arg-type]
    assert not (tmp_path / "out.vcf").exists()
