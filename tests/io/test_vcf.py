"""VCF and BCF in and out: every byte passes through, output is indexed, and nothing half-made stays."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.io.vcf import VcfSink, VcfSource, header_lines

FILES = ["hg002", "clinvar2016", "mills_indels", "pbsv_svs"]
OURS = [
    b'##INFO=<ID=DNABERT_DIFF,Number=A,Type=Float,Description="x">',
    b"##source=dnabert_fast 1",
    b"##command=variants",
]
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def plain(data: Path, name: str) -> bytes:
    return gzip.decompress((data / "vcf" / f"{name}.vcf.gz").read_bytes())


def bcf_of(vcf: bytes, path: Path) -> Path:
    text = path.with_suffix(".vcf")
    text.write_bytes(vcf)
    pysam.bcftools.view("--no-version", "-Ob", "-o", str(path), str(text), catch_stdout=False)
    text.unlink()
    return path


def read(path: Path | str, unit: int = 100) -> tuple[bytes, bytes]:
    source = VcfSource(path, unit)
    return source.header.with_lines([]), b"".join(records.text.tobytes() for records in source)


def copy(source: VcfSource, out: Path) -> VcfSink:
    """Write a source as it is."""
    with VcfSink(out, source.header.with_lines([])) as sink:
        for records in source:
            sink.note_positions(*records.contigs(), records.position)
            sink.write(records.text)
    return sink


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzf"])
def test_every_byte_comes_in(data: Path, tmp_path: Path, name: str, kind: str) -> None:
    text = plain(data, name)
    path = tmp_path / "in.vcf.gz"
    if kind == "bgzf":
        with pysam.BGZFile(str(path), "w") as file:  # type: ignore[call-arg]
            file.write(text)
    else:
        path.write_bytes(text if kind == "plain" else gzip.compress(text))
    header, records = read(path)
    assert (header + records).replace(b"INFO\n", b"INFO\t\n" if name == "mills_indels" else b"INFO\n", 1) == text


@pytest.mark.parametrize("name", ["hg002", "mills_indels"])
def test_units_are_cut_by_records_alone(data: Path, name: str) -> None:
    units = [len(records) for records in VcfSource(data / "vcf" / f"{name}.vcf.gz", 100)]
    assert units == [100, 100, 100, 100] if name == "hg002" else [100, 28]


def test_bcf_comes_in_as_the_text_htslib_makes_of_it(data: Path, tmp_path: Path) -> None:
    text = plain(data, "hg002")
    header, records = read(bcf_of(text, tmp_path / "in.bcf"))
    body = text[text.index(b"\n#CHROM") + 1 :].split(b"\n", 1)[1]
    assert records == body
    assert header.endswith(b"HG002\n")


def test_line_numbers_of_bcf_count_the_lines_of_its_text(data: Path, tmp_path: Path) -> None:
    source = VcfSource(bcf_of(plain(data, "hg002"), tmp_path / "in.bcf"), 150)
    lines = source.header.with_lines([]).count(b"\n")
    assert [records.first_line for records in source] == [lines + 1, lines + 151, lines + 301]


@pytest.mark.parametrize("cut", [28, 900])
def test_a_truncated_bcf_is_said(data: Path, tmp_path: Path, cut: int) -> None:
    """Cut between two blocks, where htslib sees nothing wrong, and inside one."""
    path = bcf_of(plain(data, "hg002"), tmp_path / "in.bcf")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(FormatError, match=r"in\.bcf: truncated BCF"):
        read(path)


def test_a_broken_bcf_is_said(data: Path, tmp_path: Path) -> None:
    path = bcf_of(plain(data, "hg002"), tmp_path / "in.bcf")
    raw = bytearray(path.read_bytes())
    raw[-1500:-1400] = bytes(100)
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"in\.bcf: broken BCF"):
        read(path)


@pytest.mark.parametrize("how", ["pipe", "file"])
@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "bcf"])
def test_standard_input_may_be_any_kind(data: Path, tmp_path: Path, how: str, kind: str) -> None:
    text = plain(data, "hg002")
    path = tmp_path / f"in.{kind}"
    if kind == "bcf":
        bcf_of(text, path)
    else:
        path.write_bytes(text if kind == "vcf" else gzip.compress(text))
    code = "import sys; from dnabert_fast.io.vcf import VcfSource; print(sum(len(r) for r in VcfSource('-', 100)))"
    command = [sys.executable, "-c", code]
    if how == "pipe":
        done = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=False)
    else:
        with path.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"400\n", b"")


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz"])
def test_a_pipe_by_its_path_is_read_once(data: Path, tmp_path: Path, kind: str) -> None:
    """As a shell's <(...) gives one."""
    text = plain(data, "hg002")
    (tmp_path / "in").write_bytes(text if kind == "vcf" else gzip.compress(text))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", str(tmp_path / "in"), str(tmp_path / "pipe")]):
        assert b"".join(read(tmp_path / "pipe")) == text


