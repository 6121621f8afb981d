"""Alleles looked up in a table of every SNV, alleles a second on one core: the search alone, and files to files.

    python benchmarks/lookup.py [--bases 10000000] [--every 3] [--blocks 2048 65280] [--folder FOLDER]

The table has three SNVs for each of so many bases, with the scores of `saturate`'s layout; the VCF has an SNV at about
every third base, as dbSNP has, then at every 30th and 600th (a person's), about 300,000 of them at most. The search is
held against the rows that the alleles were drawn from before it is timed, and files to files against bcftools annotate
on the same table. Tables are made in blocks of so many bytes of text: as `saturate` makes them, and as large as BGZF
allows, as others' tables are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools

from dnabert_fast.io.score_table import ScoreTableSink
from dnabert_fast.seq.lookup import META, ScoreTable, look_up
from dnabert_fast.seq.variants import Alleles
from dnabert_fast.seq.vcf_text import Records, VcfText, allele_table, splice
from dnabert_fast.workflows.lookup import lookup

FIELDS = ("REF", "ALT", "DIFF", "LOGOR")
LETTERS = np.frombuffer(b"ACGT", np.uint8)
MOST = 300_000
"""Alleles of a VCF."""


def write_table(path: Path, bases: int, block: int) -> np.ndarray:
    """A table of chr1:1-bases of random letters and scores; returns the letters' numbers."""
    rng = np.random.default_rng(1)
    code = rng.integers(0, 4, bases)
    others = np.array([[letter for letter in range(4) if letter != own] for own in range(4)])
    meta = [META + '{"prefix": "DNABERT", "model": "random"}']
    with ScoreTableSink(path, meta, [f"DNABERT_{name}" for name in FIELDS], block=block) as sink:
        for at in range(0, bases, 1365):
            own = code[at : at + 1365]
            n = 3 * len(own)
            offsets = np.arange(n + 1)
            chrom = np.tile(np.frombuffer(b"chr1", np.uint8), n), offsets * 4
            ref, alt = np.repeat(LETTERS[own], 3), LETTERS[others[own]].reshape(-1)
            scores = [rng.random(n).astype(np.float32) for _ in range(6)]
            position = np.repeat(np.arange(at, at + len(own)), 3) + 1
            sink.write(chrom, position, (ref, offsets), (alt, offsets), scores)
    return code


def write_vcf(path: Path, code: np.ndarray, every: int) -> int:
    """SNVs at about every so many bases, sorted; returns how many."""
    rng = np.random.default_rng(2)
    at = np.flatnonzero(rng.random(len(code)) < 1 / every)
    alt = (code[at] + rng.integers(1, 4, len(at))) % 4
    with pysam.BGZFile(str(path), "w") as out:
        out.write(b"##fileformat=VCFv4.2\n##contig=<ID=chr1,length=248956422>\n")
        out.write(b'##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n')
        out.write(b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        rows = zip(at.tolist(), code[at].tolist(), alt.tolist(), strict=True)
        lines = [f"chr1\t{a + 1}\trs{a}\t{'ACGT'[r]}\t{'ACGT'[b]}\t.\tPASS\tAF=0.01\n" for a, r, b in rows]
        out.write("".join(lines).encode())
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return len(at)


def units(path: Path) -> list[tuple[Records, Alleles]]:
    """The alleles of a VCF, in memory."""
    found = []
    for records in VcfText(path, 4096):
        table = allele_table(records)
        none = np.zeros(len(table.record), np.int32)
        position = records.position[table.record] - 1
        found.append((records, Alleles.of(table.record, table.kind, none, position, table.ref, table.alt)))
    return found


def best(run: Callable[[], object], turns: int = 3) -> float:
    """Processor seconds of the fastest of some runs, all threads together: what one core would take."""
    seconds = []
    for _ in range(turns):
        before = os.times()
        run()
        after = os.times()
        seconds.append(after.user + after.system - before.user - before.system)
    return min(seconds)


def run_of(table: Path, vcf: Path, n: int, header: Path) -> dict[str, Callable[[], object]]:
    """What is timed on a VCF of n alleles; all but the last make sure that each was found."""
    held = units(vcf)
    folder = vcf.parent
    names = [f"DNABERT_{name}" for name in ("RAW", "PHRED", *FIELDS)]

    def search() -> None:
        opened = ScoreTable(table)
        assert sum(int((~look_up(*unit, opened).missing).sum()) for unit in held) == n

    def spliced() -> None:
        opened = ScoreTable(table)
        for records, alleles in held:
            found = look_up(records, alleles, opened)
            splice(records, alleles.record, found.fields, "", np.zeros(len(alleles), np.uint32), ())

    def files(name: str) -> None:
        assert lookup(vcf, [str(table)], output=folder / name)["found"] == n

    def bcftools() -> None:
        pysam.bcftools.annotate(
            "-a", str(table), "-h", str(header), "-c", "CHROM,POS,REF,ALT,-," + ",".join(names[1:]),
            "-Oz", "-o", str(folder / "theirs.vcf.gz"), str(vcf), catch_stdout=False,
        )  # fmt: skip

    return {
        "search": search,
        "search and splice": spliced,
        "to .vcf": lambda: files("out.vcf"),
        "to .vcf.gz": lambda: files("out.vcf.gz"),
        "bcftools": bcftools,
    }


def measure(folder: Path, bases: int, densities: list[int], block: int) -> None:
    """Make a table in blocks of so much text, and print the rates on it."""
    table, header = folder / "table.tsv.gz", folder / "header.txt"
    began = time.perf_counter()
    code = write_table(table, bases, block)
    took = time.perf_counter() - began
    size = table.stat().st_size / 3 / bases
    print(f"table of {3 * bases:,} SNVs in blocks of {block:,} bytes: {size:.2f} bytes a row, made in {took:.0f} s")
    names = [f"DNABERT_{name}" for name in ("PHRED", *FIELDS)]
    header.write_text("".join(f'##INFO=<ID={name},Number=A,Type=Float,Description="x">\n' for name in names))
    for every in densities:
        vcf = folder / f"every{every}.vcf.gz"
        n = write_vcf(vcf, code[: MOST * every], every)
        print(f"an allele at every {every} bases, {n:,} alleles:")
        seconds = {}
        for name, run in run_of(table, vcf, n, header).items():
            seconds[name] = best(run, 1 if name == "bcftools" else 3)
        for name, one in seconds.items():
            times = seconds["bcftools"] / one
            print(f"  {name:18} {n / one:12,.0f} alleles a second of one core, {times:5.1f} times bcftools")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=10_000_000)
    parser.add_argument("--every", type=int, nargs="*", default=[3, 30, 600])
    parser.add_argument("--blocks", type=int, nargs="*", default=[2048, 65280])
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for block in asked.blocks:
            measure(asked.folder or Path(folder), asked.bases, asked.every, block)


if __name__ == "__main__":
    main()
