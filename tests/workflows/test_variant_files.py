"""What goes in comes out: every record in order, byte for byte but for our fields, whatever the file."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pysam
import pysam.bcftools
import pytest
from oracle import scored
from oracle.vcf import strip

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
MakeVcf = Callable[..., Path]
NAMES = [f"DNABERT_{name}" for name in ("REF", "ALT", "DIFF", "LOGOR", "FLAG")]
GRCH38 = ["vcf/hg002.vcf.gz", "vcf/kg_phase3.vcf", "vcf/cohort.vcf", "scoring/clinvar_grch38.vcf.gz"]
HG19 = ["vcf/clinvar2016.vcf.gz", "vcf/mills_indels.vcf.gz", "vcf/phase1_indels.vcf", "vcf/pbsv_svs.vcf.gz"]
SPEC = sorted(path.name for path in (Path(__file__).parents[1] / "data" / "vcf" / "spec").glob("*.vcf"))


@pytest.fixture
def run(make_model: MakeModel, grch38: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Scores with the smallest model, in windows of 12 bases, on GRCh38 chr20."""

    def call(vcf: str | Path, out: str | Path, **given: Any) -> dict[str, Any]:
        genome = given.pop("genome", grch38)
        model = f"{given.pop('name', '')}{make_model()}"
        return variants(vcf, genome, model=model, output=out, **({"window": 12} | given))

    return call


def ours(line: bytes) -> bool:
    return line.startswith((b"##INFO=<ID=DNABERT_", b"##source=dnabert_fast", b"##dnabert_"))


def unscored(vcf: bytes, names: list[str] = NAMES) -> bytes:
    """A scored VCF without what we added."""
    return strip(b"".join(line for line in vcf.splitlines(keepends=True) if not ours(line)), names)


@pytest.mark.parametrize("name", [*GRCH38, *HG19, *(f"vcf/spec/{name}" for name in SPEC)])
def test_output_less_our_fields_is_the_input(
    run: Callable[..., Any], data: Path, grch38: Path, tmp_path: Path, name: str
) -> None:
    genome = grch38 if name in GRCH38 else data / "scoring" / "hg19_200kb.fa.gz"
    facts = run(data / name, tmp_path / "out.vcf.gz", genome=genome)
    given = scored.text(data / name)
    if name in HG19[1:3]:
        assert given.count(b"INFO\t\n") == 1
        given = given.replace(b"INFO\t\n", b"INFO\n")
        assert "white space at the end of the #CHROM line was removed" in facts["notes"]
    found = scored.text(tmp_path / "out.vcf.gz")
    assert unscored(found) == given
    assert facts["records"] == len(scored.lines(given))
    for line in scored.lines(found):
        alts = len(line.split(b"\t")[4].split(b","))
        assert {name: len(values) for name, values in scored.fields(line).items()} == dict.fromkeys(
            ["REF", "ALT", "DIFF", "LOGOR", "FLAG"], alts
        )
    assert found.count(b"END=") == given.count(b"END=")