def test_a_pipe_without_tee_is_text(data: Path, tmp_path: Path) -> None:
    """Where the C library has no tee(2), BCF on standard input is refused in one line."""
    code = (
        "import ctypes; from dnabert_fast.io.vcf import VcfSource; ctypes.CDLL = lambda *_: object()\n"
        "try: print(sum(map(len, VcfSource('-', 100))))\n"
        "except Exception as error: print(error)"
    )
    text = plain(data, "hg002")
    for sent, said in ((text, b"400\n"), (bcf_of(text, tmp_path / "in.bcf").read_bytes(), b"is BCF; convert it")):
        assert said in subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True).stdout


@pytest.mark.parametrize("name", FILES)
def test_bgzf_out_is_the_input_indexed(data: Path, tmp_path: Path, name: str) -> None:
    source = VcfSource(data / "vcf" / f"{name}.vcf.gz", 100)
    sink = copy(source, tmp_path / "out.vcf.gz")
    assert not sink.unsorted
    assert sorted(os.listdir(tmp_path)) == ["out.vcf.gz", "out.vcf.gz.tbi"]
    out = gzip.decompress((tmp_path / "out.vcf.gz").read_bytes())
    assert out == b"".join(read(data / "vcf" / f"{name}.vcf.gz"))
    lines = [line for line in out.decode().splitlines() if not line.startswith("#")]
    chrom, position = lines[20].split("\t")[:2]
    with pysam.TabixFile(str(tmp_path / "out.vcf.gz"), encoding="utf-8") as index:
        assert lines[20] in list(index.fetch(chrom, int(position) - 1, int(position)))
        found = sum(1 for contig in index.contigs for _ in index.fetch(contig))
    assert found == len(lines)


def test_units_never_share_a_block(data: Path, tmp_path: Path) -> None:
    """So that a shard is whole units, and its blocks can be joined to others'."""
    copy(VcfSource(data / "vcf" / "hg002.vcf.gz", 200), tmp_path / "whole.vcf.gz")
    parts = b""
    for number, records in enumerate(VcfSource(data / "vcf" / "hg002.vcf.gz", 200)):
        with VcfSink(tmp_path / f"{number}.vcf.gz", b"") as sink:
            sink.write(records.text)
        parts += (tmp_path / f"{number}.vcf.gz").read_bytes()[:-28]  # the empty block at the end
    assert (tmp_path / "whole.vcf.gz").read_bytes()[:-28].endswith(parts)


def test_plain_out(data: Path, tmp_path: Path) -> None:
    copy(VcfSource(data / "vcf" / "pbsv_svs.vcf.gz"), tmp_path / "out.vcf")
    assert (tmp_path / "out.vcf").read_bytes() == plain(data, "pbsv_svs")
    assert os.listdir(tmp_path) == ["out.vcf"]


def test_bcf_out_is_indexed_and_holds_the_records(data: Path, tmp_path: Path) -> None:
    copy(VcfSource(data / "vcf" / "hg002.vcf.gz"), tmp_path / "out.bcf")
    assert sorted(os.listdir(tmp_path)) == ["out.bcf", "out.bcf.csi"]
    assert read(tmp_path / "out.bcf")[1] == read(data / "vcf" / "hg002.vcf.gz")[1]
    with pysam.VariantFile(str(tmp_path / "out.bcf")) as file:
        first = next(iter(VcfSource(data / "vcf" / "hg002.vcf.gz")))
        position = int(first.position[0])
        assert [record.pos for record in file.fetch("chr20", position - 1, position)] == [position]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"1\t5\t.\tA\tC\t.\t.\tNEW=1", "INFO NEW"),
        (b"2\t5\t.\tA\tC\t.\t.\t.", "contig 2"),
        (b"1\t5\t.\tA\tC\t.\tlow\t.", "FILTER low"),
    ],
)
def test_bcf_out_names_what_it_cannot_hold(
    tmp_path: Path, line: bytes, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(
        b"##fileformat=VCFv4.2\n##contig=<ID=1>\n" + COLUMNS + b"1\t4\t.\tA\tC\t.\tPASS\t.\n" + line + b"\n"
    )
    with pytest.raises(FormatError, match=f"out.bcf: the record at .:5 has {what}, which the header lacks"):
        copy(VcfSource(path), tmp_path / "out.bcf")
    assert os.listdir(tmp_path) == ["in.vcf"]
    assert capfd.readouterr() == ("", "")


def test_carriage_returns_stay(data: Path, tmp_path: Path) -> None:
    text = plain(data, "pbsv_svs").replace(b"\n", b"\r\n")
    path = tmp_path / "in.vcf"
    path.write_bytes(text)
    copy(VcfSource(path), tmp_path / "out.vcf.gz")
    assert gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()) == text
    header, _ = header_lines(VcfSource(path).header, OURS, ["DNABERT_DIFF"], False)
    assert header.count(b"\n") == header.count(b"\r\n")


