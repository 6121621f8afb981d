"""`lookup` from files to files: records pass through, alleles match as bcftools matches them, misses are set apart."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest
from oracle import score_table as oracle
from oracle import scored
from oracle import vcf as oracle_vcf

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.lookup import lookup
from dnabert_fast.workflows.saturate import saturate

MakeModel = Callable[..., Path]
MakeVcf = Callable[..., Path]
CADD = "## CADD GRCh38-v1.6 (c) University of Washington\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"


def write_table(path: Path, rows: list[str], header: str = CADD) -> Path:
    with pysam.BGZFile(str(path), "w") as file:
        file.write((header + "".join("\t".join(row.split()) + "\n" for row in rows)).encode())
    pysam.tabix_index(str(path), seq_col=0, start_col=1, end_col=1, force=True)
    return path


def values(path: Path, name: str) -> list[str]:
    """A field of every record of a VCF, empty where there is none."""
    found = []
    for line in scored.lines(scored.text(path)):
        parts = [part.partition("=") for part in line.decode().split("	")[7].split(";")]
        found.append({name: value for name, _, value in parts}.get(name, ""))
    return found


def places(path: Path) -> list[tuple[str, int]]:
    """CHROM and POS of every record."""
    columns = [line.decode().split("	") for line in scored.lines(scored.text(path))]
    return [(chrom, int(pos)) for chrom, pos, *_ in columns]


@pytest.fixture(scope="module")
def cadd(real_grch38: Path, chr20: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table in CADD's layout with most of the real alleles in normal form, and SNVs around them."""
    rows: dict[tuple[int, str, str], None] = {}
    contig = chr20.decode()
    for number, (_, pos, ref, alt, _) in enumerate(scored.alleles(real_grch38.read_bytes())):
        start, deleted, inserted = oracle.normal(pos, ref.decode(), alt.decode(), contig)
        if bool(deleted) != bool(inserted):
            before = contig[start - 1]
            rows[start, before + deleted, before + inserted] = None
        elif number % 5:
            rows[start + 1, deleted, inserted] = None
        rows |= {(pos, contig[pos - 1], other): None for other in "ACGT" if other != contig[pos - 1] and number % 5}
    ordered = sorted(rows)
    folder = tmp_path_factory.mktemp("cadd")
    lines = [f"20 {pos} {ref} {alt} {i / 7 - 3:.6f} {i % 40 + 0.125:.3f}" for i, (pos, ref, alt) in enumerate(ordered)]
    return write_table(folder / "cadd.tsv.gz", lines)


@pytest.mark.parametrize("normalised", [False, True])
def test_real_alleles(
    tmp_path: Path, real_grch38: Path, grch38: Path, chr20: bytes, cadd: Path, normalised: bool
) -> None:
    """SNVs, insertions, deletions and multi-allelic records of three callers against a dictionary."""
    out, missed = tmp_path / "o.vcf.gz", tmp_path / "m.vcf.gz"
    facts = lookup(real_grch38, [str(cadd)], output=out, misses=missed, genome=grch38 if normalised else None)
    _, truth = oracle.rows(cadd)
    found, contig = 0, chr20.decode()
    rest = set()
    for _, pos, ref, alt, ours in scored.alleles(scored.text(out), "CADD"):
        hit, numbers = oracle.find(truth, "20", pos, ref.decode(), alt.decode(), contig if normalised else None)
        expected = [oracle_vcf.number(float(text)) for text in numbers] if numbers else [".", "."]
        assert [ours["RAW"], ours["PHRED"]] == expected
        found += hit == "FOUND"
        rest |= set() if hit == "FOUND" else {(pos, ref)}
    assert facts["found"] == found > 0.6 * facts["alleles"]
    assert {(pos, ref) for _, pos, ref, _, _ in scored.alleles(scored.text(missed))} == rest
    assert facts["records_missed"] == len(scored.lines(scored.text(missed))) > 3
    assert oracle_vcf.strip(b"\n".join(scored.lines(scored.text(out))), facts["fields"]) == b"\n".join(
        scored.lines(real_grch38.read_bytes())
    )
    for path in (out, missed):
        with pysam.VariantFile(str(path)) as file:
            assert sum(1 for _ in file.fetch("chr20", 0, 4_000_000)) == len(scored.lines(scored.text(path)))


def test_moving_left_finds_what_callers_write_otherwise(tmp_path: Path, make_vcf: MakeVcf) -> None:
    (tmp_path / "g.fa").write_text(">chr20\nGGCATATATCG\n")
    table = write_table(tmp_path / "t.tsv.gz", ["chr20 3 CAT C 1.5 2", "chr20 3 C CAT 2.5 3"])
    vcf = make_vcf(["chr20 7 TATC TC", "chr20 7 TA T,TATA", "chr20 9 T TAT"])
    counts = lookup(vcf, [str(table)], output=tmp_path / "o.vcf")
    assert (counts["found"], counts["alleles"]) == (0, 4)
    lookup(vcf, [str(table)], output=tmp_path / "o.vcf", genome=tmp_path / "g.fa")
    assert values(tmp_path / "o.vcf", "CADD_RAW") == ["1.5", ".,2.5", "2.5"]
    lookup(make_vcf(["chr20 4 ATATATC ATATC"]), [str(table)], output=tmp_path / "o.vcf", genome=tmp_path / "g.fa")
    assert values(tmp_path / "o.vcf", "CADD_RAW") == ["1.5"]