def test_every_allele_has_scores_or_a_reason(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    for name in GRCH38:
        facts = run(data / name, tmp_path / "out.vcf")
        alleles = scored.alleles(scored.text(tmp_path / "out.vcf"))
        missing = [allele[4] for allele in alleles if allele[4]["REF"] == "."]
        assert facts["alleles"] == len(alleles)
        assert facts["scored"] == len(alleles) - len(missing)
        assert all(allele["FLAG"] != "." for allele in missing)
        reasons = [reason for *_, allele in alleles for reason in allele["FLAG"].split("&") if reason != "."]
        assert facts["reasons"] == {reason: reasons.count(reason) for reason in set(reasons)}


def test_symbolic_alleles_of_the_thousand_genomes(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    facts = run(data / "vcf" / "kg_phase3.vcf", tmp_path / "out.vcf")
    assert facts["reasons"]["SYMBOLIC"] >= 5
    for *_, alt, allele in scored.alleles(scored.text(tmp_path / "out.vcf")):
        assert ("SYMBOLIC" in allele["FLAG"]) == alt.startswith(b"<")


def test_the_header_gains_our_lines_alone(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "one.vcf")
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "deep" / "two.vcf", threads=1)
    given = scored.header(scored.text(data / "vcf" / "hg002.vcf.gz"))
    found = scored.header(scored.text(tmp_path / "one.vcf"))
    added = [line for line in found if ours(line)]
    assert found == [*given[:-1], *added, given[-1]]
    assert [line.split(b",")[0] for line in added[:5]] == [f"##INFO=<ID={name}".encode() for name in NAMES]
    assert [b"Number=A,Type=Float" in line for line in added[:5]] == [True] * 4 + [False]
    assert b"Number=A,Type=String" in added[4]
    assert len(added) == 7
    assert b"model=" in added[6]
    assert b"/" not in added[6]
    assert str(tmp_path).encode() not in b"".join(added)
    assert (tmp_path / "one.vcf").read_bytes() == (tmp_path / "deep" / "two.vcf").read_bytes()


def test_the_command_line_tells_options_apart(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    commands = set()
    for i, given in enumerate([{}, {"window": 14}, {"strand": "both"}, {"normalize": True}, {"ref_mismatch": "warn"}]):
        run(data / "vcf" / "cohort.vcf", tmp_path / f"{i}.vcf", **given)
        header = scored.header((tmp_path / f"{i}.vcf").read_bytes())
        commands.add(next(line for line in header if line.startswith(b"##dnabert_command=")))
    assert len(commands) == 5


@pytest.mark.parametrize("kind", ["gzip", "bgzf", "plain", "bcf"])
def test_the_kind_of_input_does_not_matter(run: Callable[..., Any], data: Path, tmp_path: Path, kind: str) -> None:
    text = scored.text(data / "vcf" / "hg002.vcf.gz")
    path = tmp_path / {"gzip": "in.vcf.gz", "bgzf": "in.vcf.gz", "plain": "in.vcf", "bcf": "in.bcf"}[kind]
    if kind == "gzip":
        path.write_bytes(gzip.compress(text))
    elif kind == "bgzf":
        with pysam.BGZFile(str(path), "w") as file:  # type: ignore[call-arg]
            file.write(text)
    else:
        (tmp_path / "in.vcf").write_bytes(text)
    if kind == "bcf":
        pysam.bcftools.view("--no-version", "-Ob", "-o", str(path), str(tmp_path / "in.vcf"), catch_stdout=False)
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "expected.vcf")
    run(path, tmp_path / "out.vcf")
    expected, found = scored.text(tmp_path / "expected.vcf"), scored.text(tmp_path / "out.vcf")
    assert scored.lines(found) == scored.lines(expected)


def test_bcf_out_holds_the_same_records(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "out.vcf")
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "out.bcf")
    alleles = [scored.alleles(scored.text(tmp_path / name)) for name in ("out.vcf", "out.bcf")]
    for (*place, text), (*there, binary) in zip(*alleles, strict=True):
        assert place == there
        assert text.pop("FLAG") == binary.pop("FLAG")
        for name, value in text.items():
            assert (
                (binary[name] == value)
                if value == "."
                else float(binary[name]) == pytest.approx(float(value), rel=1e-5)
            )


@pytest.mark.parametrize(("name", "index"), [("out.vcf.gz", ".tbi"), ("out.bcf", ".csi")])
def test_output_is_indexed(run: Callable[..., Any], data: Path, tmp_path: Path, name: str, index: str) -> None:
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == [name, name + index]
    with pysam.VariantFile(str(tmp_path / name)) as file:
        every = [(record.pos, record.info["DNABERT_DIFF"]) for record in file.fetch("chr20")]
        assert len(every) == 400
        some = [(record.pos, record.info["DNABERT_DIFF"]) for record in file.fetch("chr20", 150_000, 200_000)]
    assert some == [record for record in every if 150_000 < record[0] <= 200_000]
    assert len(some) > 20


def test_unsorted_records_are_scored_but_not_indexed(
    run: Callable[..., Any], make_vcf: MakeVcf, chr20: bytes, tmp_path: Path
) -> None:
    positions = [400_000, 300_000, 500_000]
    records = [
        f"chr20 {pos} {chr20[pos - 1 : pos].decode()} {'A' if chr20[pos - 1] != 65 else 'C'}" for pos in positions
    ]
    facts = run(make_vcf(records), tmp_path / "out.vcf.gz")
    assert facts["scored"] == 3
    assert any("not sorted" in note and "no index" in note for note in facts["notes"])
    assert sorted(os.listdir(tmp_path)) == ["in.vcf", "out.vcf.gz"]
    assert [allele[1] for allele in scored.alleles(scored.text(tmp_path / "out.vcf.gz"))] == positions


