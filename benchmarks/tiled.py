"""Tiled against centred windows on a dense VCF: passes of the encoder, time, and how far the scores agree.

    python benchmarks/tiled.py VCF GENOME [--model DIR] [--window 300] [--records 3000]

Both runs are `variants` as users have it, in fp32, one after the other and again; the least processor time of each
counts. The bar (1.6 times the variants a second) is for VCFs with several variants in half a window.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from dnabert_fast.workflows.variants import variants


def first_records(vcf: Path, count: int, target: Path) -> Path:
    """The header of a VCF and its first records, without samples."""
    read = gzip.open if vcf.read_bytes()[:2] == b"\x1f\x8b" else open
    with read(vcf, "rb") as lines, target.open("wb") as out:
        for line in lines:
            if line.startswith(b"##"):
                out.write(line)
                continue
            out.write(b"\t".join(line.rstrip(b"\r\n").split(b"\t")[:8]) + b"\n")
            count -= not line.startswith(b"#")
            if not count:
                break
    return target


def run(vcf: Path, genome: str, out: Path, **options: Any) -> tuple[dict[str, Any], float]:
    """Facts and processor seconds of a run."""
    began = time.process_time()
    facts = variants(vcf, genome, output=out, precision="fp32", threads=1, **options)
    return facts, time.process_time() - began


def changes(table: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The log-odds ratio of each allele, NaN for none."""
    head, *rows = (line.split("\t") for line in table.read_text().splitlines())
    column = head.index("DNABERT_LOGOR")
    return np.array([float("nan") if row[column] == "." else float(row[column]) for row in rows])


def main() -> None:
    """Print the comparison."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("vcf", type=Path)
    asked.add_argument("genome")
    asked.add_argument("--model", default="demo")
    asked.add_argument("--window", type=int, default=300)
    asked.add_argument("--records", type=int, default=3000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        vcf = first_records(given.vcf, given.records, place / "in.vcf")
        seconds: dict[str, list[float]] = {"centred": [], "tiled": []}
        facts: dict[str, dict[str, Any]] = {}
        for _ in range(2):
            for windows in seconds:
                out = place / f"{windows}.tsv"
                options = {"model": given.model, "window": given.window, "windows": windows}
                facts[windows], took = run(vcf, given.genome, out, **options)
                seconds[windows].append(took)
        for windows, told in facts.items():
            passes, least = told["pieces_encoded"] / told["scored"], min(seconds[windows])
            print(f"{windows:8} {told['scored']:,} alleles, {passes:.3f} passes each, {least:.1f} s of processor time")
        print(f"tiled is {min(seconds['centred']) / min(seconds['tiled']):.2f} times as fast")
        both = np.stack([changes(place / f"{windows}.tsv") for windows in facts])
        both = both[:, ~np.isnan(both).any(axis=0)]
        print(f"Spearman of the log-odds ratios: {spearmanr(*both)[0]:.3f} ({both.shape[1]:,} alleles)")


if __name__ == "__main__":
    main()
