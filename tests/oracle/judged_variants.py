"""Scored alleles written as VCFs and tables, with the numbers that tests hold reports against."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

META = """##fileformat=VCFv4.2
##INFO=<ID=CLNSIG,Number=.,Type=String,Description="x">
##INFO=<ID=AF,Number=A,Type=Float,Description="x">
##INFO=<ID=DB,Number=0,Type=Flag,Description="x">
##INFO=<ID=DNABERT_DIFF,Number=A,Type=Float,Description="x">
##INFO=<ID=DNABERT_b_LLR,Number=A,Type=Float,Description="x">
##INFO=<ID=DNABERT_REF,Number=A,Type=Float,Description="x">
##INFO=<ID=DNABERT_FLAG,Number=A,Type=String,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""
CLASSES = ("Benign", "Pathogenic")


@dataclass(frozen=True)
class Row:
    """A record of one or more ALTs: its columns, and INFO as text."""

    contig: str
    position: int
    ref: str
    alt: str
    info: str
    name: str = "."
    filter: str = "PASS"


def write_vcf(path: Path, rows: Sequence[Row], meta: str = META) -> Path:
    lines = [
        f"{row.contig}\t{row.position}\t{row.name}\t{row.ref}\t{row.alt}\t.\t{row.filter}\t{row.info}\n" for row in rows
    ]
    path.write_text(meta + "".join(lines))
    return path


@dataclass(frozen=True)
class Made:
    """Sixty scored SNVs on three chromosomes: class, DIFF and LLR of each, as the rows have them."""

    rows: list[Row]
    positive: np.ndarray
    difference: np.ndarray
    ratio: np.ndarray


def made(seed: int = 1, contigs: Sequence[str] = ("chr1", "chr2", "chr3"), n: int = 60) -> Made:
    random = np.random.default_rng(seed)
    positive = np.arange(n) % 2 == 0
    difference = np.round(random.choice([-1, 1], n) * (0.2 * positive + random.random(n) * 0.4), 5)
    ratio = np.round(-0.8 * positive + random.normal(size=n), 5)
    rows = [
        Row(
            contigs[i * len(contigs) // n],
            1000 + 10 * i,
            "A",
            "C",
            f"CLNSIG={CLASSES[int(positive[i])]};DNABERT_REF=0.5;DNABERT_DIFF={difference[i]};DNABERT_b_LLR={ratio[i]};"
            "DNABERT_FLAG=.",
        )
        for i in range(n)
    ]
    return Made(rows, positive, difference, ratio)


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text, by column."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def values(facts: dict[str, Any], score: str, stratum: int = 0) -> dict[str, float]:
    return {name: found["value"] for name, found in facts["strata"][stratum]["metrics"][score].items()}