def test_line_ends_stay(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    text = scored.text(data / "vcf" / "cohort.vcf").replace(b"\n", b"\r\n")
    (tmp_path / "in.vcf").write_bytes(text)
    run(tmp_path / "in.vcf", tmp_path / "out.vcf")
    found = (tmp_path / "out.vcf").read_bytes()
    assert found.count(b"\n") == found.count(b"\r\n")
    assert unscored(found) == text


def test_a_last_line_without_an_end(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    text = scored.text(data / "vcf" / "cohort.vcf").rstrip(b"\n")
    (tmp_path / "in.vcf").write_bytes(text)
    assert run(tmp_path / "in.vcf", tmp_path / "out.vcf")["records"] == len(scored.lines(text))
    assert unscored((tmp_path / "out.vcf").read_bytes()) == text


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.bcf", "out.tsv.gz", "out.parquet"])
def test_a_vcf_without_records(run: Callable[..., Any], make_vcf: MakeVcf, tmp_path: Path, name: str) -> None:
    facts = run(make_vcf([]), tmp_path / name)
    assert (facts["records"], facts["alleles"], facts["scored"]) == (0, 0, 0)
    assert (tmp_path / name).is_file()
    assert not any("not sorted" in note for note in facts["notes"])


def test_a_scored_file_is_scored_again_only_on_request(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "one.vcf")
    with pytest.raises(FormatError, match="DNABERT_REF already; --overwrite replaces it"):
        run(tmp_path / "one.vcf", tmp_path / "no.vcf")
    assert not (tmp_path / "no.vcf").exists()
    facts = run(tmp_path / "one.vcf", tmp_path / "two.vcf", overwrite=True)
    assert (tmp_path / "two.vcf").read_bytes() == (tmp_path / "one.vcf").read_bytes()
    assert any("earlier run were replaced" in note for note in facts["notes"])
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "three.vcf", strand="both")
    run(tmp_path / "one.vcf", tmp_path / "four.vcf", overwrite=True, strand="both")
    assert (tmp_path / "four.vcf").read_bytes() == (tmp_path / "three.vcf").read_bytes()
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "five.vcf", overwrite=True)
    assert (tmp_path / "five.vcf").read_bytes() == (tmp_path / "one.vcf").read_bytes()


