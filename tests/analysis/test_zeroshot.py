"""Zero-shot scores against transformers, a window at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracle.likelihood import LikelihoodReference

from dnabert_fast import Genome, Model, load
from dnabert_fast.analysis.variants import ScoredUnit, VariantOptions, VariantSummary, score_variants
from dnabert_fast.analysis.zeroshot import LikelihoodScorer
from dnabert_fast.errors import DnabertError
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.seq.aliases import AliasTable, resolve

CONTIG = "ACGTTGCAGGCTNNNACGTTGCATTCGATTTTACCCGGGAATTCAGGATCCATTGACCAGTNAGGCATTACGGACTTGACC"
WINDOW = 24
# POS, bases of REF, ALT: changes of every kind, at the ends and near N.
ALLELES = [
    (6, 1, "A"), (6, 1, "T"), (6, 1, "G"), (20, 1, "C"), (22, 3, "CAGAT"), (30, 4, "T"), (31, 2, "GA"),
    (40, 1, "GATTACA"), (1, 1, "C"), (80, 1, "G"), (12, 1, "G"), (45, 6, "A"), (52, 6, "TC"),
]  # fmt: skip
RECORDS = [(pos, CONTIG[pos - 1 : pos - 1 + n], alt) for pos, n, alt in ALLELES]


@pytest.fixture(scope="module")
def folder(make_model: Callable[..., Path]) -> Path:
    return make_model("mlm", ())


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    (tmp_path / "c.fa").write_text(f">c\n{CONTIG}\n")
    lines = [f"c\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref, alt in RECORDS]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(head + "".join(lines))
    return tmp_path / "in.vcf"


def ratios(model: Model, vcf: Path, records: int = 4096, window: int = WINDOW) -> list[float]:
    units: list[ScoredUnit] = []
    with Genome.open(vcf.parent / "c.fa") as genome:
        score_variants(
            [LikelihoodScorer(model)],
            model.run,
            genome,
            VcfSource(vcf, records),
            lambda names: resolve(names, genome, AliasTable()),
            units.append,
            VariantOptions(window),
            VariantSummary(),
        )
    return [value for unit in units for value in unit.fields["LLR"].tolist()]


@pytest.mark.parametrize("strand", ["+", "-", "both"])
def test_ratios_are_those_of_transformers(folder: Path, vcf: Path, strand: str) -> None:
    model = load(folder, strand=strand, threads=1)
    found = ratios(model, vcf)
    assert found == pytest.approx(ratios(model, vcf, records=1), abs=2e-5)
    oracle = LikelihoodReference(folder, model.k)
    for (pos, ref, alt), value in zip(RECORDS, found, strict=True):
        lead = 0
        while lead < min(len(ref), len(alt)) and ref[lead] == alt[lead]:
            lead += 1
        at = pos - 1 + lead
        expected = oracle.ratio(CONTIG, at - WINDOW // 2, WINDOW, at, len(ref) - lead, alt[lead:], strand)
        assert value == pytest.approx(expected, abs=5e-5), (pos, ref, alt)
    assert found[2] == 0
    assert np.ptp(found) > 0.5


def test_alleles_of_a_place_are_read_once(folder: Path, vcf: Path) -> None:
    """An SNV's windows differ in hidden k-mers alone, so REF and every ALT share one pass."""
    lines = vcf.read_text().splitlines(keepends=True)[:2]
    vcf.write_text("".join(lines) + "c\t20\t.\tT\tA,C,G\t.\t.\t.\n")
    model, counts = load(folder, threads=1), VariantSummary()
    with Genome.open(vcf.parent / "c.fa") as genome:
        args = (genome, VcfSource(vcf), lambda names: resolve(names, genome, AliasTable()), lambda unit: None)
        score_variants([LikelihoodScorer(model)], model.run, *args, VariantOptions(WINDOW), counts)
    assert (counts.scored, counts.pieces, counts.pieces_encoded) == (3, 6, 1)


def test_hidden_unknown_bases_have_no_score(folder: Path, vcf: Path) -> None:
    vcf.write_text("".join(vcf.read_text().splitlines(keepends=True)[:2]) + "c\t1\t.\tA\tC\t.\t.\t.\n")
    (vcf.parent / "c.fa").write_text(f">c\nA{'N' * 60}\n")
    assert np.isnan(ratios(load(folder, threads=1), vcf)).all()


def test_a_model_with_another_head_is_refused(model: Model) -> None:
    with pytest.raises(DnabertError, match="no masked-LM head"):
        LikelihoodScorer(model)


def test_long_windows_are_refused(folder: Path, vcf: Path) -> None:
    with pytest.raises(DnabertError, match="longer than the 512 that a masked-LM head reads"):
        ratios(load(folder, threads=1), vcf, window=520)
