"""Small inputs of the verbs that run as jobs, cut into small units, and their runs."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oracle.jobs import Facts

import dnabert_fast.analysis.scan as analysis
import dnabert_fast.io.sequences as sequences_io
import dnabert_fast.workflows.record_input as record_input
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.sequences import embed, predict
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "UNIT_BASES", 150)
    monkeypatch.setattr(sequences_io, "UNIT_SEQUENCES", 7)
    monkeypatch.setattr(record_input, "SECTION_BYTES", 400)
    monkeypatch.setattr(record_input, "UNIT_RECORDS", 5)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(5)

    def bases(n: int) -> str:
        return "".join(draw.choices("ACGT", k=n))

    path = tmp_path_factory.mktemp("genome") / "g.fa"
    text = f">one\n{bases(1400)}{'N' * 200}{bases(300)}\n>short\nACGT\n>two\n{bases(700)}\n"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(6)
    path = tmp_path_factory.mktemp("reads") / "r.fa"
    lengths = [draw.choice([3, 20, 33, 50]) for _ in range(60)]
    rows = [f">s{i}\n{''.join(draw.choices('ACGTN' if i % 9 else 'N', k=n))}\n" for i, n in enumerate(lengths)]
    path.write_text("".join(rows))
    return path


@pytest.fixture(scope="module")
def vcf(fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of both contigs, one of a contig that the genome lacks, and one longer than two sections."""
    draw = random.Random(7)
    bases = dict(record.split("\n", 1) for record in fasta.read_text()[1:].split("\n>"))
    rows = []
    for name, every in (("one", 9), ("two", 23)):
        for at in range(0, 690, every):
            ref = bases[name][at]
            alt = draw.choice([base for base in "ACGT" if base != ref])
            rows.append(f"{name}\t{at + 1}\t{'X' * 900 if at == 45 else '.'}\t{ref}\t{alt}\t.\t.\t.\n")
    head = "##fileformat=VCFv4.2\n##contig=<ID=one,length=1900>\n##contig=<ID=two,length=700>\n"
    head += "##contig=<ID=three,length=9>\n" + "".join(f"##note{i}={'n' * 60}\n" for i in range(9))
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path = tmp_path_factory.mktemp("vcf") / "v.vcf"
    path.write_text(head + columns + "".join(rows) + "three\t4\t.\tA\tC\t.\t.\t.\n")
    return path


@pytest.fixture(scope="module")
def run(make_model: MakeModel, fasta: Path, reads: Path, vcf: Path) -> Callable[..., Facts]:
    """Runs one of the verbs by the name of its output; scans write calls too."""

    def call(out: Path, **more: Any) -> Facts:
        given: dict[str, Any] = {"model": str(make_model()), "output": out, "device": "cpu", "threads": 1} | more
        if out.name.startswith("variants"):
            return variants(given.pop("vcf", vcf), fasta, **({"window": 30, "precision": "fp32"} | given))
        if out.name.startswith("embed"):
            return embed(reads, **given)
        if out.name.startswith("predict"):
            return predict(reads, **given)
        calls = out.with_name("calls.bed.gz")
        return scan(fasta, **({"window": 40, "stride": 12, "calls": calls, "threshold": 0.4} | given))

    return call


@pytest.fixture(scope="module")
def whole(run: Callable[..., Facts], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Facts]]:
    """The folder and facts of a run in one go, each made once."""
    made: dict[str, tuple[Path, Facts]] = {}

    def call(name: str) -> tuple[Path, Facts]:
        if name not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[name] = folder, run(folder / name)
        return made[name]

    return call


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Gives new empty folders."""
    made = 0

    def new() -> Path:
        nonlocal made
        made += 1
        folder = tmp_path / f"out{made}"
        folder.mkdir()
        return folder

    yield new
    shutil.rmtree(tmp_path, ignore_errors=True)
