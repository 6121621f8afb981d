"""Any VCF or BCF as BGZF text: its units stay what they were, and its sections can be read alone."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pysam
import pysam.bcftools
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.reblock import reblock
from dnabert_fast.io.vcf import VcfSource, has_sections
from dnabert_fast.seq.sections import Sections

FILES = ["hg002", "clinvar2016", "mills_indels", "pbsv_svs"]
KINDS = ["plain", "gzip", "bgzf", "bcf"]
BYTES = 2000


def plain(data: Path, name: str) -> bytes:
    return gzip.decompress((data / "vcf" / f"{name}.vcf.gz").read_bytes())


def stored(text: bytes, kind: str, folder: Path) -> Path:
    """The text in a file of that kind."""
    path = folder / {"plain": "in.vcf", "gzip": "in.vcf.gz", "bgzf": "blocks.vcf.gz", "bcf": "in.bcf"}[kind]
    if kind == "plain":
        path.write_bytes(text)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(text))
    elif kind == "bgzf":
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text)
    else:
        (folder / "text.vcf").write_bytes(text)
        pysam.bcftools.view("--no-version", "-Ob", "-o", str(path), str(folder / "text.vcf"), catch_stdout=False)
    return path


def units(source: VcfSource) -> list[tuple[int, bytes]]:
    return [(records.section, records.text.tobytes()) for records in source]


@pytest.mark.parametrize(
    ("name", "kind"),
    # htslib makes no BCF of the other two: one has a wrong #CHROM line, one undeclared fields.
    [(name, kind) for name in FILES for kind in KINDS if kind != "bcf" or name in ("hg002", "pbsv_svs")],
)
def test_units_stay_what_they_were(data: Path, tmp_path: Path, name: str, kind: str) -> None:
    path, target = stored(plain(data, name), kind, tmp_path), tmp_path / "out"
    source = VcfSource(path, 7, BYTES)
    found, shares, seen = [], [], []
    for records in source:
        found.append((records.section, records.text.tobytes()))
        shares.append(source.share or 0.0)
    assert shares == sorted(shares)
    assert shares[-1] > 0.9  # of BCF, where the last block begins
    reblock(path, target, lambda done, share: seen.append((done, share)))
    assert sum(done for done, _ in seen) == sum(lines.count(b"\n") for _, lines in found)
    again = VcfSource(target, 7, BYTES)
    assert again.header_text == source.header_text
    assert units(again) == found
    assert len({section for section, _ in found}) > 3
    assert has_sections(target)
    index = Sections.find(target, BYTES)
    some = [section for section in range(len(index)) if section % 3 != 1]
    assert units(VcfSource(target, 7, BYTES, sections=some, index=index)) == [u for u in found if u[0] in some]
    assert list(tmp_path.glob(".*")) == []


def test_sections_of_text_that_htslib_gives(data: Path, tmp_path: Path) -> None:
    path = stored(plain(data, "hg002"), "bcf", tmp_path)
    source = VcfSource(path, 4, 3000)
    at, first = len(source.header_text), source.header_text.count(b"\n") + 1
    units = list(source)
    for records in units:
        assert (records.section, records.first_line) == (at // 3000, first)
        at, first = at + len(records.text), first + len(records)
    assert sum(map(len, units)) == 400
    assert max(map(len, units)) == 4
    # A unit that has fewer ends with its section.
    assert all(len(one) == 4 or one.section < two.section for one, two in pairwise(units))


@pytest.mark.parametrize("kind", ["plain", "gzip", "bcf"])
def test_standard_input(data: Path, tmp_path: Path, kind: str) -> None:
    path = stored(plain(data, "hg002"), kind, tmp_path)
    code = f"from dnabert_fast.io.reblock import reblock; reblock('-', {str(tmp_path / 'out')!r})"
    subprocess.run([sys.executable, "-c", code], input=path.read_bytes(), check=True)
    assert units(VcfSource(tmp_path / "out", 7, BYTES)) == units(VcfSource(path, 7, BYTES))


def test_what_is_no_vcf_leaves_the_target_as_it_was(data: Path, tmp_path: Path) -> None:
    text = plain(data, "hg002")
    line = text.count(b"\n") + 1
    path = stored(text + b"chr1\tseven\t.\tA\tC\t.\t.\t.\n", "gzip", tmp_path)
    (tmp_path / "out").write_bytes(b"before")
    with pytest.raises(FormatError, match=rf"in\.vcf\.gz:{line}: POS is 'seven'"):
        reblock(path, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"before"
    assert list(tmp_path.glob(".*")) == []


def test_which_files_have_sections(data: Path, tmp_path: Path) -> None:
    text = plain(data, "hg002")
    assert {kind: has_sections(stored(text, kind, tmp_path)) for kind in KINDS} == {
        "plain": True, "gzip": False, "bgzf": True, "bcf": False,
    }  # fmt: skip
    os.mkfifo(tmp_path / "pipe")
    assert not has_sections(tmp_path / "pipe")
    assert not has_sections("-")
    assert not has_sections(tmp_path / "no")
    with pytest.raises(FormatError, match=r"in\.bcf: BCF cannot be read in sections; convert it"):
        VcfSource(tmp_path / "in.bcf", sections=[0])
    with pytest.raises(FormatError, match=r"in\.vcf\.gz: has gzip data without the block sizes of BGZF"):
        VcfSource(tmp_path / "in.vcf.gz", sections=[0])
