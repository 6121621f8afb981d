"""Values of alleles read by whole-array operations, against a plain reader a record at a time, and against pysam's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.io.vcf_info import Declared, allele_values, as_numbers, declared_info
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.vcf_text import Records, allele_table


def parsed(lines: list[str]) -> Records:
    return Records.parse(np.frombuffer("".join(line + "\n" for line in lines).encode(), np.uint8), 2, "x.vcf")


def plain(line: str, name: str, number: str | None) -> list[tuple[str, bool]]:
    """The value of each ALT and whether their number is wrong, the slow way."""
    fields = line.split("\t")
    alts = fields[4].split(",")
    parts = [part.partition("=") for part in fields[7].split(";")]
    value = next((value for key, _, value in parts if key == name), "")
    values = value.split(",")
    if value in ("", "."):
        return [("", False)] * len(alts)
    if number in ("A", "R"):
        extra = 1 if number == "R" else 0
        if len(values) != len(alts) + extra:
            return [("", True)] * len(alts)
        return [("" if own == "." else own, False) for own in values[extra:]]
    if number in (".", None) and len(values) == len(alts):
        return [("" if own == "." else own, False) for own in values]
    return [(value, False)] * len(alts)


KEYS = ["A", "AF", "AFX", "XAF", "F"]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    found = []
    for row in range(draw(st.integers(1, 6))):
        alts = ",".join(draw(st.lists(st.sampled_from("CGT"), min_size=1, max_size=3)))
        info = []
        for key in draw(st.lists(st.sampled_from(KEYS), max_size=4, unique=True)):
            values = draw(st.lists(st.sampled_from(["1", "-0.25", ".", "3e-4", ""]), max_size=4))
            info.append(key if not values else f"{key}={','.join(values)}")
        tail = draw(st.sampled_from(["", "\tGT\tAF=9;1", "\tAF;AF=7\t."]))
        found.append(f"c\t{row + 1}\tAF=5;x\tA\t{alts}\t.\tq;AF=8\t{';'.join(info) or '.'}{tail}")
    return found


@given(lines(), st.sampled_from(KEYS), st.sampled_from(["A", "R", ".", "1", None]))
def test_each_allele_has_its_own_value(text: list[str], name: str, number: str | None) -> None:
    records = parsed(text)
    declared = None if number is None else Declared(number, "Float")
    found = allele_values(records, allele_table(records).record, name, declared)
    expected = [value for line in text for value in plain(line, name, number)]
    assert [found.texts[row].decode() for row in range(len(expected))] == [value for value, _ in expected]
    assert found.misfit.tolist() == [misfit for _, misfit in expected]


def test_flags_and_columns_are_values_too() -> None:
    records = parsed(["c\t1\trs1\tA\tC,G\t30\tPASS\tDB;X=1", "c\t2\t.\tA\tC\t.\tq10;s50\tX=DB"])
    record = allele_table(records).record

    def texts(name: str, declared: Declared | None = None) -> list[bytes]:
        found = allele_values(records, record, name, declared).texts
        return [found[row] for row in range(3)]

    assert texts("DB", Declared("0", "Flag")) == [b"1", b"1", b"0"]
    assert texts("ID") == [b"rs1", b"rs1", b"."]
    assert texts("QUAL") == [b"30", b"30", b"."]
    assert texts("FILTER") == [b"PASS", b"PASS", b"q10;s50"]


def test_frequencies_of_a_real_file_are_those_of_its_text(data: Path) -> None:
    source = VcfSource(data / "vcf" / "kg_phase3.vcf")
    declared = declared_info(source.header)
    assert declared["AF"] == Declared("A", "Float")
    (records,) = source
    table = allele_table(records)
    found = as_numbers(allele_values(records, table.record, "AF", declared["AF"]).texts, "AF", "x")
    lines = [line for line in (data / "vcf" / "kg_phase3.vcf").read_text().splitlines() if not line.startswith("#")]
    expected = [float(value) for line in lines for value in line.split(";AF=")[1].split(";")[0].split(",")]
    assert found.tolist() == expected
    assert len(set(table.record.tolist())) < len(expected)  # some records have several ALTs


def test_numbers_as_python_reads_them() -> None:
    texts = ["1", "", "-2.5e-3", "+.5", "0000000000000000000001.25"]
    found = as_numbers(Windows.from_strings(texts), "AF", "x.vcf")
    assert np.isnan(found[1])
    assert found[[0, 2, 3, 4]].tolist() == [1.0, -0.0025, 0.5, 1.25]
    assert len(as_numbers(Windows.from_strings([]), "AF", "x.vcf")) == 0
    assert np.isnan(as_numbers(Windows.from_strings(["", ""]), "AF", "x.vcf")).all()


@pytest.mark.parametrize("text", ["high", "1|2", "nan", "inf", "-inf", "1" * 33])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(FormatError, match=r"x\.vcf: AF is '.*', no finite number"):
        as_numbers(Windows.from_strings(["1", text, ""]), "AF", "x.vcf")
