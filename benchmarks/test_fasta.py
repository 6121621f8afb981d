"""A FASTA file to k-mer ids, one thread, page cache: ours against pysam with NumPy; memory; windows of a BGZF genome.

    python -m pytest benchmarks/test_fasta.py

Every implementation has to give our ids, and those of tests/oracle around a run of N, before it is timed. Rates are
those of the fastest of several runs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from oracle import kmers as oracle
from pytest_benchmark.fixture import BenchmarkFixture

from dnabert_fast import _core
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.types import I64, U8, U16
from dnabert_fast.seq.vocab import UNK

K = 6
CHUNK = 1 << 18
LINE = 60
SIZES = {"ours": 250_000_000, "pysam": 20_000_000}


def write_contig(path: Path, bases: int) -> None:
    """One contig of random bases of mixed case, with a run of N, on lines of 60."""
    rng = np.random.default_rng(7)
    letters = np.frombuffer(b"ACGTacgt", np.uint8)
    block = np.full((25_000, LINE + 1), ord("\n"), np.uint8)
    with path.open("wb") as out:
        out.write(b">chr1 synthetic\n")
        for number in range(-(-bases // (25_000 * LINE))):
            block[:, :LINE] = letters[rng.integers(0, 8, (25_000, LINE))]
            if number == 1:
                block[1000:2000, :LINE] = ord("N")
            out.write(block.tobytes())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fasta")
    paths = {impl: folder / f"{impl}.fa" for impl in SIZES}
    for impl, path in paths.items():
        write_contig(path, SIZES[impl])
    return paths


def ours(path: Path, take: Callable[[U16], None]) -> int:
    """Hands over the ids of each chunk; returns the number of bases."""
    stream, bases, ids = (
        _core.FastaStream(str(path).encode(), K - 1),
        np.empty(CHUNK, np.uint8),
        np.empty(CHUNK, np.uint16),
    )
    total = 0
    while (chunk := stream.next(bases)) is not None:
        _, _, offset, size = chunk
        n = max(0, size - K + 1)
        _core.kmer_ids(bases[:size], K, ids[:n], False)
        take(ids[:n])
        total = offset + size
    return total


def with_pysam(path: Path, take: Callable[[U16], None]) -> int:
    digit = np.full(256, 4**K, np.uint16)
    for i, letter in enumerate(b"ATCG"):
        digit[letter] = digit[letter + 32] = i
    total = 0
    with pysam.FastxFile(str(path)) as file:
        for record in file:
            digits = digit[np.frombuffer(record.sequence.encode(), np.uint8)]
            m = len(digits) - K + 1
            ids, odd = np.zeros(m, np.uint16), np.zeros(m, np.bool_)
            for j in range(K):
                ids = ids << 2 | digits[j : j + m] & 3
                odd |= digits[j : j + m] > 3
            take(np.where(odd, UNK, ids + 5).astype(np.uint16))
            total += len(digits)
    return total


IMPLS = {"ours": ours, "pysam": with_pysam}


def ignore(ids: U16) -> None:
    pass


def checked(impl: str, path: Path) -> Callable[[], int]:
    """The work, after its ids of the first 2 Mb were found right."""

    def first(run: Callable[[Path, Callable[[U16], None]], int], short: Path) -> U16:
        parts: list[U16] = []
        run(short, lambda ids: parts.append(ids.copy()))
        return np.concatenate(parts)

    short = path.with_suffix(".short.fa")
    with path.open("rb") as file:
        short.write_bytes(file.read(2_000_000))
    found, reference = first(IMPLS[impl], short), first(ours, short)
    assert np.array_equal(found, reference)
    text = b"".join(short.read_bytes().split(b"\n")[1:])
    start = text.index(b"NN") - 2000
    assert found[start : start + 4000].tolist() == oracle.kmer_ids(text[start : start + 4000 + K - 1], K)
    return lambda: IMPLS[impl](path, ignore)


def best_rate(run: Callable[[], int], turns: int) -> float:
    """Bases a second in the fastest of some runs."""
    best = 0.0
    for _ in range(turns):
        start = time.perf_counter()
        bases = run()
        best = max(best, bases / (time.perf_counter() - start))
    return best


@pytest.mark.parametrize("impl", IMPLS)
def test_fasta_to_ids(benchmark: BenchmarkFixture, files: dict[str, Path], impl: str) -> None:
    run = checked(impl, files[impl])
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["bases_per_second"] = SIZES[impl] / benchmark.stats.stats.min


def test_rate_and_ratio(files: dict[str, Path], record_property: Callable[[str, object], None]) -> None:
    rates = {impl: best_rate(checked(impl, files[impl]), turns) for impl, turns in (("ours", 5), ("pysam", 2))}
    ratio = rates["ours"] / rates["pysam"]
    print(f"FASTA to ids: {rates['ours'] / 1e9:.3g} Gbase/s, bar 1; {ratio:.3g} times pysam with NumPy")
    record_property("fasta to ids, Gbase/s", rates["ours"] / 1e9)
    record_property("fasta to ids / pysam", ratio)
    assert rates["ours"] > 1e9


MEMORY = f"""
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
import test_fasta

def memory(field):
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1000

start = memory("VmRSS")
test_fasta.ours(Path(sys.argv[1]), test_fasta.ignore)
print(memory("VmHWM") - start)
"""


def test_memory(files: dict[str, Path], record_property: Callable[[str, object], None]) -> None:
    command = [sys.executable, "-c", MEMORY, str(files["ours"])]
    folder = Path(__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    found = float(done.stdout)
    print(f"FASTA to ids of 250 Mb: {found:.3g} MB above start, bar 100")
    record_property("fasta to ids, MB above start", found)
    assert found < 100


def test_windows_of_bgzf(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """200,000 sorted windows of 101 bases: ours in one call against pysam's fetch for each."""
    plain, packed = tmp_path / "g.fa", tmp_path / "g.fa.gz"
    write_contig(plain, 10_000_000)
    pysam.tabix_compress(str(plain), str(packed))
    pysam.faidx(str(packed))
    starts: I64 = np.sort(np.random.default_rng(1).integers(0, 9_990_000, 200_000))
    rows = np.zeros(len(starts), np.int32)
    with Genome.open(packed) as genome, pysam.FastaFile(str(packed)) as peer:

        def with_ours() -> U8:
            return genome.fetch(rows, starts, starts + 101).bases

        def by_pysam() -> bytes:
            return "".join([peer.fetch("chr1", start, start + 101) for start in starts.tolist()]).encode()

        assert with_ours().tobytes() == by_pysam()
        with_peer = best_rate(lambda: len(by_pysam()), 3)
        ratio = best_rate(lambda: len(with_ours()), 3) / with_peer
    print(f"sorted windows of BGZF: {ratio:.3g} times pysam")
    record_property("bgzf windows / pysam", ratio)
    assert ratio > 2
