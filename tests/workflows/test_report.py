"""Reports of runs: the numbers of their files, the same whatever the format, and nothing of a file read as markup."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from oracle.page import Page, read_page

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.report import report
from dnabert_fast.workflows.report_inputs import read_scores
from dnabert_fast.workflows.report_parts import command_line
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
NASTY = '<script>alert("1")</script>'
RECORDS = 24


@pytest.fixture(scope="module")
def genome(chr20: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_bytes(b">chr1\n" + chr20[1_000_000:1_003_000] + b"\n>c<b>2\n" + chr20[2_000_000:2_001_000] + b"\n")
    return path


@pytest.fixture(scope="module")
def vcf(genome: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SNVs, an insertion, alleles without a score, and names that would be markup if anybody took them for it."""
    one, two = (line.upper() for line in genome.read_text().splitlines() if not line.startswith(">"))
    rows = []
    for i in range(RECORDS):
        at = 200 + 100 * i
        ref = one[at - 1]
        alt = "ACGT"[("ACGT".index(ref) + 1 + i % 3) % 4]
        alts = {3: f"{alt},{ref}TTT", 4: "<DEL>", 5: "*", 6: f"{alt},<NON_REF>"}.get(i, alt)
        name = {1: '"><img/src=x/onerror=alert(1)>', 7: "rs7"}.get(i, ".")
        rows.append(f"chr1\t{at}\t{name}\t{ref if i != 8 else 'ACGT'[('ACGT'.index(ref) + 1) % 4]}\t{alts}")
    rows.append(f"c<b>2\t500\t.\t{two[499]}\t{'G' if two[499] != 'G' else 'C'}")
    head = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'
    head += "##contig=<ID=chr1,length=3000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    head += f"\tFORMAT\t{NASTY}\n"
    path = tmp_path_factory.mktemp("vcf") / "in.vcf"
    path.write_text(head + "".join(f"{row}\t.\tPASS\t.\tGT\t0/1\n" for row in rows))
    return path


