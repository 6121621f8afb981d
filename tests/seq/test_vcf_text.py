"""VCF text: columns, alleles, INFO spliced in, and no other byte changed."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import vcf as oracle

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.sections import SECTION_BYTES
from dnabert_fast.seq.types import U32
from dnabert_fast.seq.vcf_text import Header, Records, VcfText, allele_table, splice

DATA = Path(__file__).parent.parent / "data" / "vcf"
REAL = sorted(DATA.glob("*.vcf")) + sorted(DATA.glob("spec/*.vcf"))

NAMES = ["DNABERT_REF", "DNABERT_DIFF"]
FLAG = "DNABERT_FLAG"
REASONS = ["STAR", "NO_ALT", "SYMBOLIC"]
HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"

WORD = st.text(st.sampled_from("abcXYZ019.;=,_<>[]:* \x7fé"), min_size=1, max_size=12)
KEY = st.sampled_from(["AF", "DP", "END", "DNABERT", "DNABERT_REFS", "XDNABERT_REF", "dnabert_ref", "A", ""])
INFO = st.one_of(
    st.just("."),
    st.just(""),
    st.lists(st.tuples(KEY, st.sampled_from(["", "=", "=1,2", "=a=b"])).map("".join), min_size=1, max_size=5).map(
        ";".join
    ),
)
ALT = st.one_of(
    st.sampled_from(
        ["*", ".", "<DEL>", "<*>", "<NON_REF>", "A[2:3[", ".T", "T.", "C<ctg>", "N", "aCgT", "R", "?", "", "<"]
    ),
    st.text(st.sampled_from("ACGTN"), min_size=1, max_size=9),
)
RECORD = st.tuples(
    WORD.map(lambda s: s.replace(";", "_")),
    st.integers(0, 2**40).map(str),
    st.one_of(WORD, st.just("")),
    st.text(st.sampled_from("ACGTNacgt"), min_size=1, max_size=9),
    st.lists(ALT, min_size=1, max_size=4).map(",".join).filter(bool),
    st.one_of(WORD, st.just("")),
    st.one_of(WORD, st.just("")),
    INFO,
    st.lists(st.one_of(WORD, st.just("")), max_size=3),
).map(lambda t: "\t".join([*t[:8], *t[8]]).encode())


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    lines = draw(st.lists(RECORD, min_size=1, max_size=8).filter(lambda all: not all[0].startswith(b"#")))
    final = draw(st.booleans())
    return end.join(lines) + (end if final else b"")


def as_array(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text, np.uint8)


def parsed(text: bytes) -> Records:
    return Records.parse(as_array(text), 1, "x.vcf")


def spliced(records: Records, seed: int, overwrite: bool = False) -> tuple[bytes, bytes]:
    """The result and the oracle's, with values and flags out of a seed."""
    random = np.random.default_rng(seed)
    table = allele_table(records)
    values = random.standard_normal((len(NAMES), len(table.record))).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    flags: U32 = random.integers(0, 8, len(table.record), dtype=np.uint32)
    result = splice(
        records, table.record, dict(zip(NAMES, values, strict=True)), FLAG, flags, REASONS, overwrite=overwrite
    )
    rows = [np.flatnonzero(table.record == i).tolist() for i in range(len(records))]
    named = [[[r for bit, r in enumerate(REASONS) if flags[a] >> bit & 1] for a in alleles] for alleles in rows]
    fields = {name: [[float(v[a]) for a in alleles] for alleles in rows] for name, v in zip(NAMES, values, strict=True)}
    text = records.text.tobytes()
    if overwrite:
        text = oracle.strip(text, [*NAMES, FLAG])
    return result.tobytes(), oracle.splice(text, fields, FLAG, named)