@pytest.mark.parametrize("suffix", ["vcf.gz", "bcf"])
def test_unsorted_records_come_out_without_an_index(tmp_path: Path, suffix: str) -> None:
    body = b"1\t9\t.\tA\tC\t.\t.\t.\n1\t5\t.\tA\tC\t.\t.\t.\n"
    path = tmp_path / "in.vcf"
    path.write_bytes(b"##fileformat=VCFv4.2\n##contig=<ID=1>\n" + COLUMNS + body)
    for stale in ("tbi", "csi"):
        (tmp_path / f"out.{suffix}.{stale}").write_bytes(b"of an older file")
    sink = copy(VcfSource(path, 1), tmp_path / f"out.{suffix}")
    assert sink.unsorted
    assert read(tmp_path / f"out.{suffix}")[1] == body
    assert not (tmp_path / f"out.{suffix}.tbi").exists()
    assert not (tmp_path / f"out.{suffix}.csi").exists()


records = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=12)


@given(records, st.integers(1, 5))
def test_order_is_seen_across_units(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, int]], unit: int
) -> None:
    contigs = list(dict.fromkeys(name for name, _ in found))
    in_order = found == sorted(found, key=lambda record: (contigs.index(record[0]), record[1]))
    with VcfSink(tmp_path_factory.mktemp("order") / "out.vcf", COLUMNS) as sink:
        for at in range(0, len(found), unit):
            part = found[at : at + unit]
            names = list(dict.fromkeys(name for name, _ in part))
            code = np.array([names.index(name) for name, _ in part], np.int32)
            sink.note_positions(names, code, np.array([position for _, position in part], np.int64))
    assert sink.unsorted is not in_order


@pytest.mark.parametrize(
    ("contig", "position", "suffix"),
    [
        (b"##contig=<ID=1,length=536870912>\n", 5, "tbi"),
        (b"##contig=<ID=1,assembly=x,length=536870913>\n", 5, "csi"),
        (b"##contig=<ID=1>\n", 600_000_000, "csi"),
    ],
)
def test_long_contigs_get_a_csi(tmp_path: Path, contig: bytes, position: int, suffix: str) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(b"##fileformat=VCFv4.2\n" + contig + COLUMNS + b"1\t%d\t.\tA\tC\t.\t.\t.\n" % position)
    copy(VcfSource(path), tmp_path / "out.vcf.gz")
    assert sorted(os.listdir(tmp_path)) == ["in.vcf", "out.vcf.gz", f"out.vcf.gz.{suffix}"]
    with pysam.TabixFile(str(tmp_path / "out.vcf.gz"), index=str(tmp_path / f"out.vcf.gz.{suffix}")) as index:
        assert len(list(index.fetch("1", position - 1, position))) == 1


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.bcf"])
def test_an_interruption_leaves_nothing(data: Path, tmp_path: Path, name: str) -> None:
    def interrupted() -> None:
        source = VcfSource(data / "vcf" / "hg002.vcf.gz", 100)
        with VcfSink(tmp_path / name, source.header.with_lines([])) as sink:
            sink.write(next(iter(source)).text)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_standard_output_gets_the_text(data: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    source = VcfSource(data / "vcf" / "pbsv_svs.vcf.gz")
    copy(source, Path("-"))
    assert capfdbinary.readouterr().out == plain(data, "pbsv_svs")


def test_our_lines_come_before_the_columns_and_nothing_else_changes(data: Path) -> None:
    header = VcfSource(data / "vcf" / "clinvar2016.vcf.gz").header
    text, replaced = header_lines(header, OURS, ["DNABERT_DIFF"], False)
    *meta, columns = header.with_lines([]).splitlines()
    assert text.splitlines() == [*meta, *OURS, columns]
    assert replaced == ()
    assert (b"##reference" in text) == (b"##reference" in header.with_lines([]))


def test_fields_of_ours_in_the_input_are_an_error_or_replaced(data: Path, tmp_path: Path) -> None:
    header = VcfSource(data / "vcf" / "clinvar2016.vcf.gz").header
    scored, _ = header_lines(header, OURS, ["DNABERT_DIFF"], False)
    path = tmp_path / "in.vcf"
    path.write_bytes(scored)
    again = VcfSource(path).header
    with pytest.raises(FormatError, match="INFO DNABERT_DIFF already; --overwrite"):
        header_lines(again, OURS, ["DNABERT_DIFF"], False)
    newer = [OURS[0].replace(b'"x"', b'"y"'), *OURS[1:]]
    text, replaced = header_lines(again, newer, ["DNABERT_DIFF"], True)
    assert replaced == ("DNABERT_DIFF",)
    assert text == scored.replace(b'"x"', b'"y"')


def test_another_suffix_names_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"out\.txt: .*\.vcf, \.vcf\.gz, \.bcf or -"):
        VcfSink(tmp_path / "out.txt", b"")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"in\.vcf: cannot be read"):
        VcfSource(tmp_path / "in.vcf")
