"""VCF text in to VCF text out with the scores given, one thread: ours against pysam's VariantFile, plain and gzip.

    python -m pytest benchmarks/test_vcf_text.py

Ours reads, splits, lists the alleles, splices five INFO fields and writes. Before anything is timed, our output without
our fields has to be the input byte for byte, and pysam has to read the given scores out of it. Rates are those
of the fastest of several runs. Finding the sections of a BGZF file is timed too, on 50 copies of a file end to end.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from oracle import vcf as oracle
from pytest_benchmark.fixture import BenchmarkFixture

from dnabert_fast.seq.sections import Sections
from dnabert_fast.seq.vcf_text import VcfText, allele_table, splice

RECORDS = {"ours": 300_000, "pysam": 30_000}
FIELDS = ["DNABERT_REF", "DNABERT_ALT", "DNABERT_DIFF", "DNABERT_LOGOR"]
FLAG = "DNABERT_FLAG"
LINES = [
    *(f'##INFO=<ID={name},Number=A,Type=Float,Description="x">'.encode() for name in FIELDS),
    f'##INFO=<ID={FLAG},Number=A,Type=String,Description="x">'.encode(),
]
HEADER = (
    b'##fileformat=VCFv4.2\n##FILTER=<ID=PASS,Description="All filters passed">\n##contig=<ID=chr20,length=64444167>\n'
    b'##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n##INFO=<ID=DP,Number=1,Type=Integer,Description="x">\n'
    b'##INFO=<ID=DATASETS,Number=.,Type=String,Description="x">\n'
    b'##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">\n'
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tHG002\n"
)


def write_vcf(path: Path, records: int) -> None:
    """Records as a benchmark set has them: 1 in 20 with two ALTs, one sample, 110 bytes each."""
    rng = np.random.default_rng(3)
    position = np.cumsum(rng.integers(1, 200, records)).tolist()
    with path.open("wb") as out:
        out.write(HEADER)
        for i, pos in enumerate(position):
            alt, af, ad = (b"G,AT", b"0.25,0.125", b"20,9,4") if i % 20 == 0 else (b"G", b"0.5", b"20,15")
            out.write(
                b"chr20\t%d\trs%d\tA\t%s\t50\tPASS\tAF=%s;DP=%d;DATASETS=HiFi,Illumina,10X\tGT:AD\t0/1:%s\n"
                % (pos, pos * 7, alt, af, 20 + i % 30, ad)
            )


def scores(record: int, field: int) -> float:
    """The given score of a record; the same for all its ALTs."""
    return float(np.float32(np.sin(record * 0.37 + field)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("vcf")
    found = {}
    for impl, records in RECORDS.items():
        found[impl] = folder / f"{impl}.vcf"
        write_vcf(found[impl], records)
        found[f"{impl} gzip"] = folder / f"{impl}.vcf.gz"
        found[f"{impl} gzip"].write_bytes(gzip.compress(found[impl].read_bytes(), 6))
    return found


def ours(source: Path, target: Path) -> int:
    total = 0
    reasons = ["STAR", "SYMBOLIC"]
    with target.open("wb") as out:
        file = VcfText(source, 4096)
        out.write(file.header.with_lines(LINES))
        for records in file:
            table = allele_table(records)
            records.contigs()
            given = np.sin((table.record + total)[None, :] * 0.37 + np.arange(len(FIELDS))[:, None]).astype(np.float32)
            flags = np.zeros(len(table.record), np.uint32)
            out.write(splice(records, table.record, dict(zip(FIELDS, given, strict=True)), FLAG, flags, reasons))
            total += len(records)
    return total


def with_pysam(source: Path, target: Path) -> int:
    total = 0
    with pysam.VariantFile(str(source)) as file:
        for line in LINES:
            file.header.add_line(line.decode())
        with pysam.VariantFile(str(target), "w", header=file.header) as out:
            for record in file:
                alts = len(record.alts or ())
                for i, name in enumerate(FIELDS):
                    record.info[name] = (float(np.sin(total * 0.37 + i)),) * alts
                record.info[FLAG] = (".",) * alts
                out.write(record)
                total += 1
    return total


IMPLS = {"ours": ours, "pysam": with_pysam}


def checked(files: dict[str, Path], tmp_path: Path, impl: str, zipped: bool = False) -> Callable[[], int]:
    """The work, after one run whose output was found right."""
    source, target = files[f"{impl} gzip" if zipped else impl], tmp_path / "out.vcf"
    assert IMPLS[impl](source, target) == RECORDS[impl]
    if impl == "ours":
        lines = b"".join(line + b"\n" for line in LINES)
        text = oracle.strip(target.read_bytes(), [*FIELDS, FLAG]).replace(lines, b"")
        assert text == files[impl].read_bytes()
    with pysam.VariantFile(str(target)) as file:
        for i, record in zip(range(1000), file, strict=False):
            for field, name in enumerate(FIELDS):
                assert record.info[name] == pytest.approx((scores(i, field),) * len(record.alts or ()), rel=1e-5)
    return lambda: IMPLS[impl](source, target)


def best_rate(run: Callable[[], int], turns: int) -> float:
    """Records a second in the fastest of some runs."""
    best = 0.0
    for _ in range(turns):
        start = time.perf_counter()
        records = run()
        best = max(best, records / (time.perf_counter() - start))
    return best


@pytest.mark.parametrize("impl", IMPLS)
def test_vcf_to_vcf(benchmark: BenchmarkFixture, files: dict[str, Path], tmp_path: Path, impl: str) -> None:
    run = checked(files, tmp_path, impl)
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["records_per_second"] = RECORDS[impl] / benchmark.stats.stats.min


@pytest.mark.parametrize("zipped", [False, True])
def test_rate(
    files: dict[str, Path], tmp_path: Path, zipped: bool, record_property: Callable[[str, object], None]
) -> None:
    rate = best_rate(checked(files, tmp_path, "ours", zipped), 5)
    kind = "gzip" if zipped else "plain"
    print(f"VCF to VCF, {kind} text in: {rate / 1e3:.4g} k records/s, bar 400")
    record_property(f"vcf to vcf, {kind}, k records/s", rate / 1e3)
    assert rate > 400e3


def test_ratio(files: dict[str, Path], tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    rates = {impl: best_rate(checked(files, tmp_path, impl), turns) for impl, turns in (("ours", 3), ("pysam", 2))}
    ratio = rates["ours"] / rates["pysam"]
    print(f"VCF to VCF: {ratio:.3g} times pysam's VariantFile")
    record_property("vcf to vcf / pysam", ratio)
    assert ratio > 8


def test_sections(files: dict[str, Path], tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    text = files["ours"].read_bytes()
    with pysam.BGZFile(str(tmp_path / "one.vcf.gz"), "wb") as out:
        out.write(text)
    stored = (tmp_path / "one.vcf.gz").read_bytes()
    with (tmp_path / "many.vcf.gz").open("wb") as out:
        out.writelines([stored] * 50)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        index = Sections.find(tmp_path / "many.vcf.gz")
        best = max(best, 50 * len(stored) / (time.perf_counter() - start))
        assert index.text_bytes == 50 * len(text)
    print(f"sections of BGZF: {best / 1e9:.3g} GB/s of the compressed file")
    record_property("sections of bgzf, GB/s", best / 1e9)
    assert best > 2e9