@settings(max_examples=200, deadline=None)
@given(text=texts(), seed=st.integers(0, 99))
def test_columns_alleles_and_splice_equal_the_oracle(text: bytes, seed: int) -> None:
    records = parsed(text)
    expected = oracle.records(text)
    for i, columns in enumerate(expected):
        found = records.columns[i]
        ends = [*(found[1:8] - 1), found[8]]
        assert [text[a:b] for a, b in zip(found[:8], ends, strict=True)] == columns[:8]
    assert records.position.tolist() == [int(columns[1]) for columns in expected]
    names, code = records.contigs()
    assert [names[c] for c in code] == [columns[0].decode() for columns in expected]
    assert names == list(dict.fromkeys(columns[0].decode() for columns in expected))

    table = allele_table(records)
    alts = [(i, columns[3], alt) for i, columns in enumerate(expected) for alt in columns[4].split(b",")]
    assert table.record.tolist() == [i for i, _, _ in alts]
    assert [(table.ref[a], table.alt[a]) for a in range(len(alts))] == [(ref, alt) for _, ref, alt in alts]
    assert table.kind.tolist() == [oracle.kind(alt) for _, _, alt in alts]

    result, wanted = spliced(records, seed)
    assert result == wanted


@settings(max_examples=100, deadline=None)
@given(text=texts(), seed=st.integers(0, 99))
def test_taking_our_fields_out_gives_the_input(text: bytes, seed: int) -> None:
    assume(all(columns[7] for columns in oracle.records(text)))  # an empty INFO, which no VCF may have, becomes '.'
    result, _ = spliced(parsed(text), seed)
    assert oracle.strip(result, [*NAMES, FLAG]) == text
    again, _ = spliced(parsed(result), seed + 1, overwrite=True)
    first, _ = spliced(parsed(text), seed + 1)
    assert oracle.strip(again, [*NAMES, FLAG]) == oracle.strip(first, [*NAMES, FLAG])


