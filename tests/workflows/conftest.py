"""What tests of verbs share: one thread, real records, and VCFs made of lines."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from oracle import variants as oracle
from oracle.machine import Machine, machine_with

torch.set_num_threads(1)

META = b"##fileformat=VCFv4.2\n##contig=<ID=chr20,length=64444167>\n"
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test alone: no verdict or index of the user's is read or written."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def make_vcf(tmp_path: Path) -> Callable[..., Path]:
    """Writes a VCF of records given as "CHROM POS REF ALT"."""

    def make(records: Sequence[str], name: str = "in.vcf", meta: bytes = META) -> Path:
        rows = [record.split() for record in records]
        body = [f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n".encode() for chrom, pos, ref, alt in rows]
        path = tmp_path / name
        path.write_bytes(meta + COLUMNS + b"".join(body))
        return path

    return make


@pytest.fixture(scope="session")
def real_grch38(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty real records on GRCh38 chr20: GIAB SNVs, indels and multi-allelic ones, a cohort's, and ClinVar's."""

    def lines(path: Path) -> list[bytes]:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        return [line for line in text.splitlines() if not line.startswith(b"#")]

    def is_snv(line: bytes) -> bool:
        return len(line.split(b"\t")[3]) == len(line.split(b"\t")[4]) == 1

    giab = lines(data / "vcf" / "hg002.vcf.gz")
    multi = [line for line in giab if b"," in line.split(b"\t")[4]]
    indels = [line for line in giab if not is_snv(line) and line not in multi]
    clinvar = [
        line for line in lines(data / "scoring" / "clinvar_grch38.vcf.gz") if int(line.split(b"\t")[1]) < 3_900_000
    ]
    chosen = [line for line in giab if is_snv(line)][::40] + indels[::6] + multi[:4]
    chosen += lines(data / "vcf" / "cohort.vcf") + [line for line in clinvar if not is_snv(line)][:6] + clinvar[::40]
    rows = {tuple(line.split(b"\t")[:5]) for line in chosen}
    ordered = sorted(rows, key=lambda row: (int(row[1]), row))
    path = tmp_path_factory.mktemp("real") / "real.vcf"
    path.write_bytes(META + COLUMNS + b"".join(b"\t".join(row) + b"\t.\t.\t.\n" for row in ordered))
    return path


@pytest.fixture(scope="session")
def chr20(grch38: Path) -> bytes:
    """The bases of GRCh38 chr20:1-4,000,000."""
    return oracle.contigs(grch38)["chr20"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    """Puts a machine with lower precisions of a known noise in the place of this one."""
    return machine_with(monkeypatch)