def test_fields_that_the_header_does_not_declare_are_seen_too(
    run: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    run(data / "vcf" / "cohort.vcf", tmp_path / "one.vcf")
    bare = b"".join(line for line in (tmp_path / "one.vcf").read_bytes().splitlines(keepends=True) if not ours(line))
    (tmp_path / "bare.vcf").write_bytes(bare)
    with pytest.raises(FormatError, match="already holds a field of ours; use --overwrite"):
        run(tmp_path / "bare.vcf", tmp_path / "no.vcf")
    run(tmp_path / "bare.vcf", tmp_path / "two.vcf", overwrite=True)
    assert (tmp_path / "two.vcf").read_bytes() == (tmp_path / "one.vcf").read_bytes()
    assert not (tmp_path / "no.vcf").exists()


def test_a_named_model_has_fields_of_its_own(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "one.vcf", name="CTCF=")
    run(tmp_path / "one.vcf", tmp_path / "two.vcf")
    one, two = (scored.lines(scored.text(tmp_path / f"{name}.vcf")) for name in ("one", "two"))
    for once, twice in zip(one, two, strict=True):
        named, both = scored.fields(once, "DNABERT_CTCF"), scored.fields(twice)
        assert named == {name: both[name] for name in ("REF", "ALT", "DIFF", "LOGOR", "FLAG")}
        assert named == scored.fields(twice, "DNABERT_CTCF")
    header = scored.header(scored.text(tmp_path / "two.vcf"))
    assert sum(line.startswith((b"##dnabert_ctcf_command=", b"##dnabert_command=")) for line in header) == 2
    for wrong in ("1a=", "a-b=", "=", "ä="):
        with pytest.raises(DnabertError, match="letters, digits and _"):
            run(data / "vcf" / "hg002.vcf.gz", tmp_path / "no.vcf", name=wrong)


@pytest.mark.parametrize("name", ["out.tsv", "out.tsv.gz", "out.parquet"])
@pytest.mark.parametrize("source", GRCH38)
def test_tables_hold_the_same_rows(run: Callable[..., Any], data: Path, tmp_path: Path, name: str, source: str) -> None:
    run(data / source, tmp_path / "out.vcf")
    run(data / source, tmp_path / name)
    columns = ["CHROM", "POS", "ID", "REF", "ALT", *NAMES]
    expected = []
    text = scored.text(tmp_path / "out.vcf")
    names = [line.split(b"\t")[2] for line in scored.lines(text) for _ in line.split(b"\t")[4].split(b",")]
    for identifier, (chrom, pos, ref, alt, allele) in zip(names, scored.alleles(text), strict=True):
        row = [chrom, str(pos).encode(), identifier, ref, alt]
        expected.append([cell.decode() for cell in row] + [allele[n.removeprefix("DNABERT_")] for n in NAMES])
    if name == "out.parquet":
        table = pq.read_table(tmp_path / name)
        assert table.column_names == columns
        rows = [[row[column] for column in columns] for row in table.to_pylist()]
        for found, row in zip(rows, expected, strict=True):
            assert [str(cell) for cell in found[:5]] == row[:5]
            assert found[9] == row[9]
            for value, written in zip(found[5:9], row[5:9], strict=True):
                assert (value is None) if written == "." else value == pytest.approx(float(written), rel=1e-5)
        return
    lines = [line.split("\t") for line in scored.text(tmp_path / name).decode().splitlines()]
    assert lines[0] == columns
    assert lines[1:] == expected


def test_the_summary_is_what_came_back(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    facts = run(data / "vcf" / "kg_phase3.vcf", tmp_path / "out.vcf", summary=tmp_path / "facts.json")
    assert json.loads((tmp_path / "facts.json").read_text()) == json.loads(json.dumps(facts))
    assert facts["reason_records"]["SYMBOLIC"] <= facts["reasons"]["SYMBOLIC"]


@pytest.mark.parametrize("written", ["20", "chr20", "NC_000020.11", "CM000663.2"])
def test_contigs_by_other_names(run: Callable[..., Any], data: Path, tmp_path: Path, written: str) -> None:
    text = scored.text(data / "vcf" / "hg002.vcf.gz")
    header, body = text[: text.index(b"\nchr20\t") + 1], text[text.index(b"\nchr20\t") + 1 :]
    (tmp_path / "in.vcf").write_bytes(header + body.replace(b"chr20\t", f"{written}\t".encode()))
    facts = run(tmp_path / "in.vcf", tmp_path / "out.vcf")
    run(data / "vcf" / "hg002.vcf.gz", tmp_path / "expected.vcf")
    lines, expected = (scored.lines(scored.text(tmp_path / f"{name}.vcf")) for name in ("out", "expected"))
    if written.startswith("CM"):  # chromosome 1
        assert facts["reasons"] == {"NO_CONTIG": facts["alleles"]}
        assert facts["aliased"] == {}
        return
    assert facts["aliased"] == ({} if written == "chr20" else {f"{written} -> chr20": 400})
    assert [scored.fields(line) for line in lines] == [scored.fields(line) for line in expected]
    assert {line.split(b"\t")[0].decode() for line in lines} == {written}


def test_contigs_by_a_file_of_names(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    text = scored.text(data / "vcf" / "cohort.vcf").replace(b"\nchr20\t", b"\nscaffold_7\t")
    (tmp_path / "in.vcf").write_bytes(text)
    (tmp_path / "chromAlias.txt").write_text("# ucsc\tassembly\nchr20\tscaffold_7\n")
    without = run(tmp_path / "in.vcf", tmp_path / "out.vcf")
    facts = run(tmp_path / "in.vcf", tmp_path / "out.vcf", alias=tmp_path / "chromAlias.txt")
    assert without["scored"] == 0
    assert without["reasons"]["NO_CONTIG"] == without["alleles"]
    assert facts["scored"] == facts["alleles"] - facts["reasons"]["LONG_ALLELE"] > 10
    assert facts["aliased"] == {"scaffold_7 -> chr20": facts["records"]}
    assert without["alias"] is None
    assert f" alias={facts['alias']} ".encode() in scored.text(tmp_path / "out.vcf")


def test_the_input_is_never_replaced_by_the_output(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    path = tmp_path / "same.vcf"
    path.write_bytes(before := scored.text(data / "vcf" / "hg002.vcf.gz"))
    with pytest.raises(DnabertError, match="is an input too; give two names"):
        run(path, path)
    assert path.read_bytes() == before


def test_class_names_cannot_break_the_header(
    make_model: MakeModel, grch38: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = make_model("sequence", ("no", '5" end\\\n(cap)'))
    variants(data / "vcf" / "hg002.vcf.gz", grch38, model=str(model), output=tmp_path / "out.bcf", window=12)
    with pysam.VariantFile(str(tmp_path / "out.bcf")) as file:
        assert sum(record.info["DNABERT_DIFF"][0] is not None for record in file) > 300
        assert "(cap)" in file.header.info["DNABERT_REF"].description
    assert "Could not parse" not in capfd.readouterr().err


def test_a_table_of_alleles_is_no_bed(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"out\.bed: unknown kind of output; name it .*\.tsv\.gz"):
        run(data / "vcf" / "hg002.vcf.gz", tmp_path / "out.bed")