@settings(max_examples=100, deadline=None)
@given(
    infos=st.lists(
        st.lists(
            st.sampled_from(["AF=1", "DNABERT_REF=2", "DNABERT_FLAG", "X", "DNABERT_DIFF=.,1", "."]), min_size=1
        ).map(";".join),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 99),
)
def test_fields_of_ours_are_an_error_or_replaced(infos: list[str], seed: int) -> None:
    text = "".join(f"chr1\t{i + 1}\t.\tA\tC,G\t.\t.\t{info}\tGT\n" for i, info in enumerate(infos)).encode()
    records = parsed(text)
    held = [oracle.ours(info.encode(), [*NAMES, FLAG]) for info in infos]
    result, wanted = spliced(records, seed, overwrite=True)
    assert result == wanted
    if any(held):
        with pytest.raises(FormatError, match=rf"x\.vcf: the record at chr1:{held.index(True) + 1} already holds"):
            spliced(records, seed)
    else:
        assert spliced(records, seed)[0] == wanted


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files_pass_through(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    zipped = tmp_path / "x.vcf.gz"
    half = len(whole) // 2
    zipped.write_bytes(gzip.compress(whole[:half]) + gzip.compress(whole[half:]))
    for source in (path, zipped):
        for unit in (1, 7, 4096):
            file = VcfText(source, unit)
            units = list(file)
            assert all(len(records) == unit for records in units[:-1])
            lines = [len(file.header.meta) + 2 + i * unit for i in range(len(units))]
            assert [records.first_line for records in units] == lines
            header = file.header.with_lines([])
            if not file.header.repairs:
                assert whole.startswith(header)
            body = b"".join(records.text.tobytes() for records in units)
            assert whole.endswith(body)
            assert len(header) + len(body) == len(whole) - (1 if file.header.repairs else 0)
            assert b"".join(oracle.strip(spliced(r, 1)[0], [*NAMES, FLAG]) for r in units) == body


def test_real_malformed_header_line_is_repaired_and_told() -> None:
    for name in ("mills", "phase1_indels"):
        header = VcfText(DATA / f"{name}.vcf", 100).header
        assert header.columns.endswith(b"\tINFO")
        assert header.repairs == ("white space at the end of the #CHROM line was removed",)


@pytest.mark.parametrize("name", ["svs", "cohort", "kg_phase3"])
def test_alleles_are_those_of_htslib(name: str) -> None:
    found = []
    for records in VcfText(DATA / f"{name}.vcf", 10):
        table = allele_table(records)
        names, code = records.contigs()
        for a, record in enumerate(table.record.tolist()):
            place = (names[code[record]], int(records.position[record]))
            found.append((*place, table.ref[a].decode(), table.alt[a].decode()))
    with pysam.VariantFile(str(DATA / f"{name}.vcf")) as peer:
        assert found == [(r.chrom, r.pos, r.ref, alt) for r in peer for alt in r.alts or ()]
    assert found


def test_standard_input(tmp_path: Path) -> None:
    program = (
        "from dnabert_fast.seq.vcf_text import VcfText; v = VcfText('-', 2); print([len(r) for r in v], v.header.meta)"
    )
    text = HEADER + b"1\t1\t.\tA\tC\t.\t.\t.\n" * 3
    for source in (text, gzip.compress(text)):
        run = subprocess.run([sys.executable, "-c", program], input=source, capture_output=True, check=True)
        assert run.stdout.decode().strip() == "[2, 1] (b'##fileformat=VCFv4.2',)"


def test_bgzf_and_units_of_many_lines(tmp_path: Path) -> None:
    body = b"".join(b"chr1\t%d\t.\tA\tC,G\t.\t.\tAF=0.5\n" % i for i in range(1, 200_001))
    with pysam.BGZFile(str(tmp_path / "x.vcf.gz"), "wb") as out:
        out.write(HEADER + body)
    units = list(VcfText(tmp_path / "x.vcf.gz", 4096))
    assert b"".join(records.text.tobytes() for records in units) == body
    assert np.concatenate([records.position for records in units]).tolist() == list(range(1, 200_001))


def test_a_unit_is_bounded_in_bytes(tmp_path: Path) -> None:
    samples = b"\t0/1:12,13:25:99:0,30,400" * 40_000  # a megabyte
    line = b"chr1\t1\t.\tA\tC\t.\t.\t.\tGT:AD:DP:GQ:PL" + samples + b"\n"
    (tmp_path / "x.vcf.gz").write_bytes(gzip.compress(HEADER + line * 50, 1))
    units = list(VcfText(tmp_path / "x.vcf.gz", 4096))
    assert sum(len(records) for records in units) == 50
    begins = [(len(HEADER) + i * len(line)) // SECTION_BYTES for i in range(50)]
    assert [(records.section, len(records)) for records in units] == sorted(Counter(begins).items())


def read_all(path: Path) -> int:
    return sum(len(records) for records in VcfText(path, 2))


GOOD = b"1\t5\t.\tA\tC\t.\t.\t.\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "x.vcf: is empty"),
        (GOOD, r"x.vcf:1: is not a VCF header \('1.5"),
        (b">chr1\nACGT\n", "is FASTA where a VCF is needed"),
        (b"BCF\2\2" + bytes(30), "is BCF"),
        (b"\xef\xbb\xbf" + HEADER, "byte order mark"),
        (b"##fileformat=VCFv4.2\n" + GOOD, "x.vcf:2: the header ends without its #CHROM line"),
        (b"##fileformat=VCFv4.2", "x.vcf:2: the header ends without its #CHROM line"),
        (HEADER.replace(b"\t", b" "), "x.vcf:2: the #CHROM line is not that of a VCF"),
        (HEADER.replace(b"INFO", b"INFO\tS1"), "x.vcf:2: the #CHROM line is not that of a VCF"),
        (HEADER.replace(b"INFO", b"INFO\tFORMAT\t\tS2"), "x.vcf:2: the #CHROM line is not that of a VCF"),
        (HEADER + b"##late\n", "x.vcf:3: is a header line behind the #CHROM line"),
        (HEADER + GOOD * 3 + b"##late\n", "x.vcf:6: is a header line behind the first record"),
        (HEADER + GOOD * 3 + b"1\t5\t.\tA\tC\t.\t.\n" + GOOD, r"x.vcf:6: has 7 column\(s\)"),
        (HEADER + GOOD + b"1 5 . A C . . .\n", r"x.vcf:4: has 1 column\(s\)"),
        (HEADER + GOOD + b"1\tfive\t.\tA\tC\t.\t.\t.\n", "x.vcf:4: POS is 'five'"),
        (HEADER + b"1\t-5\t.\tA\tC\t.\t.\t.\n", "x.vcf:3: POS is '-5'"),
        (HEADER + b"1\t99999999999999999999\t.\tA\tC\t.\t.\t.\n", "x.vcf:3: POS"),
        (HEADER + b"1\t5\t.\t\tC\t.\t.\t.\n", "x.vcf:3: REF is empty"),
        (HEADER + b"1\t5\t.\tA\t\t.\t.\t.\n", "x.vcf:3: ALT is empty"),
        (HEADER + b"\t5\t.\tA\tC\t.\t.\t.\n", "x.vcf:3: CHROM is empty"),
        (HEADER + GOOD + b"\n" + GOOD, "x.vcf:4: is an empty line between records"),
        (HEADER + GOOD + b"\r\n\n" + GOOD, "x.vcf:4: is an empty line between records"),
        (HEADER + GOOD * 2 + b"1\t5\t.\tA", r"x.vcf:5: has 4 column\(s\)"),
    ],
)
def test_broken_files_name_the_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "x.vcf").write_bytes(text)
    with pytest.raises(FormatError, match=message) as error:
        read_all(tmp_path / "x.vcf")
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no\.vcf: cannot be opened: No such file"):
        read_all(tmp_path / "no.vcf")


