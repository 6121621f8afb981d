"""REF alleles held against genomes, on whole real files: what is found wrong, and that all the rest is scored.

    python -m pytest benchmarks/test_reference.py -s [--data FOLDER]

FOLDER holds HG002_v4.2.1_chr20_0-10M.vcf.gz and grch38.chr20_and_21_10M.fa.gz (all GIAB HG002 v4.2.1 rows of GRCh38
chr20:1-10,000,000); without it the first 4 Mb are used, which the package holds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import workload

from dnabert_fast.workflows.variants import variants

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(workload.write_model(tmp_path_factory.mktemp("reference") / "model", "tiny", 64))


def test_dbsnp(model: str, tmp_path: Path, record_property: Record) -> None:
    """22 of the 9,385 rows of dbSNP 138 on hg19 chr1-3:1-200,000 have a REF that the genome has not."""
    data = Path(__file__).parent.parent / "tests" / "data" / "scoring"
    genome = data / "hg19_200kb.fa.gz"
    facts = variants(data / "dbsnp138.vcf.gz", genome, model=model, output=tmp_path / "out.vcf.gz", window=64)
    found = facts["reason_records"].get("REF_MISMATCH", 0)
    print(f"dbSNP: {found} of {facts['records']} rows are REF mismatches, 22 of 9385 are known")
    record_property("dbsnp rows", facts["records"])
    record_property("dbsnp mismatches", found)
    assert (facts["records"], found) == (9385, 22)


def test_giab_first_4_mb(model: str, tmp_path: Path, record_property: Record) -> None:
    out = tmp_path / "out.vcf.gz"
    facts = variants(workload.VARIANTS, workload.GENOME, model=model, output=out, window=64)
    print(f"GIAB, 4 Mb: {facts['scored']} of {facts['alleles']} ALTs of {facts['records']} rows scored")
    assert facts["scored"] == facts["alleles"] >= facts["records"] == 6457


def test_giab(model: str, larger_data: Path, tmp_path: Path, record_property: Record) -> None:
    vcf, genome = larger_data / "HG002_v4.2.1_chr20_0-10M.vcf.gz", larger_data / "grch38.chr20_and_21_10M.fa.gz"
    facts = variants(vcf, genome, model=model, output=tmp_path / "out.vcf.gz", window=64)
    print(f"GIAB: {facts['scored']} of {facts['alleles']} ALTs of {facts['records']} rows scored")
    record_property("giab rows", facts["records"])
    record_property("giab scored", facts["scored"])
    assert (facts["records"], facts["scored"]) == (16192, 16385)
