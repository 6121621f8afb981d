"""Lists of known variants: the same records out of VCF, BCF and tables, and files that are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam.bcftools
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.known import known_records

ROWS = [("chr1", 5, "A", "T"), ("chr1", 9, "AC", "A,G"), ("2", 77, "g", "gTT")]
VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##contig=<ID=2>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    + "".join(f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for chrom, pos, ref, alt in ROWS)
)


def records(path: Path) -> list[tuple[str, int, str, str]]:
    lines = b"".join(unit.text.tobytes() for unit in known_records(path)).decode().splitlines()
    fields = [line.split("\t") for line in lines]
    return [(row[0], int(row[1]), row[3], row[4]) for row in fields]


def test_files_of_all_kinds_hold_the_same_variants(tmp_path: Path) -> None:
    plain, packed, binary = tmp_path / "a.vcf", tmp_path / "named_anyhow", tmp_path / "a.bcf"
    plain.write_text(VCF)
    packed.write_bytes(gzip.compress(VCF.encode()))
    pysam.bcftools.view("-Ob", "-o", str(binary), str(plain), catch_stdout=False)
    tsv, csv = tmp_path / "a.tsv.gz", tmp_path / "a.csv"
    table = [("trait", "#CHROM", "Pos", "ref", "alt"), *(("height", *map(str, row)) for row in ROWS)]
    tsv.write_bytes(gzip.compress("".join("\t".join(row) + "\n" for row in table).encode()))
    csv.write_text("chrom,pos,ref,alt\n" + "".join(f'{c},{p},{r},"{a}"\n' for c, p, r, a in ROWS))
    for path in (plain, packed, binary, tsv, csv):
        assert records(path) == ROWS, path


def test_what_is_missing_in_a_table_is_no_allele(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("chrom\tpos\tref\talt\n1\t5\t\tNA\n")
    assert records(path) == [("1", 5, ".", ".")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tpos\tref\n1\t5\tA\n", "no column 'alt'"),
        ("chr\tpos\tref\talt\n1\t5\tA\tT\n", "no column 'chrom'"),
        ("chrom\tpos\tref\talt\n1\t5\tA\tT\n1\tx\tA\tT\n", r"a\.tsv:3: pos 'x'"),
        ("chrom\tpos\tref\talt\n1\t0\tA\tT\n", r"a\.tsv:2: pos 0 "),
        ("", "empty"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\n", "#CHROM line"),
    ],
)
def test_other_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        records(path)
    with pytest.raises(FormatError, match="cannot be read"):
        records(tmp_path / "none.vcf")