@pytest.mark.parametrize("tail", [b"\n", b"\r\n\r\n", b""])
def test_empty_lines_at_the_very_end_are_no_records(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "x.vcf").write_bytes(HEADER + GOOD * 4 + tail)
    assert read_all(tmp_path / "x.vcf") == 4


def test_header_alone(tmp_path: Path) -> None:
    (tmp_path / "x.vcf").write_bytes(HEADER.removesuffix(b"\n"))
    assert read_all(tmp_path / "x.vcf") == 0


@pytest.mark.parametrize("bgzf", [False, True])
def test_truncated_gzip(tmp_path: Path, bgzf: bool) -> None:
    random = np.random.default_rng(0)
    text = HEADER + b"".join(b"1\t%d\t.\tA\tC\t.\t.\t.\n" % i for i in random.integers(1, 2**30, 50_000).tolist())
    path = tmp_path / "x.vcf.gz"
    if bgzf:
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text)
        whole = path.read_bytes()
    else:
        whole = gzip.compress(text)
    for size in (len(whole) // 2, len(whole) - 3, len(whole) - 28):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match=r"x\.vcf\.gz: is truncated"):
            read_all(path)
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\x00\xff" + whole[len(whole) // 2 + 3 :])
    with pytest.raises(FormatError, match=r"x\.vcf\.gz.*(damaged|column|POS|empty)"):
        read_all(path)
    path.write_bytes(whole + bytes(1000))  # padding, as tapes and some servers add
    assert read_all(path) == 50_000
    path.write_bytes(whole + b"more")
    with pytest.raises(FormatError, match="other data after its compressed data"):
        read_all(path)


def test_header_gains_lines_and_nothing_else(tmp_path: Path) -> None:
    for end in (b"\n", b"\r\n"):
        text = HEADER.replace(b"\n", end)
        header = Header.parse(text, "x.vcf")
        assert header.with_lines([]) == text
        assert header.with_lines([b"##source=x"]) == text.replace(b"#CHROM", b"##source=x" + end + b"#CHROM")


def test_wrong_arrays_are_value_errors() -> None:
    records = parsed(GOOD * 2)
    one = np.ones(2, np.float32)
    flags = np.zeros(2, np.uint32)
    record = np.arange(2, dtype=np.int32)

    def call(records: Records = records, record: object = record, values: object = one, flags: object = flags) -> None:
        splice(records, record, {"A": values}, FLAG, flags, REASONS)  # type: ignore[dict-item, arg-type]

    call()
    with pytest.raises(ValueError, match="finite"):
        call(values=np.array([1, np.inf], np.float32))
    for wrong in ([1, 1], [0, 0], [1, 0]):
        with pytest.raises(ValueError, match="allele"):
            call(record=np.array(wrong, np.int32))
    with pytest.raises(ValueError, match="flags"):
        call(flags=flags[:1])
    with pytest.raises(ValueError, match="at most 32"):
        splice(records, record, {"A": one}, FLAG, flags, ["R"] * 33)
    for shift in (-1, 1000):
        with pytest.raises(ValueError, match="columns do not belong"):
            call(Records(records.text, records.columns + shift, records.position, 1, "x"))


def test_where_names_the_record() -> None:
    records = Records.parse(as_array(GOOD * 3), 10, "x.vcf")
    assert records.where(2) == "x.vcf:12 (1:5)"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_a_file_without_a_name_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.vcf").write_bytes(HEADER + GOOD)
    with open(tmp_path / "x.vcf", "rb") as file:
        assert read_all(Path(f"/proc/self/fd/{file.fileno()}")) == 1
