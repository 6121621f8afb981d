"""The verb haplotypes against strings and the oracle of scores, in units of any size."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle import variants as oracle
from oracle.alleles import trim
from oracle.haplotypes import Change, of_window

from dnabert_fast.analysis import carriers as analysis
from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.seq.haplotypes import Carriers
from dnabert_fast.workflows import record_input as reading
from dnabert_fast.workflows.haplotypes import haplotypes
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
WINDOW = 12
SAMPLES = ("a", "b", "c")


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, Path, str, list[tuple[str, ...]]]:
    """A genome of two contigs and a VCF of 90 phased records of three samples."""
    dice = random.Random(7)
    contigs = {name: "".join(dice.choices("ACGT", k=300)) for name in ("c", "d")}
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    rows = []
    for name, bases in contigs.items():
        for at in sorted(dice.sample(range(2, 290), 45)):
            ref = bases[at : at + dice.choice([1, 1, 1, 2, 4])]
            alt = dice.choice("ACGT".replace(ref[0], "")) if len(ref) == 1 else ref[0]
            if dice.random() < 0.2:
                alt = ref[0] + "".join(dice.choices("ACGT", k=3))
            given = [f"{int(dice.random() < 0.4)}|{int(dice.random() < 0.4)}" for _ in SAMPLES]
            rows.append((name, str(at + 1), ".", ref, alt, ".", ".", ".", "GT", *given))
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *SAMPLES]
    text = "##fileformat=VCFv4.2\n" + "".join("\t".join(row) + "\n" for row in [header, *rows])
    (tmp_path / "in.vcf").write_text(text)
    return tmp_path / "in.vcf", tmp_path / "g.fa", contigs["c"], rows


def table(path: Path) -> list[dict[str, str]]:
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def run(drawn: Any, model: Path, **given: Any) -> tuple[list[dict[str, str]], dict[str, Any]]:
    vcf, genome = drawn[:2]
    out = vcf.parent / "out.tsv"
    facts = haplotypes(vcf, genome, model=str(model), output=out, **({"window": WINDOW, "threads": 1} | given))
    return table(out), facts


def test_rows_are_those_of_strings(drawn: Any, make_model: MakeModel) -> None:
    model = make_model()
    found, facts = run(drawn, model)
    contig, rows = drawn[2:]
    reference = oracle.Reference(model, 3)
    carried = {}
    for row in found:
        if row["CHROM"] == "c":
            for name in row["SAMPLES"].split(","):
                carried[int(row["START"]), name] = row
    expected = 0
    for start in {int(row["START"]) for row in found if row["CHROM"] == "c"}:
        for sample, name in enumerate(SAMPLES):
            changes = []
            for chrom, pos, _, ref, alt, *rest in rows:
                lead = trim(ref.encode(), alt.encode())[0]
                copies = frozenset(c for c, one in enumerate(rest[4 + sample].split("|")) if one == "1")
                if chrom == "c":
                    changes.append(Change(int(pos) - 1 + lead, len(ref) - lead, alt[lead:], copies))
            for copy, (kept, text) in of_window(contig, changes, start, start + WINDOW).items():
                row = carried.pop((start, f"{name}:{copy + 1}"))
                spelt = [
                    f"{c.start + 1}:{contig[c.start : c.start + c.deleted] or '-'}>{c.inserted or '-'}" for c in kept
                ]
                assert row["ALLELES"] == ",".join(spelt)
                score = reference.score(contig[start : start + WINDOW].encode(), text.encode())
                assert float(row["REF"]) == pytest.approx(score.ref, abs=1e-5)
                assert float(row["HAP"]) == pytest.approx(score.alt, abs=1e-5)
                assert float(row["LOGOR"]) == pytest.approx(score.logor, abs=1e-4)
                expected += 1
    assert not carried
    assert expected > 100
    assert facts["haplotypes"] == len(found) == facts["scored"]
    assert facts["several"] == sum("," in row["ALLELES"] for row in found) > 20


@pytest.mark.parametrize("windows", ["tiled", "centred", "regions.bed"])
def test_units_do_not_change_the_rows(
    drawn: Any, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, windows: str
) -> None:
    given: dict[str, Any] = {"windows": windows}
    if windows == "regions.bed":
        bed = drawn[0].parent / windows
        bed.write_text("d\t30\t60\td1\t0\t-\nc\t100\t130\nc\t90\t110\n")
        given = {"windows": bed, "window": None}
    whole, facts = run(drawn, make_model(), **given)
    assert len(whole) > 5
    monkeypatch.setattr(reading, "UNIT_RECORDS", 4)
    monkeypatch.setattr(analysis, "_UNIT_WINDOWS", 3)
    parts, again = run(drawn, make_model(), **given)
    names = ("CHROM", "START", "END", "STRAND", "ALLELES", "COPIES", "SAMPLES", "FLAG")
    assert [[row[name] for name in names] for row in parts] == [[row[name] for name in names] for row in whole]
    assert [float(row["HAP"]) for row in parts] == pytest.approx([float(row["HAP"]) for row in whole], abs=1e-5)
    assert {k: facts[k] for k in ("windows_with_alleles", "haplotypes", "scored", "flags")} == {
        k: again[k] for k in ("windows_with_alleles", "haplotypes", "scored", "flags")
    }


def test_an_allele_alone_scores_as_in_variants(drawn: Any, make_model: MakeModel) -> None:
    vcf, genome = drawn[:2]
    found, _ = run(drawn, make_model(), windows="centred")
    out = vcf.parent / "scored.tsv"
    variants(vcf, genome, model=str(make_model()), output=out, window=WINDOW, threads=1, precision="fp32")
    singles = {}
    for row in table(out):
        lead = trim(row["REF"].encode(), row["ALT"].encode())[0]
        spelt = f"{int(row['POS']) + lead}:{row['REF'][lead:] or '-'}>{row['ALT'][lead:] or '-'}"
        singles[row["CHROM"], spelt] = row["DNABERT_LOGOR"]
    seen = 0
    for row in found:
        for allele, alone in zip(row["ALLELES"].split(","), row["ALONE_LOGOR"].split(","), strict=True):
            if int(allele.split(":")[0]) - 1 - WINDOW // 2 == int(row["START"]):
                assert float(alone) == pytest.approx(float(singles[row["CHROM"], allele]), abs=2e-4)
                seen += 1
    assert seen > 40


def test_bad_input_is_one_line(drawn: Any, make_model: MakeModel) -> None:
    vcf = drawn[0]
    lines = vcf.read_text().splitlines(keepends=True)
    vcf.write_text("".join([*lines[:2], lines[5], lines[3], *lines[6:]]))
    with pytest.raises(FormatError, match=r"in\.vcf:4 \(c:\d+\): not sorted"):
        run(drawn, make_model())
    vcf.write_text("".join([*lines[:2], lines[3], lines[60], lines[5]]))
    with pytest.raises(FormatError, match=r"in\.vcf:5 \(c:\d+\): not sorted"):
        run(drawn, make_model())
    vcf.write_text("".join("\t".join(line.rstrip("\n").split("\t")[:8]) + "\n" for line in lines))
    with pytest.raises(DnabertError, match="no samples; haplotypes need genotypes"):
        run(drawn, make_model())
    assert not (vcf.parent / "out.tsv").exists()


def in_repeat(folder: Path, *records: str) -> tuple[Path, Path]:
    """A contig with 90 times A from base 110 on, and records "POS REF ALT GT" of one sample."""
    dice = random.Random(3)
    left, right = ("".join(dice.choices("CGT", k=size)) for size in (110, 100))
    (folder / "g.fa").write_text(f">c\n{left}{'A' * 90}{right}\n")
    lines = []
    for record in records:
        pos, ref, alt, given = record.split()
        ref = (left + "A" * 90 + right)[int(pos) - 1] if ref == "?" else ref
        alt = "ACGT"["ACGT".index(ref) - 1] if alt == "?" else alt
        lines.append("\t".join(("c", pos, ".", ref, alt, ".", ".", ".", "GT", given)) + "\n")
    head = "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "a"))
    (folder / "in.vcf").write_text(f"##fileformat=VCFv4.2\n{head}\n" + "".join(lines))
    (folder / "r.bed").write_text("c\t100\t130\n")
    return folder / "in.vcf", folder / "g.fa"


@pytest.mark.parametrize("farthest", [4096, 20])
def test_regions_wait_for_alleles_that_move_into_them(
    tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, farthest: int
) -> None:
    """One that would move farther than anything waits for stays where it is, in units of any size."""
    drawn = in_repeat(tmp_path, "106 ? ? 1|0", "150 A C 0|1", "180 AA A 1|0")
    monkeypatch.setattr(reading, "UNIT_RECORDS", 1)
    monkeypatch.setattr(analysis, "_UNIT_WINDOWS", 1)
    monkeypatch.setattr(analysis, "_FARTHEST", farthest)
    [row], _ = run(drawn, make_model(), windows=tmp_path / "r.bed", window=None, normalize=True)
    there = ["106", "111"] if farthest > 20 else ["106"]
    assert [allele.split(":")[0] for allele in row["ALLELES"].split(",")] == there


def test_alleles_outside_of_regions_are_not_held(
    tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the row of the allele that lies in one is there."""
    outside = [f"{pos} ? ? 1|0" for pos in range(1, 97)], [f"{pos} ? ? 1|0" for pos in range(131, 290)]
    drawn = in_repeat(tmp_path, *outside[0], "99 ? <DEL> 0|1", "106 ? ? 1|0", *outside[1])
    held = []

    def join(parts: list[Carriers]) -> Carriers:
        held.append(sum(map(len, parts)))
        return whole(parts)

    whole = Carriers.join
    monkeypatch.setattr(Carriers, "join", staticmethod(join))
    monkeypatch.setattr(reading, "UNIT_RECORDS", 4)
    [row], facts = run(drawn, make_model(), windows=tmp_path / "r.bed", window=None)
    assert row["ALLELES"].startswith("106:")
    assert facts["haplotypes"] == 1
    assert max(held) <= 4


