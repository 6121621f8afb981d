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
