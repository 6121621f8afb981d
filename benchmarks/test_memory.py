"""Peak memory of whole runs, each in a process of its own: a longer input takes no more.

    python -m pytest benchmarks/test_memory.py -s

A tiny network, so that what is measured is the reading, scoring and writing, not the weights. The demonstration's
variants once and four times over; its genome to a bigWig track, 1 and 4 Mb of it.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import workload

Record = Callable[[str, object], None]

# VmHWM and not ru_maxrss, in which a process begins with the size of the one that started it.
MAIN = """
import sys
import dnabert_fast.cli
try:
    dnabert_fast.cli.main()
finally:
    with open("/proc/self/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(int(kilobytes) * 1024 / 1e6, file=sys.stderr)
"""


def peak(*arguments: str | Path) -> float:
    """The largest resident size of a `dnabert-fast` command, in MB."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stderr.split()[-1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workload.write_model(tmp_path_factory.mktemp("memory") / "model", "tiny", 100)


def test_variants(model: Path, tmp_path: Path, record_property: Record) -> None:
    lines = gzip.decompress(workload.VARIANTS.read_bytes()).splitlines(keepends=True)
    header = [line for line in lines if line.startswith(b"#")]
    found = []
    for times in (1, 4):
        vcf = tmp_path / f"{times}.vcf"
        vcf.write_bytes(b"".join(header + lines[len(header) :] * times))
        out = tmp_path / "out.vcf.gz"
        found.append(peak("variants", vcf, workload.GENOME, "--model", model, "-o", out, "--window", "64"))
        record_property(f"variants, {times} x 6,457 records, MB", found[-1])
    print("variants: {:.0f} MB for 6,457 records, {:.0f} MB for four times as many".format(*found))
    assert found[1] < 1.2 * found[0]


def test_scan(model: Path, tmp_path: Path, record_property: Record) -> None:
    found = []
    for megabases in (1, 4):
        regions, out = tmp_path / f"{megabases}.bed", tmp_path / "out.bw"
        regions.write_text(f"{workload.CONTIG}\t0\t{megabases}000000\n")
        shape = ("--window", "64", "--stride", "100", "--regions", regions)
        found.append(peak("scan", workload.GENOME, "--model", model, "-o", out, *shape))
        record_property(f"scan, {megabases} Mb, MB", found[-1])
    print("scan: {:.0f} MB for 1 Mb, {:.0f} MB for 4 Mb".format(*found))
    assert found[1] < 1.2 * found[0]


@pytest.mark.parametrize("work", [False, True], ids=["straight", "work"])
def test_two_million_alleles(model: Path, tmp_path: Path, record_property: Record, work: bool) -> None:
    """The demonstration's genome as 31 contigs, its variants ten times on each; a third first, to fill all queues.

    What grows is the genome, which is mapped into memory and 4 MB a contig.
    """
    bases = gzip.decompress(workload.GENOME.read_bytes()).split(b"\n", 1)[1]
    contigs = [b"c%d" % number for number in range(31)]
    genome = tmp_path / "genome.fa"
    genome.write_bytes(b"".join(b">%s\n%s\n" % (name, bases.strip()) for name in contigs))
    lines = gzip.decompress(workload.VARIANTS.read_bytes()).splitlines()
    places = [b"\t".join(line.split(b"\t")[1:5]) for line in lines if not line.startswith(b"#")]
    head = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    found = []
    for some in (contigs[:10], contigs):
        vcf, out = tmp_path / f"{len(some)}.vcf", tmp_path / f"{len(some)}.vcf.gz"
        vcf.write_bytes(head + b"".join(b"%s\t%s\t.\t.\t.\n" % (name, at) * 10 for name in some for at in places))
        options = ["--work", tmp_path / f"{len(some)}.work"] if work else []
        asked = ["--model", model, "-o", out, "--window", "24", "--precision", "fp32", *options]
        found.append(peak("variants", vcf, genome, *asked))
        record_property(f"variants, {len(some)} contigs, MB", found[-1])
    print("variants: {:.0f} MB for 10 contigs, {:.0f} MB for 31, two million alleles".format(*found))
    assert found[1] < 1000
    assert found[1] - 4 * 21 < 1.2 * found[0]