def page_of(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    return read_page(text)


def alleles(path: Path) -> list[tuple[str, float, float, float]]:
    """Contig, position and change, REF, ALT and difference of the scored alleles of a VCF, in the order of the file."""
    found = []
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if line.startswith("#"):
            continue
        fields = line.rstrip("\n").split("\t")
        info = dict(part.split("=", 1) for part in fields[7].split(";") if "=" in part)
        for i, alt in enumerate(fields[4].split(",")):
            values = [info[f"DNABERT_{name}"].split(",")[i] for name in ("REF", "ALT", "DIFF")]
            if values[2] != ".":
                found.append((f"{fields[0]}:{int(fields[1]):,} {fields[3]}>{alt}", *map(float, values)))
    return found


@pytest.fixture(scope="module")
def run(vcf: Path, genome: Path, make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in centred windows of 40 bases, with its report, and the same scores as tables."""
    folder = tmp_path_factory.mktemp("run")
    given: dict[str, Any] = {"model": str(make_model()), "window": 40, "precision": "fp32"}
    variants(vcf, genome, output=folder / "s.vcf.gz", report=folder / "s.html", summary=folder / "s.json", **given)
    for name in ("s.bcf", "s.tsv.gz", "s.parquet"):
        # Its header has no such contig, as many files have it.
        source = vcf
        if name == "s.bcf":
            source = folder / "plain.vcf"
            lines = vcf.read_text().splitlines(keepends=True)
            source.write_text("".join(line for line in lines if not line.startswith("c<b>2")))
        variants(source, genome, output=folder / name, **given)
    return folder


def test_a_page_holds_the_numbers_of_its_file(run: Path, vcf: Path, genome: Path) -> None:
    page = page_of(run / "s.html")
    expected = sorted(alleles(run / "s.vcf.gz"), key=lambda allele: -abs(allele[3]))
    rows = page.table("variant", "difference")
    assert len(expected) == len(rows) == 23
    assert [row["variant"] for row in rows] == [allele[0] for allele in expected]
    for row, (_, ref, alt, difference) in zip(rows, expected, strict=True):
        assert (row["REF"], row["ALT"]) == (f"{ref:.3f}", f"{alt:.3f}")
        assert row["difference"] == f"{difference:+.4f}".replace("-", "−")
    facts = json.loads((run / "s.json").read_text())
    flags = {row["reason"]: int(row["alleles"]) for row in page.table("reason", "alleles")}
    assert flags == facts["reasons"] == {"SYMBOLIC": 1, "STAR": 1, "NON_REF": 1, "REF_MISMATCH": 1}
    words = "".join(page.words)
    assert f"{facts['alleles']:,}" in words
    assert facts["model"] in words
    assert f"dnabert-fast variants {vcf} {genome} --model" in words
    assert "--report" in words


def test_maps_are_those_of_the_largest_changes(run: Path) -> None:
    text = (run / "s.html").read_text(encoding="utf-8")
    page = read_page(text)
    links = [one["href"] for tag, one in page.met if tag == "a" and one["href"].startswith("#map-")]
    assert links == ["#map-1", "#map-2", "#map-3", "#map-4"]
    captions = text.split("<figure")
    for row, link in zip(page.table("variant")[:4], links, strict=True):
        [figure] = [part for part in captions if f'id="{link[1:]}"' in part]
        change = row["variant"].replace("<", "&lt;").replace(">", "&gt;")
        assert change in figure
        assert "<svg" in figure


def test_maps_are_of_the_windows_that_normalized_alleles_had(make_model: MakeModel, tmp_path: Path) -> None:
    """A deletion written at the right end of a repeat of 10 bases, which begins at base 100 (from 0)."""
    genome, vcf = tmp_path / "g.fa", tmp_path / "v.vcf"
    genome.write_text(">c\n" + "ACGTTGCAAG" * 10 + "CA" * 5 + "GTTACGGATC" * 10 + "\n")
    vcf.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc\t108\t.\tACA\tA\t.\t.\t.\n")
    given: dict[str, Any] = {"model": str(make_model()), "window": 40, "precision": "fp32"}
    for normalize, window in ((True, "c:81-120"), (False, "c:89-128")):
        page = tmp_path / "p.html"
        variants(vcf, genome, output=tmp_path / "o.vcf", normalize=normalize, report=page, **given)
        words = "".join(page_of(page).words)
        assert f"{window}: c:108 ACA>A" in words
        assert "the maps give other scores" not in words


def test_what_files_say_is_never_markup(run: Path) -> None:
    """Names of samples, contigs, variants and alleles stand on the page as they are written."""
    page = page_of(run / "s.html")
    assert NASTY in "".join(page.words)
    assert "img" not in {tag for tag, _ in page.met}
    assert len(page.scripts) == 1
    assert '"><img/src=x/onerror=alert(1)>' in {row["ID"] for row in page.table("variant", "ID")}
    assert any(row["contig"] == "c<b>2" for row in page.table("variant", "contig"))


@pytest.mark.parametrize("name", ["s.bcf", "s.tsv.gz", "s.parquet"])
def test_every_format_gives_the_same_table(run: Path, tmp_path: Path, name: str) -> None:
    told = report(run / name, output=tmp_path / "o.html", maps=0)
    rows = page_of(tmp_path / "o.html").table("variant", "difference")
    expected = page_of(run / "s.html").table("variant", "difference")
    if name == "s.bcf":
        expected = [row for row in expected if row["contig"] == "chr1"]
    assert rows == expected
    assert told["rows"] == len(rows)
    scores = read_scores(run / name)
    assert scores.records == RECORDS + (name != "s.bcf")
    assert scores.reasons == Counter({"SYMBOLIC": 1, "STAR": 1, "NON_REF": 1, "REF_MISMATCH": 1})


def test_only_the_top_is_kept_and_ties_stay_in_order(tmp_path: Path) -> None:
    """The kept are those that sorting everything gives, over many units."""
    random = np.random.default_rng(1)
    difference = np.round(random.normal(size=9000), 2)
    rows = [f"1\t{i + 1}\t.\tA\tC\t.\t.\t.\t{d if i % 7 else '.'}\t.\t.\n" for i, d in enumerate(difference)]
    head = "CHROM\tPOS\tID\tREF\tALT\tDNABERT_REF\tDNABERT_ALT\tX\tDNABERT_DIFF\tDNABERT_LOGOR\tDNABERT_FLAG\n"
    (tmp_path / "t.tsv").write_text(head + "".join(rows))
    found = read_scores(tmp_path / "t.tsv", top=50)
    there = [i for i in range(9000) if i % 7]
    expected = sorted(there, key=lambda i: (-abs(difference[i]), i))[:50]
    assert [allele.position for allele in found.top] == [i + 1 for i in expected]
    assert found.alleles == 9000
    assert math.isnan(found.values["DIFF"][0])


def test_a_report_says_why_it_has_no_maps(run: Path, genome: Path, make_model: MakeModel, tmp_path: Path) -> None:
    def words(**given: Any) -> str:
        report(run / "s.vcf.gz", output=tmp_path / "o.html", **given)
        return "".join(page_of(tmp_path / "o.html").words)

    assert "they need --model and --genome" in words()
    assert "they need --model and --genome" in words(model=str(make_model()))
    assert "no mutation maps" not in words(maps=0)
    other = make_model(seed=5)
    told = words(model=str(other), genome=genome, maps=1)
    assert "the maps give other scores than the file" in told
    assert "the model below is another" in told


def test_scores_of_several_models_in_one_file(run: Path, genome: Path, make_model: MakeModel, tmp_path: Path) -> None:
    both = tmp_path / "both.vcf.gz"
    variants(run / "s.vcf.gz", genome, model=f"B={make_model(seed=3)}", output=both, window=40, precision="fp32")
    with pytest.raises(FormatError, match="has scores of DNABERT, DNABERT_B; choose one"):
        report(both, output=tmp_path / "o.html")
    report(both, output=tmp_path / "o.html", model=str(make_model()), maps=0)
    first = {row["variant"]: row["REF"] for row in page_of(tmp_path / "o.html").table("variant", "REF")}
    report(run / "s.vcf.gz", output=tmp_path / "o.html", maps=0)
    own = {row["variant"]: row["REF"] for row in page_of(tmp_path / "o.html").table("variant", "REF")}
    assert first == own
    report(both, output=tmp_path / "o.html", model=f"B={make_model(seed=3)}", maps=0)
    page = page_of(tmp_path / "o.html")
    shown = {row["variant"]: row["REF"] for row in page.table("variant", "REF")}
    with pysam.VariantFile(str(both)) as file:
        record = next(record for record in file if record.pos == 200)
        assert shown[f"chr1:200 {record.ref}>{record.alts[0]}"] == f"{record.info['DNABERT_B_REF'][0]:.3f}"


def test_scans(genome: Path, make_model: MakeModel, tmp_path: Path) -> None:
    """Whatever the format: all windows or bases are counted, and the calls are those of the BED file, highest first."""
    given: dict[str, Any] = {"model": str(make_model()), "window": 60, "stride": 20}
    seen = []
    for name in ("o.bw", "o.bedgraph.gz", "o.tsv.gz", "o.bed.gz", "o.parquet"):
        facts = scan(genome, output=tmp_path / name, calls=tmp_path / "c.bed", threshold=0.4, **given)
        report(tmp_path / name, output=tmp_path / "o.html", calls=tmp_path / "c.bed", genome=genome)
        page = page_of(tmp_path / "o.html")
        calls = [line.split("\t") for line in (tmp_path / "c.bed").read_text().splitlines()]
        calls.sort(key=lambda call: -float(call[6]))
        rows = page.table("region", "score")
        assert [(row["contig"], row["start"], row["end"]) for row in rows] == [
            (call[0], f"{int(call[1]):,}", f"{int(call[2]):,}") for call in calls
        ]
        links = {one["href"] for tag, one in page.met if tag == "a" and one["href"].startswith("#view-")}
        assert links
        by_base = name in ("o.bw", "o.bedgraph.gz")
        count = 3000 + 1000 if by_base else facts["windows"]
        assert f"{count:,} {'bases' if by_base else 'windows'}" in "".join(page.words)
        seen.append("".join(page.words).split("mean")[1].split("highest")[0])
    assert len({*seen[:2]}) == len({*seen[2:]}) == 1


def test_scan_writes_its_report(genome: Path, make_model: MakeModel, tmp_path: Path) -> None:
    scan(genome, model=str(make_model()), output=tmp_path / "o.bw", window=60, stride=50, report=tmp_path / "o.html")
    words = "".join(page_of(tmp_path / "o.html").words)
    assert f"dnabert-fast scan {genome} --model" in words
    assert "Called regions" not in words


def test_a_folder_of_motifs_and_candidates(tmp_path: Path) -> None:
    """Whatever is there is shown: tables with numbers sorted as numbers, logos by their motif, regions, facts."""
    folder = tmp_path / "out"
    folder.mkdir()
    rows = f"motif_1\t{NASTY}\t1e-20\t12\nmotif_2\tTATA\t.\t3\n"
    (folder / "motifs.tsv").write_text(f"motif\tconsensus\tp\tsites\n{rows}")
    logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path id="a"/></svg>'
    (folder / "motif_1.svg").write_text(logo)
    for i, part in enumerate(("<script>1</script>", '<a onclick="x"/>', "<use href='https://example.org/x'/>")):
        (folder / f"motif_{i + 2}.svg").write_text(logo.replace("<path", f"{part}<path"))
    (folder / "matches.tsv").write_text("motif\ttarget\n")
    (folder / "summary.json").write_text(json.dumps({"verb": "motifs", "sequences": 77, "notes": [NASTY]}))
    report(folder, output=tmp_path / "o.html")
    page = page_of(tmp_path / "o.html")
    assert [row["motif"] for row in page.table("motif", "p")] == ["motif_1", "motif_2"]
    assert ("a", {"href": "#logo-1"}) in page.met
    assert [one["data-v"] for tag, one in page.met if "data-v" in one] == ["1e-20", "12", "", "3"]
    words = "".join(page.words)
    assert words.count(NASTY) == 3
    assert "77" in words
    assert "matches.tsv has no rows." in words

    (folder / "motif_9.svg").mkdir()
    (folder / "candidates.tsv").write_text("rank\tCHROM\tPOS\tID\n1\tchr1\t5\t475283\n")
    (folder / "regions.bed").write_text("chr1\t3\t9\t.\t500\t.\t0.5\n")
    report(folder, output=tmp_path / "o.html")
    page = page_of(tmp_path / "o.html")
    assert page.table("rank", "CHROM") == [{"rank": "1", "CHROM": "chr1", "POS": "5", "ID": "475283"}]
    assert page.table("region")[0]["region"] == "chr1:4–9"

    (folder / "regions.bed").write_text("".join(f"chr1\t{3 * i}\t{3 * i + 2}\t.\t0\t.\t{i % 7}\n" for i in range(600)))
    (folder / "candidates.tsv").write_text("rank\tALT\n" + "".join(f"{i}\t{'ACGT' * 99}\n" for i in range(5000)))
    report(folder, output=tmp_path / "o.html")
    page = page_of(tmp_path / "o.html")
    assert [row["region"] for row in page.table("region")[:3]] == ["chr1:19–20", "chr1:40–41", "chr1:61–62"]
    assert {"The 500 highest of 600 regions, by score.", "The first 500 of 5,000 rows of candidates.tsv."} < {
        *page.words
    }
    assert {len(row["ALT"]) for row in page.table("rank", "ALT")} == {201}
    (folder / "regions.bed").write_text("chr1\t3\t9\n")
    with pytest.raises(FormatError, match=r"regions\.bed:1: no region of seven columns"):
        report(folder, output=tmp_path / "o.html")


def test_refusals(run: Path, vcf: Path, genome: Path, make_model: MakeModel, tmp_path: Path) -> None:
    page = tmp_path / "o.html"
    for path, said in (
        (vcf, "has no field DNABERT_DIFF"),
        (tmp_path, "holds none of"),
        (tmp_path / "none.vcf", "cannot be read"),
        (genome, "unknown kind of file"),
    ):
        with pytest.raises(FormatError, match=said):
            report(path, output=page)
    with pytest.raises(FormatError, match=r"ends in \.html"):
        report(run / "s.vcf.gz", output=tmp_path / "o.pdf")
    (tmp_path / "facts.json").write_text("[]")
    with pytest.raises(FormatError, match="no JSON object"):
        report(run / "s.vcf.gz", output=page, facts=tmp_path / "facts.json")
    with pytest.raises(DnabertError, match="give --output a file"):
        variants(vcf, genome, model=str(make_model()), output="-", window=40, report=page)
    assert not page.exists()
    before = (run / "s.vcf.gz").read_bytes()
    (tmp_path / "s.html").write_bytes(before)
    with pytest.raises(DnabertError, match="too"):
        report(tmp_path / "s.html", output=tmp_path / "s.html")
    assert (tmp_path / "s.html").read_bytes() == before


WINDOWS = "contig\tstart\tend\tscore\nc\t1\t5\t0.5\n"
ALLELES = "CHROM\tPOS\tID\tREF\tALT\tDNABERT_REF\tDNABERT_ALT\tDNABERT_DIFF\tDNABERT_FLAG\n"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.bed", "c\t1\t20\t.\t5\t.\tabc\n", "a.bed:1: 'abc' .seventh column. is no finite number"),
        ("a.bed.gz", gzip.compress(b"c\t1\t20\n" * 99, mtime=0)[:20] + b"x" * 40, "cannot be read"),
        ("a.tsv", WINDOWS + "c\t1\t5\tinf\n", "a score is infinite"),
        ("a.tsv", WINDOWS + f"c\t1\t{10**20}\t1\n", "a field is no number"),
        ("a.tsv", ALLELES + "c\tx\t.\tA\tC\t0.1\t0.2\t0.3\t.\n", "POS 'x' is no whole number"),
        ("a.tsv", ALLELES + "c\t5\t.\tA\tC\t0.1\t0.2\t-inf\t.\n", "a score is infinite"),
    ],
)
def test_files_that_are_broken(name: str, text: str | bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FormatError, match=why):
        report(tmp_path / name, output=tmp_path / "o.html")


@pytest.mark.parametrize("facts", [{"notes": 3}, {"reasons": ["STAR"]}, {"reasons": {"STAR": "many"}}])
def test_facts_of_something_else(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(WINDOWS)
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(FormatError, match="give what --summary wrote"):
        report(tmp_path / "a.tsv", output=tmp_path / "o.html", facts=tmp_path / "facts.json")


def test_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.tsv")
    path.write_text(WINDOWS)
    told = report(path, output=tmp_path / "o.html")
    assert "Scan of ?.tsv" in "".join(page_of(tmp_path / "o.html").words)
    assert told["bytes"] == (tmp_path / "o.html").stat().st_size


def test_the_command_that_calls_a_verb() -> None:
    given = {
        "vcf": "a b.vcf", "genome": "g.fa", "model": "demo", "output": "o.tsv", "windows": "centred", "window": 300,
        "class_name": "x", "normalize": True, "threads": None, "progress": print,
    }  # fmt: skip
    expected = "dnabert-fast variants 'a b.vcf' g.fa --model demo --output o.tsv --window 300 --class x --normalize"
    assert command_line(variants, given) == expected
