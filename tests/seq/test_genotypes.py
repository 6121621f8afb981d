"""Genotypes against pysam, and against the specification where pysam says less."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.seq.genotypes import MANY, NONE, UNKNOWN, genotypes
from dnabert_fast.seq.vcf_text import Records


def records_of(*fields: str, alt: str = "C,G") -> Records:
    """Records of these FORMAT and sample columns."""
    lines = "".join(f"c\t{i + 1}\t.\tA\t{alt}\t.\t.\t.\t{columns}\n" for i, columns in enumerate(fields))
    return Records.parse(np.frombuffer(lines.encode(), np.uint8), 2, "in.vcf")


@pytest.mark.parametrize(
    ("text", "carried", "phased"),
    [
        ("0|1", (0, 1), True),
        ("0/1", (0, 1), False),
        ("2|0", (2, 0), True),
        ("12/103", (12, 103), False),
        ("1", (1, NONE), True),
        (".", (UNKNOWN, NONE), True),
        ("./.", (UNKNOWN, UNKNOWN), False),
        (".|1", (UNKNOWN, 1), True),
        ("|0|1", (0, 1), True),
        ("/0|1", (0, 1), False),
        ("0|1|1", (MANY, MANY), True),
        ("0/1|1/0", (MANY, MANY), False),
    ],
)
def test_a_genotype(text: str, carried: tuple[int, int], phased: bool) -> None:
    for columns in (f"GT\t{text}", f"GT:DP\t{text}:8", f"GT:DP\t{text}"):
        found = genotypes(records_of(columns, alt=",".join(["C"] * 103)), 1)
        assert tuple(found.carried[0, 0]) == carried
        assert found.phased[0, 0] == phased
        assert found.phase_set[0, 0] == 0


def test_phase_sets() -> None:
    found = genotypes(records_of("GT:DP:PS\t0|1:8:1200\t0|1:8:.\t0|1:8", "GT:PS\t1|0:7\t1|0:left\t1|0:right"), 3)
    assert found.phase_set[0].tolist() == [1200, 0, 0]
    assert found.phase_set[1, 0] == 7
    assert len(set(found.phase_set[1].tolist())) == 3
    assert (found.phase_set[1, 1:] < 0).all()


def test_a_record_without_genotypes_is_unknown() -> None:
    found = genotypes(records_of("DP:PS\t8:4\t9:4"), 2)
    assert found.carried.tolist() == [[[UNKNOWN, NONE]] * 2]
    assert found.phase_set.tolist() == [[0, 0]]


@pytest.mark.parametrize("bad", ["GT\tx", "GT\t0|", "GT\t", "GT\t0|1x", "GT\t|", "GT\t99999999", "GT", "", "GT:DP\t:8",
                                 "GT\t0|3", "GT\t3", "GT\t0/1/3"])  # fmt: skip
def test_what_is_no_genotype_is_named(bad: str) -> None:
    with pytest.raises(FormatError, match=r"in\.vcf:3 \(c:2\): a genotype that cannot be read"):
        genotypes(records_of("GT\t0|1", bad), 1)


@given(st.lists(st.lists(st.text("01./|:x", max_size=6), min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_text_is_read_or_named(drawn: list[list[str]]) -> None:
    try:
        found = genotypes(records_of(*("GT:PS\t" + "\t".join(fields) for fields in drawn)), 2)
    except FormatError:
        return
    assert found.carried.min() >= MANY


def test_real_genotypes_are_pysams(data: Path, tmp_path: Path) -> None:
    path = data / "vcf" / "hg002.vcf.gz"
    plain = tmp_path / "plain.vcf"  # pysam refuses plain gzip
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    found = [genotypes(unit, 1) for unit in VcfSource(path, 150)]
    carried = np.concatenate([part.carried for part in found])
    phased = np.concatenate([part.phased for part in found])
    with pysam.VariantFile(str(plain)) as file:
        expected = [(record.samples[0]["GT"], record.samples[0].phased) for record in file]
    assert len(expected) == len(carried) == 400
    for (alleles, order), mine, known in zip(expected, carried[:, 0].tolist(), phased[:, 0].tolist(), strict=True):
        theirs = [UNKNOWN if allele is None else allele for allele in alleles]
        assert mine == [*theirs, NONE][:2]
        assert known == (order or len(theirs) == 1)