def test_samples_without_alleles_have_no_rows(tmp_path: Path, make_model: MakeModel) -> None:
    drawn = in_repeat(tmp_path, "0 N A 0|0", "106 ? ? 0|0", "150 A C 0/0")
    found, facts = run(drawn, make_model(), windows=tmp_path / "r.bed", window=None)
    assert (found, facts["windows_with_alleles"]) == ([], 0)
    assert run(drawn, make_model())[0] == []


def test_alleles_that_fit_no_genome_are_told(tmp_path: Path, make_model: MakeModel) -> None:
    drawn = in_repeat(tmp_path, "106 ? ? 0|1", "150 C T 0|1", "151 A <DEL> 0|1", "301 A C,G 1|2")
    _, facts = run(drawn, make_model())
    assert (facts["records"], facts["alleles"], facts["usable"]) == (4, 5, 1)
    assert facts["reasons"] == {"REF_MISMATCH": 1, "SYMBOLIC": 1, "OUT_OF_CONTIG": 2}
    assert not any("is GENOME the assembly" in note for note in facts["notes"])
    vcf = drawn[0]
    vcf.write_text(vcf.read_text().replace("\nc\t", "\nother\t"))
    found, facts = run(drawn, make_model())
    assert found == []
    assert facts["reasons"]["NO_CONTIG"] == 5
    assert "no allele fits the genome: is GENOME the assembly of VCF?" in facts["notes"]


def test_records_without_genotypes_are_counted_and_told(drawn: Any, make_model: MakeModel) -> None:
    vcf = drawn[0]
    _, whole = run(drawn, make_model())
    assert whole["without_genotypes"] == 0
    lines = vcf.read_text().splitlines(keepends=True)
    vcf.write_text("".join(line.replace("\tGT\t", "\tXX\t") if i % 2 else line for i, line in enumerate(lines)))
    _, facts = run(drawn, make_model())
    assert facts["without_genotypes"] == 45
    assert "45 of 90 records have no known genotype (FORMAT GT), and so no haplotype" in facts["notes"]
