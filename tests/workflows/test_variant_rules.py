"""Which alleles get a score, what the others are told, what is encoded once, and what does not depend on the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle import scored
from oracle import variants as oracle

import dnabert_fast.workflows.record_input as record_input
from dnabert_fast.errors import DnabertError, FormatError, ReferenceMismatch
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
MakeVcf = Callable[..., Path]
Run = Callable[..., dict[str, Any]]
NOTHING = {"REF": ".", "ALT": ".", "DIFF": ".", "LOGOR": "."}
#         0123456789012345678901234567890123456789
GENOME = b"ACGTTGCAGGCTNNNNRACGTTGCAcgatTTTACCCGGGAATTC"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    (tmp_path / "g.fa").write_bytes(b">c\n" + GENOME + b"\n>r\n" + b"CA" * 300 + b"\n>d\n" + GENOME[::-1] * 3 + b"\n")
    return tmp_path / "g.fa"


@pytest.fixture
def run(make_model: MakeModel, make_vcf: MakeVcf, genome: Path, tmp_path: Path) -> Run:
    def call(records: list[str], **given: Any) -> dict[str, Any]:
        out = tmp_path / "out.vcf"
        facts = variants(make_vcf(records), genome, model=str(make_model()), output=out, **({"window": 8} | given))
        return facts | {"found": [allele[4] for allele in scored.alleles(out.read_bytes())]}

    return call


@pytest.mark.parametrize(
    ("record", "flags", "has_score"),
    [
        ("c 6 G A", ["."], [True]),
        ("c 6 g a", ["."], [True]),
        ("c 6 G .", ["NO_ALT"], [False]),
        ("c 6 G *", ["STAR"], [False]),
        ("c 6 G A,*,T", [".", "STAR", "."], [True, False, True]),
        ("c 6 G <DEL>", ["SYMBOLIC"], [False]),
        ("c 6 G <DUP:TANDEM>,C", ["SYMBOLIC", "."], [False, True]),
        ("c 6 G <NON_REF>", ["NON_REF"], [False]),
        ("c 6 G A,<*>", [".", "NON_REF"], [True, False]),
        ("c 6 G G]d:5]", ["BREAKEND"], [False]),
        ("c 6 G [d:5[G", ["BREAKEND"], [False]),
        ("c 6 G G.", ["BREAKEND"], [False]),
        ("c 6 G <c]", ["BREAKEND"], [False]),
        ("c 6 G R", ["AMBIGUOUS"], [False]),
        ("c 6 G N,A", ["AMBIGUOUS", "."], [False, True]),
        ("c 6 G A!", ["INVALID"], [False]),
        ("c 6 G A,", [".", "INVALID"], [True, False]),
        ("c 13 N A", ["AMBIGUOUS"], [False]),
        ("c 6 R A", ["AMBIGUOUS&REF_MISMATCH"], [False]),
        ("c 17 A C", ["."], [True]),  # R in the genome, whose first base is A
        ("c 17 G C", ["REF_MISMATCH"], [False]),
        ("c 6 T A", ["REF_MISMATCH"], [False]),
        ("c 6 T <DEL>", ["SYMBOLIC&REF_MISMATCH"], [False]),
        ("x 6 G A", ["NO_CONTIG"], [False]),
        ("x 6 G A]x:1]", ["BREAKEND&NO_CONTIG"], [False]),
        ("c 0 N A", ["AMBIGUOUS&OUT_OF_CONTIG"], [False]),
        ("c 45 A C", ["OUT_OF_CONTIG"], [False]),
        ("c 44 CA C", ["OUT_OF_CONTIG"], [False]),
        ("c 900 A C", ["OUT_OF_CONTIG"], [False]),
        ("c 44 C A", ["CONTIG_END"], [True]),
        ("c 1 A AT", ["CONTIG_END"], [True]),
        ("c 8 A ACCCCCCCCC,ACCCCCCCC", ["LONG_ALLELE", "TRUNCATED"], [False, True]),
        ("c 8 A ACCCC,ACCCCC", [".", "TRUNCATED"], [True, True]),
        ("c 1 ACGTTGCAGG A", ["LONG_ALLELE"], [False]),
        ("c 3 GTTGCAG G", ["TRUNCATED&CONTIG_END"], [True]),
    ],
)
@pytest.mark.parametrize("normalize", [False, True], ids=["as-written", "normalize"])
def test_reasons(run: Run, record: str, flags: list[str], has_score: list[bool], normalize: bool) -> None:
    facts = run([record], normalize=normalize)
    if normalize and record.startswith("c 3 G"):
        return  # moves left, so another part of the window is cut
    assert [allele.pop("FLAG") for allele in facts["found"]] == flags
    for allele, there in zip(facts["found"], has_score, strict=True):
        assert (allele == NOTHING) is not there
    assert facts["scored"] == sum(has_score)
    assert any(note.startswith("no allele was scored") for note in facts["notes"]) is not any(has_score)
    names = [name for flag in flags for name in flag.split("&") if name != "."]
    assert facts["reasons"] == {name: names.count(name) for name in names}
    assert facts["reason_records"] == dict.fromkeys(names, 1)


def test_reasons_of_a_multi_allelic_record_are_of_each_allele(run: Run) -> None:
    facts = run(["c 6 G A,*,<DEL>,T,N,G]d:5]"])
    assert [allele["FLAG"] for allele in facts["found"]] == [".", "STAR", "SYMBOLIC", ".", "AMBIGUOUS", "BREAKEND"]
    assert facts["reason_records"] == {"STAR": 1, "SYMBOLIC": 1, "AMBIGUOUS": 1, "BREAKEND": 1}


def test_a_run_that_scored_nothing_says_why(run: Run) -> None:
    assert "no allele was scored: STAR 2, SYMBOLIC 1" in run(["c 6 G *", "c 7 C *", "c 6 G <DEL>"])["notes"]
    assert "no allele was scored: is GENOME the assembly of VCF?" in run(["c 6 T A", "x 6 G A", "c 6 G *"])["notes"]


def test_most_refs_that_differ_are_told_of(run: Run) -> None:
    """A wrong assembly has a quarter of the REFs by chance, so that something is scored all the same."""
    wrong, right = ["c 6 T A"] * 20, ["c 6 G A"] * 7
    told = "20 of 27 alleles have another REF than the genome: is GENOME the assembly of VCF?"
    assert told in run([*wrong, *right])["notes"]
    assert told.replace("27", "28") in run([*wrong, *right, "c 6 G *", *["x 6 G A"] * 9])["notes"]
    assert not any("assembly" in note for note in run([*wrong, *right * 3])["notes"])
    assert not any("assembly" in note for note in run([*wrong[:19], *right[:2]])["notes"])


def test_no_reason_hides_a_neighbour(run: Run) -> None:
    alone = run(["c 6 G A"])["found"][0]
    assert run(["x 1 A C", "c 6 G *", "c 6 G A", "c 900 A C"])["found"][2] == alone


def test_a_wrong_ref_may_be_tolerated_or_stop_all(run: Run, make_model: MakeModel, tmp_path: Path) -> None:
    records = ["c 5 T A", "c 6 T A", "c 7 GG G"]
    skipped, warned = run(records), run(records, ref_mismatch="warn")
    assert [allele["FLAG"] for allele in warned["found"]] == [".", "REF_MISMATCH", "REF_MISMATCH"]
    assert (skipped["scored"], warned["scored"]) == (1, 3)
    assert skipped["reasons"] == warned["reasons"] == {"REF_MISMATCH": 2}
    assert warned["found"][0] == skipped["found"][0]
    reference = oracle.Reference(make_model(), 3)
    for allele, (at, deleted, inserted) in zip(warned["found"][1:], [(5, 1, b"A"), (7, 1, b"")], strict=True):
        expected = reference.score(*oracle.windows(GENOME, at - 4, 8, at, deleted, inserted))
        assert float(allele["REF"]) == pytest.approx(expected.ref, abs=1e-5)
        assert float(allele["DIFF"]) == pytest.approx(expected.diff, abs=1e-5)
    (tmp_path / "out.vcf").unlink()
    with pytest.raises(ReferenceMismatch, match=r"in\.vcf:5 \(c:6\): REF T differs from the genome") as caught:
        run(records, ref_mismatch="error")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.vcf").exists()
    assert run(records[:1], ref_mismatch="error")["scored"] == 1
    with pytest.raises(DnabertError, match="--ref-mismatch maybe: choose one of error, warn, skip"):
        run(records, ref_mismatch="maybe")


def test_dbsnp_has_22_records_whose_ref_is_not_the_genomes(make_model: MakeModel, data: Path, tmp_path: Path) -> None:
    folder, hg19 = data / "scoring", data / "scoring" / "hg19_200kb.fa.gz"
    facts = variants(folder / "dbsnp138.vcf.gz", hg19, model=str(make_model()), output=tmp_path / "out.tsv", window=8)
    contigs = oracle.contigs(hg19)
    wrong, records = set(), scored.lines(scored.text(folder / "dbsnp138.vcf.gz"))
    for line in records:
        chrom, pos, name, ref = line.split(b"\t")[:4]
        start = int(pos) - 1
        if contigs[chrom.decode()][start : start + len(ref)].upper() != ref:
            wrong.add(name)
    assert len(wrong) == facts["reason_records"]["REF_MISMATCH"] == 22
    assert facts["records"] == len(records) == 9385
    table = [row.split("\t") for row in (tmp_path / "out.tsv").read_text().splitlines()[1:]]
    assert {row[2].encode() for row in table if "REF_MISMATCH" in row[-1]} == wrong
    assert facts["scored"] == sum(row[5] != "." for row in table) > 9000


@pytest.mark.parametrize("strand", ["+", "-", "both"])
@pytest.mark.parametrize(
    "record",
    [
        "c 6 G G",
        "c 6 G g",
        "c 26 c C",
        "c 6 GCA GCA",
        "r 301 CAC C",  # a unit less of a repeat longer than the window
        "r 301 C CAC",
        "r 301 CACAC CACAC",
        "r 302 ACAC AC",
        "c 17 A A",
    ],
)
def test_an_alt_equal_to_ref_scores_exactly_0(run: Run, record: str, strand: str) -> None:
    facts = run([record, "c 3 G T"], strand=strand)
    same, other = facts["found"]
    assert (same["DIFF"], same["LOGOR"]) == ("0", "0")
    assert same["REF"] == same["ALT"]
    assert same["FLAG"] == "."
    assert float(other["DIFF"]) != 0


def test_the_reference_window_of_a_record_is_encoded_once(run: Run) -> None:
    facts = run(["c 6 G A,C,T"])
    assert (facts["pieces"], facts["pieces_encoded"]) == (6, 4)
    facts = run(["c 6 G A,C,T"], strand="both")
    assert (facts["pieces"], facts["pieces_encoded"]) == (12, 8)
    facts = run(["c 6 G A", "c 6 G C", "c 6 G A"])
    assert (facts["pieces"], facts["pieces_encoded"]) == (6, 3)


def test_the_reference_window_of_a_region_is_encoded_once(run: Run, tmp_path: Path) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("c\t2\t12\nc\t20\t40\n")
    records = [f"c {at + 1} {chr(GENOME[at])} {alt}" for at in (4, 5, 6, 9, 30, 31) for alt in "ACGT"]
    facts = run(records, windows=bed, window=None)
    assert facts["scored"] == len(records) == 24
    changed = sum(record.split()[2] != record.split()[3] for record in records)
    assert (facts["pieces"], facts["pieces_encoded"]) == (48, changed + 2)


def test_regions_must_lie_in_the_genome_and_hold_a_kmer(run: Run, tmp_path: Path) -> None:
    bed = tmp_path / "regions.bed"
    for text, message in [
        ("c\t2\t12\nx\t1\t9\n", r"regions\.bed:2: contig x is not in the genome"),
        ("c\t2\t12\nc\t40\t45\n", r"regions\.bed:2: ends at 45, but contig c has 44 bases"),
        ("c\t2\t12\nc\t4\t6\n", r"regions\.bed:2: .*2 bases.*3-mer"),
    ]:
        bed.write_text(text)
        with pytest.raises(FormatError, match=message):
            run(["c 6 G A"], windows=bed, window=None)
    with pytest.raises(DnabertError, match="--window 9 is that of centred and tiled windows"):
        run(["c 6 G A"], windows=bed, window=9)
    assert not (tmp_path / "out.vcf").exists()


def test_units_do_not_show(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel, data: Path, grch38: Path, tmp_path: Path
) -> None:
    """Another cut into units changes low bits at most, and neither the order nor the number of records."""
    vcf, model = data / "vcf" / "hg002.vcf.gz", str(make_model())
    variants(vcf, grch38, model=model, output=tmp_path / "one.vcf", window=30)
    monkeypatch.setattr(record_input, "UNIT_RECORDS", 7)
    variants(vcf, grch38, model=model, output=tmp_path / "many.vcf", window=30)
    one, many = (scored.alleles(scored.text(tmp_path / f"{name}.vcf")) for name in ("one", "many"))
    for (*place, first), (*there, second) in zip(one, many, strict=True):
        assert place == there
        assert first.pop("FLAG") == second.pop("FLAG")
        for name, value in first.items():
            assert (
                (second[name] == value)
                if value == "."
                else float(second[name]) == pytest.approx(float(value), abs=1e-5)
            )


def test_parts_score_as_the_whole(make_model: MakeModel, data: Path, grch38: Path, tmp_path: Path) -> None:
    text, model = scored.text(data / "vcf" / "hg002.vcf.gz"), str(make_model())
    header, lines = scored.header(text), scored.lines(text)
    found = []
    for i, part in enumerate([lines, lines[:150], lines[150:151], lines[151:]]):
        (tmp_path / f"{i}.vcf").write_bytes(b"\n".join(header + part) + b"\n")
        variants(tmp_path / f"{i}.vcf", grch38, model=model, output=tmp_path / f"{i}.out.vcf", window=30)
        found.append([allele for *_, allele in scored.alleles(scored.text(tmp_path / f"{i}.out.vcf"))])
    for whole, part in zip(found[0], found[1] + found[2] + found[3], strict=True):
        assert whole.pop("FLAG") == part.pop("FLAG")
        assert {name: float(value) for name, value in part.items() if value != "."} == pytest.approx(
            {name: float(value) for name, value in whole.items() if value != "."}, abs=1e-5
        )


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.bcf", "out.parquet", "out.tsv.gz"])
def test_the_same_run_gives_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel, data: Path, grch38: Path, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(record_input, "UNIT_RECORDS", 64)
    results = []
    for _ in range(2):
        model = str(make_model())
        variants(data / "vcf" / "hg002.vcf.gz", grch38, model=model, output=tmp_path / name, window=20, strand="both")
        results.append((tmp_path / name).read_bytes())
    assert results[0] == results[1]


def test_tiles_share_reference_windows(run: Run) -> None:
    """Seven neighbours: seven windows of REF centred on them, or three of the grid (8 bases at every 4)."""
    records = [
        f"c {at + 1} {GENOME[at : at + 1].decode()} {'A' if GENOME[at : at + 1] != b'A' else 'C'}"
        for at in range(4, 11)
    ]
    centred, tiled = run(records), run(records, windows="tiled")
    assert centred["scored"] == tiled["scored"] == 7
    assert centred["pieces_encoded"] == 14
    assert tiled["pieces_encoded"] == 10
    assert tiled["windows"] == "tiled"
    same = run([records[0]], windows="tiled")["found"][0]
    assert tiled["found"][0] == same