def test_bcftools_annotates_the_same(tmp_path: Path, make_model: MakeModel, make_vcf: MakeVcf, grch38: Path) -> None:
    """`bcftools annotate` on our table, SNVs alone: the same number for each allele."""
    (tmp_path / "r.bed").write_text("chr20\t500000\t500030\n")
    table, out = tmp_path / "t.tsv.gz", tmp_path / "o.vcf"
    saturate(grch38, model=str(make_model()), output=table, regions=tmp_path / "r.bed", window=20)
    columns, truth = oracle.rows(table)
    chosen = [row for i, row in enumerate(truth) if i % 3]
    vcf = make_vcf([f"{chrom} {pos} {ref} {alt}" for chrom, pos, ref, alt in chosen] + ["chr20 600000 A C"])
    lookup(vcf, [str(table)], output=out, columns=columns[4:])
    fields = [f"DNABERT_{name}" for name in ("RAW", "PHRED", "REF", "ALT", "DIFF", "LOGOR")]
    (tmp_path / "h.txt").write_text(
        "".join(f'##INFO=<ID={name},Number=A,Type=Float,Description="x">\n' for name in fields)
    )
    assert columns[4:] == ["RawScore", "PHRED", *fields[2:]]
    annotated = tmp_path / "b.vcf"
    pysam.bcftools.annotate(
        "-a", str(table), "-h", str(tmp_path / "h.txt"), "-c", "CHROM,POS,REF,ALT," + ",".join(fields),
        "-o", str(annotated), str(vcf), catch_stdout=False,
    )  # fmt: skip
    for name in fields:
        ours, theirs = values(out, name), values(annotated, name)
        assert len(ours) == len(theirs) == len(chosen) + 1
        assert (ours[-1], theirs[-1]) == (".", "")
        assert [float(text) for text in ours[:-1]] == [pytest.approx(float(text), rel=2e-6) for text in theirs[:-1]]


def test_several_tables(tmp_path: Path, make_vcf: MakeVcf) -> None:
    """The first of equal fields counts; others stand beside; an allele is missing where one kind is."""
    snvs = write_table(tmp_path / "snvs.tsv.gz", ["20 5 A C 1 2", "20 6 A C 3 4"])
    more = write_table(tmp_path / "more.tsv.gz", ["20 5 A C 9 9", "20 5 A AT 5 6"])
    own = write_table(tmp_path / "own.tsv.gz", ["20 5 A C 7 8"], CADD.split("\n", 1)[1])
    vcf = make_vcf(["chr20 5 A C,AT,G", "chr20 6 A C"])
    facts = lookup(vcf, [str(snvs), str(more), f"X={own}"], output=tmp_path / "o.vcf", misses=tmp_path / "m.vcf")
    assert facts["fields"] == ["CADD_RAW", "CADD_PHRED", "X_RAW", "X_PHRED"]
    assert values(tmp_path / "o.vcf", "CADD_PHRED") == ["2,6,.", "4"]
    assert values(tmp_path / "o.vcf", "X_RAW") == ["7,.,.", "."]
    assert (facts["found"], facts["records_missed"]) == (1, 2)
    assert facts["reasons"] == {"NOT_IN_TABLE": 2, "OTHER_ALT": 1}
    ranks = write_table(tmp_path / "ranks.tsv.gz", ["20 5 A C 7 8"], CADD.replace("RawScore", "Other"))
    with pytest.raises(DnabertError, match="two tables have CADD_PHRED beside other fields; give them names"):
        lookup(vcf, [str(snvs), str(ranks)], output=tmp_path / "o.vcf")


def test_alleles_without_bases_are_no_misses(tmp_path: Path, make_vcf: MakeVcf) -> None:
    table = write_table(tmp_path / "t.tsv.gz", ["20 5 A C 1 2"])
    vcf = make_vcf(["chr20 5 A C,*", "chr20 6 A <DEL>", "chr20 6 N C", "chr20 7 A G", "5 7 A G"])
    facts = lookup(vcf, [str(table)], output=tmp_path / "o.vcf", misses=tmp_path / "m.vcf")
    assert values(tmp_path / "o.vcf", "CADD_RAW") == ["1,.", ".", ".", ".", "."]
    assert places(tmp_path / "m.vcf") == [("chr20", 7), ("5", 7)]
    assert facts["reasons"] == {"STAR": 1, "SYMBOLIC": 1, "AMBIGUOUS": 1, "NOT_IN_TABLE": 1, "CONTIG_NOT_IN_TABLE": 1}
    assert "no table has the contigs 5" in facts["notes"]


