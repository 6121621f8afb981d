"""`variants --table`: the same file as without, with less work; and tables that do not fit."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysam
import pytest

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.saturate import saturate
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
START = 2_652_500


@pytest.fixture(scope="module")
def table(make_model: MakeModel, grch38: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All SNVs of forty bases."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "r.bed").write_text(f"chr20\t{START}\t{START + 40}\n")
    out = folder / "t.tsv.gz"
    saturate(grch38, model=str(make_model()), output=out, regions=folder / "r.bed", window=12, precision="fp32")
    return out


@pytest.fixture
def vcf(grch38: Path, make_vcf: Callable[..., Path]) -> Path:
    """SNVs in and out of the table, an insertion, an ALT equal to REF, three ALTs, and what has no score."""
    bases = bases_of(grch38, START - 10, START + 60)

    def snv(at: int, *alts: str) -> str:
        ref = bases[at + 10]
        return f"chr20 {START + at + 1} {ref} {','.join(alts or [next(b for b in 'ACGT' if b != ref)])}"

    others = [b for b in "ACGT" if b != bases[15]]
    rows = [snv(-3), snv(0), snv(1), snv(5, *others), snv(7, bases[17]), snv(9, "*"), snv(39), snv(40), snv(45)]
    ref = bases[20]
    rows.insert(6, f"chr20 {START + 11} {ref} {ref}GAT")
    made: Path = make_vcf(rows)
    return made


def bases_of(genome: Path, start: int, end: int) -> str:
    with pysam.FastaFile(str(genome)) as file:
        bases: str = file.fetch("chr20", start, end)
    return bases


def run(vcf: Path, genome: Path, model: Path, out: Path, **given: Any) -> dict[str, Any]:
    asked = {"window": 12, "precision": "fp32", "threads": 1} | given
    return variants(vcf, genome, model=str(model), output=out, **asked)


def test_the_output_is_that_of_scoring_all(
    table: Path, vcf: Path, grch38: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    plain = run(vcf, grch38, make_model(), tmp_path / "plain.vcf")
    facts = run(vcf, grch38, make_model(), tmp_path / "known.vcf", table=table)
    assert (tmp_path / "plain.vcf").read_bytes() == (tmp_path / "known.vcf").read_bytes()
    assert (plain["from_table"], facts["from_table"]) == (0, 6)  # the SNVs of the forty bases
    assert plain["scored"] == facts["scored"] == 11
    assert facts["pieces"] == plain["pieces"] - 2 * 6
    assert facts["reasons"] == plain["reasons"]


def test_auto_takes_the_tables_precision(
    table: Path, vcf: Path, grch38: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    assert run(vcf, grch38, make_model(), tmp_path / "o.vcf", table=table, precision="auto")["precision"] == "fp32"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window": 14}, "was made with window 12 where this run has 14; its scores"),
        ({"strand": "both"}, r"was made with strand \+ where this run has both; "),
        ({"windows": "tiled"}, "holds scores of centred windows"),
        ({"seed": 1}, r"was made with another model \(hash [0-9a-f]{12}, this run's [0-9a-f]{12}\); its"),
        (
            {"seed": 1, "window": 14, "strand": "both"},
            r"was made with another model \(.*\), window 12 where this run has 14, strand \+ where this run has both; ",
        ),
    ],
)
def test_a_table_of_another_kind_is_refused(
    table: Path, vcf: Path, grch38: Path, make_model: MakeModel, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    asked = dict(given)
    model = make_model(seed=asked.pop("seed", 0))
    with pytest.raises(DnabertError, match=f"--table .*t.tsv.gz: {message}"):
        run(vcf, grch38, model, tmp_path / "o.vcf", table=table, **asked)
    assert not (tmp_path / "o.vcf").exists()


def test_tables_of_another_assembly_or_make_are_refused(
    table: Path, vcf: Path, grch38: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    swapped = bases_of(grch38, 0, START + 100).translate(str.maketrans("ACGT", "CATG"))
    (tmp_path / "other.fa").write_text(f">chr20\n{swapped}\n")
    ref = swapped[START + 1]
    head = [line for line in vcf.read_text().splitlines() if line.startswith("#")]
    record = f"chr20\t{START + 2}\t.\t{ref}\t{'A' if ref != 'A' else 'G'}\t.\t.\t."
    vcf.write_text("\n".join([*head, record]) + "\n")
    with pytest.raises(DnabertError, match=r"in\.vcf:4 \(chr20:\d+\): the table .* has another REF there"):
        run(vcf, tmp_path / "other.fa", make_model(), tmp_path / "o.vcf", table=table)
    cadd = tmp_path / "cadd.tsv"
    cadd.write_text("## CADD v1.6\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n20\t5\tA\tC\t0.1\t3\n")
    pysam.tabix_index(str(cadd), seq_col=0, start_col=1, end_col=1, line_skip=2, force=True)
    with pytest.raises(FormatError, match="not a table of `dnabert-fast saturate`"):
        run(vcf, grch38, make_model(), tmp_path / "o.vcf", table=Path(f"{cadd}.gz"))


def test_a_vcf_is_no_table(vcf: Path, grch38: Path, make_model: MakeModel, tmp_path: Path) -> None:
    for name in ("t.vcf", "t.vcf.gz"):
        other = tmp_path / name
        other.write_bytes(gzip.compress(vcf.read_bytes()) if name.endswith("gz") else vcf.read_bytes())
        with pytest.raises(FormatError, match=f"{name}: is a VCF, where a table of scores is needed"):
            run(vcf, grch38, make_model(), tmp_path / "o.vcf", table=other)
