"""Sections of a VCF: units that are the same however a file is stored, and that can be read some at a time."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.sections import SECTION_BYTES, Sections, runs_of
from dnabert_fast.seq.vcf_text import Records, VcfText

HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
LAST_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def block(text: bytes, extra: bytes = b"") -> bytes:
    """A BGZF block, with another extra field before its own."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = deflate.compress(text) + deflate.flush()
    other = b"XY" + len(extra).to_bytes(2, "little") + extra if extra else b""
    size = 12 + len(other) + 6 + len(packed) + 8
    return (
        b"\x1f\x8b\x08\x04\0\0\0\0\0\xff"
        + (len(other) + 6).to_bytes(2, "little")
        + other
        + b"BC\2\0"
        + (size - 1).to_bytes(2, "little")
        + packed
        + zlib.crc32(text).to_bytes(4, "little")
        + len(text).to_bytes(4, "little")
    )


def bgzf(text: bytes, sizes: Sequence[int]) -> bytes:
    """Blocks of these sizes in turn, 0 being an empty one in the middle, every third with another extra field."""
    out, at, i = b"", 0, 0
    while at < len(text):
        size = sizes[i % len(sizes)]
        out += block(text[at : at + size], b"other" * (i % 3 == 2))
        at, i = at + size, i + 1
    return out + LAST_BLOCK


def expected(header: bytes, body: bytes, section_bytes: int, unit_records: int) -> list[tuple[int, int, bytes]]:
    """Section, first line and text of each unit, the plain way."""
    units: list[tuple[int, int, bytes]] = []
    at, count = len(header), 0
    for number, line in enumerate(body.splitlines(keepends=True), header.count(b"\n") + 1):
        section = at // section_bytes
        if units and units[-1][0] == section and count < unit_records:
            units[-1] = (section, units[-1][1], units[-1][2] + line)
            count += 1
        else:
            units.append((section, number, line))
            count = 1
        at += len(line)
    return units


def found(units: VcfText) -> list[tuple[int, int, bytes]]:
    return [(records.section, records.first_line, records.text.tobytes()) for records in units]


@dataclass(frozen=True)
class Case:
    header: bytes
    body: bytes
    blanks: bytes
    section_bytes: int
    unit_records: int
    sizes: list[int]
    chosen: list[bool]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    meta = draw(st.integers(0, 300))
    widths = draw(st.lists(st.sampled_from([0, 0, 0, 1, 5, 40, 900]), max_size=30))
    lines = [b"chr1\t%d\t.\tA\tC\t.\t.\tX=%s" % (i + 1, b"y" * width) for i, width in enumerate(widths)]
    body = b"".join(line + end for line in lines)
    blanks = draw(st.sampled_from([b"", b"\n", b"\r\n\n"]))
    if body and not blanks and draw(st.booleans()):
        body = body.removesuffix(end)
    return Case(
        HEADER.replace(b"#CHROM", b"##x=" + b"z" * meta + b"\n#CHROM").replace(b"\n", end),
        body,
        blanks,
        draw(st.one_of(st.integers(1, 60), st.integers(1, 2000), st.just(SECTION_BYTES))),
        draw(st.integers(1, 6)),
        draw(st.lists(st.integers(0, 200), min_size=1, max_size=6).filter(any)),
        draw(st.lists(st.booleans(), min_size=1, max_size=7)),
    )