def test_order_and_units_change_no_score(tmp_path: Path, make_vcf: MakeVcf) -> None:
    """More records than a unit holds, in order and shuffled; the last line without its end, CR LF, and gzip."""
    rng = np.random.default_rng(5)
    places = np.cumsum(rng.integers(1, 40, 9000)).tolist()
    rows = [f"20 {place} A C {i}.25 {i % 50}" for i, place in enumerate(places)]
    table = write_table(tmp_path / "t.tsv.gz", rows)
    asked = [place for place in places if place % 7] + [place + 1 for place in places[::50]]
    want = {place: f"{np.float32(i + 0.25):.6g}" for i, place in enumerate(places)}
    for order in (sorted(asked), rng.permutation(asked).tolist()):
        vcf = make_vcf([f"chr20 {place} A C" for place in order])
        vcf.write_bytes(vcf.read_bytes().removesuffix(b"\n").replace(b"\n", b"\r\n"))
        out, missed = tmp_path / "o.vcf.gz", tmp_path / "m.vcf"
        facts = lookup(vcf, [str(table)], output=out, misses=missed)
        assert values(out, "CADD_RAW") == [want.get(place, ".") for place in order]
        assert facts["records"] == len(order)
        assert len(scored.lines(scored.text(missed))) == sum(place not in want for place in order)
        assert ("not sorted" in " ".join(facts["notes"])) == (order != sorted(order))
        lines = gzip.decompress(out.read_bytes()).split(b"\n")
        assert all(line.endswith(b"\r") for line in lines[:-2])


def test_another_assembly_is_refused(tmp_path: Path, make_vcf: MakeVcf) -> None:
    def alleles(shift: int, first: int, last: int) -> list[str]:
        return [f"{at} {'ACGT'[(at + shift) % 4]} A" for at in range(first, last) if at % 4 and (at + shift) % 4]

    table = write_table(tmp_path / "t.tsv.gz", [f"20 {allele} 1 2" for allele in alleles(0, 100, 200)])
    right = make_vcf([f"chr20 {allele}" for allele in alleles(0, 101, 150)], "right.vcf")
    wrong = make_vcf([f"chr20 {allele}" for allele in alleles(1, 101, 150)], "wrong.vcf")
    some = make_vcf([f"chr20 {allele}" for allele in (*alleles(0, 101, 150), "150 T A")])
    assert lookup(right, [str(table)], output=tmp_path / "o.vcf")["notes"] == []
    with pytest.raises(
        FormatError, match=r"t\.tsv\.gz: has another REF than .*wrong\.vcf:4 \(chr20:101\) with G"
    ) as told:
        lookup(wrong, [str(table)], output=tmp_path / "w.vcf")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "w.vcf").exists()
    facts = lookup(some, [str(table)], output=tmp_path / "o.vcf")
    assert facts["notes"] == [f"{table} has another REF than the VCF at 1 of {facts['alleles']} places"]
    assert facts["reasons"] == {"OTHER_REF": 1}


def test_fields_that_are_there_give_way_only_when_asked(tmp_path: Path, make_vcf: MakeVcf) -> None:
    table = write_table(tmp_path / "t.tsv.gz", ["20 5 A C 1 2"])
    once, twice = tmp_path / "o.vcf", tmp_path / "again.vcf"
    lookup(make_vcf(["chr20 5 A C"]), [str(table)], output=once)
    with pytest.raises(FormatError, match="has INFO CADD_RAW already; --overwrite replaces it"):
        lookup(once, [str(table)], output=twice)
    facts = lookup(once, [str(table)], output=twice, overwrite=True)
    assert "fields of an earlier run were replaced: CADD_RAW, CADD_PHRED" in facts["notes"]
    assert scored.text(twice) == scored.text(once)


def test_names_that_clash_are_refused(tmp_path: Path, make_vcf: MakeVcf) -> None:
    table, vcf = write_table(tmp_path / "t.tsv.gz", ["20 5 A C 1 2"]), make_vcf(["chr20 5 A C"])
    with pytest.raises(DnabertError, match="is an input too"):
        lookup(vcf, [str(table)], output=table)
    with pytest.raises(DnabertError, match="is what --output writes too"):
        lookup(vcf, [str(table)], output=tmp_path / "o.vcf", misses=tmp_path / "o.vcf")
    with pytest.raises(FormatError, match=r"--misses .*m\.txt: unknown kind of output"):
        lookup(vcf, [str(table)], output=tmp_path / "o.vcf", misses=tmp_path / "m.txt")
    with pytest.raises(DnabertError, match="NAME may hold letters"):
        lookup(vcf, [f"1x={table}"], output=tmp_path / "o.vcf")
    with pytest.raises(DnabertError, match="give a table"):
        lookup(vcf, [], output=tmp_path / "o.vcf")
