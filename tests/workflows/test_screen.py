"""The verb screen against the verbs attention and variants, and against sets of plain tuples."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import scored
from oracle import variants as oracle
from oracle.fisher import fisher

from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.attention import attention
from dnabert_fast.workflows.screen import screen
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
META = b"##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=chr2>\n"
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
BASES = 3000
WINDOW = 60
QUANTILE = 0.6  # random weights attend too evenly for the rule of the mean and the minimum
REGIONS = [(0, 60), (40, 101), (300, 360), (330, 420), (1000, 1500), (2900, 3000)]
Row = dict[str, str]


@pytest.fixture(scope="module")
def genome(chr20: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two contigs of real bases, the second of which no test's VCF names."""
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    piece = chr20[300_000 : 300_000 + BASES]
    path.write_bytes(b">chr1\n" + piece + b"\n>chr3\n" + piece[:500] + b"\n>chr2\n" + chr20[400_000:400_200] + b"\n")
    return path


@pytest.fixture(scope="module")
def contigs(genome: Path) -> dict[str, bytes]:
    return oracle.contigs(genome)


@pytest.fixture(scope="module")
def vcf(contigs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SNVs, indels and several ALTs every few bases, by another name of chr1; and records without a score."""
    random = np.random.default_rng(5)
    lines = []
    for name, known_as, step in (("chr1", "1", 7), ("chr2", "chr2", 40)):
        bases = contigs[name].upper().decode()
        for i, at in enumerate(range(3, len(bases) - 20, step)):
            ref = bases[at : at + int(random.choice([1, 1, 1, 4]))]
            alts = {
                str(random.choice(list("ACGT"))) + bases[at + 1 : at + 1 + int(random.choice([0, 0, 2]))] for _ in "ab"
            }
            alts -= {ref}
            if alts:
                lines.append(f"{known_as}\t{at + 1}\trs{i}\t{ref}\t{','.join(sorted(alts))}\t.\tPASS\tDP={i}")
    base = contigs["chr1"][5:6].upper().decode()
    wrong = "ACGT".replace(contigs["chr1"][4:5].upper().decode(), "")[0]
    lines[1:1] = [
        f"1\t5\t.\t{wrong}\tG\t.\t.\t.",
        f"1\t6\t.\t{base}\t<DEL>\t.\t.\tEND=90",
        "other\t6\t.\tA\tT\t.\t.\t.",
    ]
    path = tmp_path_factory.mktemp("vcf") / "in.vcf.gz"
    path.write_bytes(gzip.compress(META + COLUMNS + "".join(line + "\n" for line in lines).encode()))
    return path


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bed") / "windows.bed"
    path.write_text("".join(f"chr1\t{start}\t{end}\t.\t0\t+\n" for start, end in reversed(REGIONS)))
    return path


@pytest.fixture(scope="module")
def known(vcf: Path, contigs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of a third of the alleles, those of one base written with the base before, so that they need trimming."""
    rows = ["chrom\tpos\tref\talt"]
    for chrom, pos, ref, alt, _ in scored.alleles(scored.text(vcf))[::3]:
        if alt.isalpha() and pos > 1 and chrom == b"1":
            before = contigs["chr1"][pos - 2 : pos - 1].decode()
            rows.append(f"NC_000001.11\t{pos - 1}\t{before}{ref.decode()}\t{before}{alt.decode()}")
    path = tmp_path_factory.mktemp("known") / "known.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def table(path: Path) -> list[Row]:
    header, *lines = path.read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def change(contigs: dict[str, bytes], chrom: str, pos: int, ref: bytes, alt: bytes) -> tuple[Any, ...]:
    name = {"1": "chr1", "NC_000001.11": "chr1"}.get(chrom, chrom)
    return (name, *oracle.normalized(contigs[name], pos - 1, ref, alt))


def usable(contigs: dict[str, bytes], chrom: bytes, pos: int, ref: bytes, alt: bytes) -> bool:
    name = {"1": "chr1"}.get(chrom.decode(), chrom.decode())
    there = contigs.get(name, b"")[pos - 1 : pos - 1 + len(ref)].upper()
    return there == ref and set(alt) <= set(b"ACGT")


def first_changed(pos: int, ref: bytes, alt: bytes) -> int:
    return pos - 1 + oracle.trim(ref, alt)[0]


@pytest.mark.parametrize("given", [True, False])
def test_it_is_attention_then_variants_then_sets(
    make_model: MakeModel,
    genome: Path,
    contigs: dict[str, bytes],
    vcf: Path,
    bed: Path,
    known: Path,
    tmp_path: Path,
    given: bool,
) -> None:
    model, out = str(make_model()), tmp_path / "out" / "screen"
    where: dict[str, Any] = {"windows": bed} if given else {"window": WINDOW, "stride": 40}
    where["quantile"] = QUANTILE
    flags = {"model": model, "strand": "both"}
    facts = screen(
        vcf, genome, output=out, known=[f"K={known}"], top=12, summary=tmp_path / "facts.json", **where, **flags
    )
    assert set(os.listdir(out)) == {
        "candidates.tsv", "regions.bed", "scored.vcf.gz", "scored.vcf.gz.tbi", "enrichment.tsv", "summary.json",
    }  # fmt: skip
    assert facts == json.loads((out / "summary.json").read_text()) == json.loads((tmp_path / "facts.json").read_text())

    # Regions are those of `attention`, on the contigs that the VCF names.
    regions_of: dict[str, Any] = {"regions": bed} if given else {"window": WINDOW, "stride": 40}
    regions_of["quantile"] = QUANTILE
    attention(genome, output=tmp_path / "a.bedgraph.gz", high=tmp_path / "high.bed", **regions_of, **flags)
    lines = [line for line in (tmp_path / "high.bed").read_text().splitlines() if not line.startswith("chr3")]
    assert (out / "regions.bed").read_text().splitlines() == lines
    assert facts["regions"] == len(lines) > 5
    regions = [(row[0], int(row[1]), int(row[2])) for row in (line.split("\t") for line in lines)]
    mean: dict[tuple[str, int], float] = {}
    for line in gzip.decompress((tmp_path / "a.bedgraph.gz").read_bytes()).decode().splitlines():
        name, start, end, value = line.split("\t")
        mean |= {(name, at): float(value) for at in range(int(start), int(end))}

    # Records kept are those with an allele inside, with the scores of `variants`.
    variants(vcf, genome, output=tmp_path / "v.vcf", **flags, **({"windows": bed} if given else {"window": WINDOW}))
    everything = scored.alleles(scored.text(tmp_path / "v.vcf"))
    inside, rows, counts = {}, {}, dict.fromkeys(("IN_NO_WINDOW", "IN_NO_REGION"), 0)
    for i, (chrom, pos, ref, alt, fields) in enumerate(everything):
        if not usable(contigs, chrom, pos, ref, alt):
            continue
        name, at = {"1": "chr1"}.get(chrom.decode(), chrom.decode()), first_changed(pos, ref, alt)
        region = next((one for one in regions if one[0] == name and one[1] <= at < one[2]), None)
        rows[i] = change(contigs, chrom.decode(), pos, ref, alt)
        if region is None:
            counts["IN_NO_REGION" if (name, at) in mean else "IN_NO_WINDOW"] += 1
        else:
            inside[i] = (region, mean[name, at], fields)
    kept_places = {everything[i][:3] for i in inside}
    body = scored.lines(scored.text(tmp_path / "v.vcf"))
    kept = [
        line for line in body if (line.split(b"\t")[0], int(line.split(b"\t")[1]), line.split(b"\t")[3]) in kept_places
    ]
    assert scored.lines(scored.text(out / "scored.vcf.gz")) == kept
    assert 20 < len(inside) == facts["inside"] == facts["scored"]
    assert facts["alleles"] == len(everything)
    assert facts["usable"] == len(rows)
    assert facts["reasons"] == {"REF_MISMATCH": 1, "SYMBOLIC": 1, "NO_CONTIG": 1} | counts
    assert counts["IN_NO_REGION"] > 20

    # Candidates are those of the largest |difference|.
    difference = {i: float(fields["DIFF"]) for i, (_, _, fields) in inside.items()}
    best = sorted(inside, key=lambda i: (-abs(difference[i]), i))[:12]
    found = table(out / "candidates.tsv")
    assert [row["rank"] for row in found] == [str(i + 1) for i in range(12)]
    held = {
        change(contigs, row["chrom"], int(row["pos"]), row["ref"].encode(), row["alt"].encode()) for row in table(known)
    }
    for row, i in zip(found, best, strict=True):
        chrom, pos, ref, alt, fields = everything[i]
        region, score, _ = inside[i]
        assert (row["CHROM"], row["POS"], row["REF"], row["ALT"]) == (
            chrom.decode(),
            str(pos),
            ref.decode(),
            alt.decode(),
        )
        assert row["ID"].startswith("rs")
        assert (int(row["region_start"]), int(row["region_end"])) == region[1:]
        assert float(row["attention"]) == pytest.approx(score, rel=1e-4)
        scores = [row[name] for name in ("score_ref", "score_alt", "difference", "log_odds")]
        assert scores == [fields[name] for name in ("REF", "ALT", "DIFF", "LOGOR")]
        assert row["known"] == ("K" if rows[i] in held else ".")
    assert facts["known"]["K"]["compared"] == facts["known"]["K"]["alleles"] == len(table(known))

    # Enrichment counts are those of sets.
    looked_at = {i for i in rows if i not in inside and (rows[i][0], first_changed(*everything[i][1:4])) in mean}
    groups = {"inside": set(inside) - set(best), "windows": looked_at, "outside": set(rows) - set(inside)}
    for row in table(out / "enrichment.tsv"):
        group = groups.pop(row["against"])
        expected = [sum(rows[i] in held for i in best), 12, sum(rows[i] in held for i in group), len(group)]
        assert [int(row[name]) for name in ("candidates_known", "candidates", "others_known", "others")] == expected
        assert expected[2] > 2
        assert [float(row["p_greater"]), float(row["p_two_sided"])] == pytest.approx(fisher(*expected), rel=1e-4)
    assert not groups


def test_a_threshold_takes_all_from_there_on(
    make_model: MakeModel, genome: Path, vcf: Path, bed: Path, tmp_path: Path
) -> None:
    facts = screen(
        vcf, genome, model=str(make_model()), output=tmp_path / "a", windows=bed, quantile=QUANTILE, top=10_000
    )
    everything = table(tmp_path / "a" / "candidates.tsv")
    assert len(everything) == facts["scored"]
    assert facts["enrichment"] == []
    limit = abs(float(everything[9]["difference"])) - 1e-6
    facts = screen(
        vcf, genome, model=str(make_model()), output=tmp_path / "a", windows=bed, quantile=QUANTILE, threshold=limit
    )
    assert table(tmp_path / "a" / "candidates.tsv") == everything[: facts["candidates"]]
    assert 10 <= facts["candidates"] < len(everything)
    assert "|difference| >= " in facts["candidates_are"]


def test_nothing_found_is_a_valid_empty_screen(
    make_model: MakeModel, genome: Path, vcf: Path, bed: Path, known: Path, tmp_path: Path
) -> None:
    out, none = tmp_path / "out", tmp_path / "none.vcf"
    none.write_bytes(META + COLUMNS)
    far = tmp_path / "far.bed"
    far.write_text("chr3\t0\t200\n")
    for given, flags, said in (
        (vcf, {"windows": bed, "quantile": 1.0}, "nothing was scored"),
        (vcf, {"windows": far, "quantile": QUANTILE}, "no variant lies in a high-attention region"),
        (none, {"window": WINDOW}, "nothing was scored"),
    ):
        facts = screen(given, genome, model=str(make_model()), output=out, known=[f"K={known}"], **flags)
        assert any(said in note for note in facts["notes"]), facts["notes"]
        assert (facts["inside"], facts["candidates"]) == (0, 0)
        assert table(out / "candidates.tsv") == []
        assert scored.lines(scored.text(out / "scored.vcf.gz")) == []
        assert [row["candidates"] for row in table(out / "enrichment.tsv")] == ["0", "0", "0"]
        assert json.loads((out / "summary.json").read_text())["enrichment"][0]["odds_ratio"] is None
    assert (out / "regions.bed").read_text() == ""


def test_units_do_not_change_the_answer(
    make_model: MakeModel, genome: Path, vcf: Path, bed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str) -> list[tuple[str, list[str]]]:
        screen(
            vcf, genome, model=str(make_model()), output=tmp_path / name, windows=bed, quantile=QUANTILE, normalize=True
        )
        numbers = ("score_ref", "score_alt", "difference", "log_odds", "rank")
        rows = table(tmp_path / name / "candidates.tsv")
        return sorted(
            (row["CHROM"] + row["POS"] + row["ALT"], [v for k, v in row.items() if k not in numbers]) for row in rows
        )

    whole = run("whole")
    for module in ("screen", "screen_inputs"):
        monkeypatch.setattr(f"dnabert_fast.workflows.{module}.UNIT_RECORDS", 7)
    assert run("parts") == whole
    text = scored.lines(scored.text(tmp_path / "parts" / "scored.vcf.gz"))
    assert [line.split(b"\t")[:5] for line in text] == [
        line.split(b"\t")[:5] for line in scored.lines(scored.text(tmp_path / "whole" / "scored.vcf.gz"))
    ]


def test_mistakes_are_one_line_and_leave_nothing(
    make_model: MakeModel, genome: Path, vcf: Path, bed: Path, tmp_path: Path
) -> None:
    for flags, message in (
        ({"known": [str(bed)]}, "give NAME=FILE"),
        ({"known": [f"A={bed}", f"A={vcf}"]}, "give each list its own"),
        ({"known": ["A=none.vcf"]}, "no file none.vcf"),
        ({"known": [f"A={bed}"]}, "no column 'pos'"),
        ({"top": 3, "threshold": 0.1}, "give one of them"),
        ({"top": 0}, "1 or more"),
        ({"threshold": -1.0}, "from 0 up"),
        ({"quantile": 2.0}, "between 0 and 1"),
        ({"stride": 5}, "--stride 5 is of windows on a grid"),
        ({"windows": tmp_path / "none.bed"}, "no such file"),
        ({"windows": None}, "--window BASES"),
        ({"windows": None, "window": 600}, "--window: 600 bases, but this model scores windows of 3 to 512 bases"),
        ({"windows": None, "window": 5000, "model": str(make_model("xl-mean"))}, "longer than every contig"),
        ({"output": vcf}, "is a file; give a folder name for the output"),
    ):
        given: dict[str, Any] = {"model": str(make_model()), "output": tmp_path / "out", "windows": bed} | flags
        with pytest.raises(DnabertError) as error:
            screen(vcf, genome, **given)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    long = bed.with_name("long.bed")
    long.write_text(bed.read_text() + f"{bed.read_text().split()[0]}\t0\t600\n")
    with pytest.raises(DnabertError, match=r"long\.bed:\d+: 600 bases, but this model scores windows of 3 to 512"):
        screen(vcf, genome, model=str(make_model()), output=tmp_path / "out", windows=long)
    with pytest.raises(DnabertError, match="read twice"):
        screen("-", genome, model=str(make_model()), output=tmp_path / "out", windows=bed, quantile=QUANTILE)
    assert not (tmp_path / "out").exists()


def test_an_output_is_never_an_input(make_model: MakeModel, genome: Path, vcf: Path, bed: Path, tmp_path: Path) -> None:
    model = str(make_model())
    screen(vcf, genome, model=model, output=tmp_path, windows=bed, quantile=QUANTILE)
    with pytest.raises(DnabertError, match=r"scored\.vcf\.gz is an input too"):
        screen(tmp_path / "scored.vcf.gz", genome, model=model, output=tmp_path, windows=bed, quantile=QUANTILE)
    with pytest.raises(DnabertError, match=r"regions\.bed is an input too"):
        screen(vcf, genome, model=model, output=tmp_path, windows=tmp_path / "regions.bed")
    with pytest.raises(DnabertError, match="--overwrite replaces it"):
        screen(tmp_path / "scored.vcf.gz", genome, model=model, output=tmp_path / "b", windows=bed, quantile=QUANTILE)
    facts = screen(
        tmp_path / "scored.vcf.gz",
        genome,
        model=model,
        output=tmp_path / "b",
        windows=bed,
        quantile=QUANTILE,
        overwrite=True,
    )
    assert facts["scored"] > 0


def test_an_indel_is_known_wherever_it_is_written(
    make_model: MakeModel, genome: Path, contigs: dict[str, bytes], bed: Path, tmp_path: Path
) -> None:
    bases = contigs["chr1"].upper().decode()
    run = next(re.finditer("A{5,}|T{5,}", bases))
    first, last, base = run.start(), run.end(), bases[run.start()]
    before = bases[first - 1]
    (tmp_path / "in.vcf").write_text(
        (META + COLUMNS).decode()
        + f"1\t{last - 1}\tdeletion\t{base}{base}\t{base}\t.\t.\t.\n"
        + f"1\t{last}\tinsertion\t{base}\t{base}{base}{base}\t.\t.\t.\n"
    )
    (tmp_path / "known.csv").write_text(f"chrom,pos,ref,alt\nchr1,{first},{before}{base},{before}\n")
    (tmp_path / "other.csv").write_text(f"chrom,pos,ref,alt\nchr1,{first},{before},{before}{base}\n")
    lists = [f"{name}={tmp_path / name}.csv" for name in ("known", "other")]
    facts = screen(
        tmp_path / "in.vcf", genome, model=str(make_model()), output=tmp_path / "out", windows=bed, known=lists
    )
    counts = {
        row["known"]: row["marked"] + row["other_marked"] for row in facts["enrichment"] if row["against"] == "outside"
    }
    assert counts == {"known": 1, "other": 0}