@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_units_are_the_same_however_the_file_is_stored_and_read(case: Case) -> None:
    text = case.header + case.body + case.blanks
    wanted = expected(case.header, case.body, case.section_bytes, case.unit_records)
    how = case.unit_records, case.section_bytes
    with tempfile.TemporaryDirectory() as folder:
        plain, zipped, blocks = (Path(folder) / name for name in ("x.vcf", "gzip.vcf.gz", "bgzf.vcf.gz"))
        plain.write_bytes(text)
        zipped.write_bytes(gzip.compress(text, 1))
        blocks.write_bytes(bgzf(text, case.sizes))
        for path in (plain, zipped, blocks):
            assert found(VcfText(path, *how)) == wanted
        for path in (plain, blocks):
            index = Sections.find(path, case.section_bytes)
            assert len(index) == -(-len(text) // case.section_bytes)
            assert index.text_bytes == len(text)
            chosen = [i for i in range(len(index)) if case.chosen[i % len(case.chosen)]]
            some = found(VcfText(path, *how, sections=chosen, index=index))
            assert [(s, t) for s, _, t in some] == [(s, t) for s, _, t in wanted if s in set(chosen)]
            assert all(line in (0, {t: n for _, n, t in wanted}[t]) for _, line, t in some)
            every = VcfText(path, *how, sections=range(len(index)))
            assert found(every) == wanted
            assert every.share == 1


def test_a_record_longer_than_its_section(tmp_path: Path) -> None:
    lines = [b"chr1\t%d\t.\tA\tC\t.\t.\t.\tGT%s\n" % (i, b"\t0/1" * wide) for i, wide in ((1, 1), (2, 900_000), (3, 1))]
    (tmp_path / "x.vcf.gz").write_bytes(bgzf(HEADER + b"".join(lines), [60_000]))
    size = 1 << 20
    index = Sections.find(tmp_path / "x.vcf.gz", size)
    assert len(index) == 4
    got = {i: found(VcfText(tmp_path / "x.vcf.gz", 9, size, sections=[i], index=index)) for i in range(4)}
    assert got == {0: [(0, 3, lines[0] + lines[1])], 1: [], 2: [], 3: [(3, 0, lines[2])]}


def test_borders_are_those_of_the_text(tmp_path: Path) -> None:
    text = bytes(range(33, 127)) * 30
    (tmp_path / "x.gz").write_bytes(bgzf(text, [700, 0, 1, 1000]))
    (tmp_path / "x").write_bytes(text)
    stored = (tmp_path / "x.gz").read_bytes()
    for size in (1, 99, 700, 701, 5000):
        index, plain = Sections.find(tmp_path / "x.gz", size), Sections.find(tmp_path / "x", size)
        for i in range(-(-len(text) // size)):
            at = max(0, i * size - 1)
            inside = zlib.decompressobj(31).decompress(stored[index.stored[i] :])
            assert inside[index.within[i]] == text[at] == text[plain.stored[i]]
        assert len(index) == len(plain) == -(-len(text) // size)
        assert index.text_bytes == plain.text_bytes == len(text)


GOOD = b"chr1\t7\t.\tA\tC\t.\t.\t.\n"


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (gzip.compress(HEADER), "has gzip data without the block sizes of BGZF at byte 0; compress it with bgzip"),
        (block(HEADER) + gzip.compress(GOOD), r"has gzip data without .* at byte \d\d+; compress"),
        (block(HEADER) + block(GOOD), "is truncated: it lacks the empty block"),
        (block(HEADER) + LAST_BLOCK[:-5], r"is truncated: it ends in the BGZF block at byte \d\d+"),
        (block(HEADER)[:-20], "is truncated: it ends in the BGZF block at byte 0"),
        (block(HEADER) + LAST_BLOCK + b"more", r"has other data among its compressed data at byte \d+"),
        (block(HEADER)[:-2] + b"\x02\0" + LAST_BLOCK, "has a damaged BGZF block at byte 0"),
        (block(HEADER)[:16] + b"\5\0" + block(HEADER)[18:] + LAST_BLOCK, "has a damaged BGZF block at byte 0"),
    ],
)
def test_broken_blocks_are_named(tmp_path: Path, stored: bytes, message: str) -> None:
    (tmp_path / "x.vcf.gz").write_bytes(stored)
    with pytest.raises(FormatError, match=rf"x\.vcf\.gz: {message}") as error:
        Sections.find(tmp_path / "x.vcf.gz")
    assert "\n" not in str(error.value)


def test_blocks_may_be_followed_by_padding(tmp_path: Path) -> None:
    (tmp_path / "x.vcf.gz").write_bytes(bgzf(HEADER, [10]) + bytes(100_000))
    assert Sections.find(tmp_path / "x.vcf.gz").text_bytes == len(HEADER)


def test_what_is_no_file_has_no_sections(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "pipe", "is no regular file"),
        (tmp_path, "is no regular file"),
        (Path("-"), "standard input: is no regular file"),
        (tmp_path / "no", "cannot be opened: No such file"),
    ):
        with pytest.raises(FormatError, match=message):
            Sections.find(path)


def test_a_file_that_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(bgzf(HEADER + GOOD * 100, [5000]))
    index = Sections.find(path, 500)
    path.write_bytes(bgzf(HEADER + GOOD * 20, [5000]))
    with pytest.raises(FormatError, match="has changed since its sections were found"):
        found(VcfText(path, 9, 500, sections=[3], index=index))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"chr1\t7\t.\tA\tC\t.\t.\n", r"x\.vcf: the record at chr1:7: has 7 column\(s\)"),
        (b"chr1 7 . A C . . .\n", r"x\.vcf: the record at chr1 7 \. A C \. \. \.: has 1 column\(s\)"),
        (b"chr1\tx\x07\t.\tA\tC\t.\t.\t.\n", r"x\.vcf: the record at chr1:x\?: POS is 'x\?'"),
        (b"\n", r"x\.vcf: has an empty line between records, at byte \d+ of its text"),
    ],
)
def test_errors_of_sections_name_the_record(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "x.vcf").write_bytes(HEADER + GOOD * 20 + line + GOOD * 20)
    with pytest.raises(FormatError, match=message) as error:
        found(VcfText(tmp_path / "x.vcf", 100, 200, sections=range(2, 4)))
    assert "\n" not in str(error.value)


def test_places_of_records_of_sections() -> None:
    records = Records.parse(next(iter(VcfText(REAL, 1))).text, 0, "x.vcf")
    assert records.where(0).startswith("x.vcf: the record at ")


REAL = Path(__file__).parent.parent / "data" / "vcf" / "kg_phase3.vcf"


def test_wrong_requests_are_value_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    path.write_bytes(HEADER + GOOD * 20)
    last = len(Sections.find(path, 100)) - 1
    for sections in ([-1], [last + 1], range(last + 2)):
        with pytest.raises(ValueError, match=f"has sections 0 to {last}"):
            VcfText(path, 9, 100, sections=sections)
    for sections in ([1, 1], [2, 1]):
        with pytest.raises(ValueError, match="must ascend"):
            VcfText(path, 9, 100, sections=sections)
    with pytest.raises(ValueError, match="sections of 200 bytes, not 100"):
        VcfText(path, 9, 100, sections=[0], index=Sections.find(path, 200))
    with pytest.raises(ValueError, match="at least one byte"):
        VcfText(path, 9, 0)
    with pytest.raises(ValueError, match="at least one byte"):
        Sections.find(path, 0)
    assert found(VcfText(path, 9, 100, sections=[])) == []


def test_runs() -> None:
    assert runs_of([0, 1, 2, 5, 7, 8]) == [range(3), range(5, 6), range(7, 9)]
    assert runs_of([]) == []
