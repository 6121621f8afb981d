"""Scored VCFs the plain way: fields of INFO as text, an allele at a time."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam


def text(path: Path) -> bytes:
    """The bytes of a VCF, gzip or not; a BCF as htslib spells it."""
    if path.suffix == ".bcf":
        with pysam.VariantFile(str(path)) as file:
            return (str(file.header) + "".join(map(str, file))).encode()
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def header(vcf: bytes) -> list[bytes]:
    return [line for line in vcf.splitlines() if line.startswith(b"#")]


def lines(vcf: bytes) -> list[bytes]:
    return [line for line in vcf.splitlines() if line and not line.startswith(b"#")]


def fields(line: bytes, prefix: str = "DNABERT") -> dict[str, list[str]]:
    """Our fields of a record by the last part of their names, a value an ALT."""
    parts = [part.partition("=") for part in line.split(b"\t")[7].decode().split(";")]
    return {
        name.removeprefix(f"{prefix}_"): value.split(",") for name, _, value in parts if name.startswith(f"{prefix}_")
    }


def alleles(vcf: bytes, prefix: str = "DNABERT") -> list[tuple[bytes, int, bytes, bytes, dict[str, str]]]:
    """CHROM, POS, REF, ALT and our fields of every allele."""
    found = []
    for line in lines(vcf):
        chrom, pos, _, ref, alts = line.split(b"\t")[:5]
        ours = fields(line, prefix)
        for i, alt in enumerate(alts.split(b",")):
            found.append((chrom, int(pos), ref, alt, {name: values[i] for name, values in ours.items()}))
    return found
