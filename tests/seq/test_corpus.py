"""Samples of a corpus against their slow twin, and what a pass has to hold."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import corpus as oracle

from dnabert_fast.errors import DnabertError
from dnabert_fast.io.bed import read_bed
from dnabert_fast.seq.batch import Windows, reverse_complement, tokenize
from dnabert_fast.seq.corpus import Corpus, Mode
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.masking import Masking, mask
from dnabert_fast.seq.runs import Places


def write_fasta(path: Path, contigs: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    return path


def random_text(n: int, seed: int, letters: str = "ACGT") -> str:
    return "".join(np.random.default_rng(seed).choice(list(letters), n))


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """Mixed case, runs of N, an IUPAC letter, a contig too short and one without bases."""
    folder = tmp_path_factory.mktemp("corpus")
    contigs = {
        "chr1": "N" * 100 + random_text(40_000, 1, "ACGTacgt") + "NNN" + random_text(9_000, 2) + "R" + "ACG" + "N" * 7,
        "chr2": random_text(15_000, 3),
        "scrap": "ACGT",
        "gap": "N" * 500,
    }
    return Genome.open(write_fasta(folder / "g.fa", contigs), folder)


def named(*regions: tuple[str, int, int]) -> Places:
    names, start, end = zip(*regions, strict=True) if regions else ((), (), ())
    n = len(regions)
    return Places(names, np.arange(n, dtype=np.int32), np.array(start, np.int64), np.array(end, np.int64))


pieces_of_text = st.lists(
    st.one_of(
        st.text(alphabet="ACGTacgtuN", max_size=60),
        st.tuples(st.integers(0, 1600), st.integers(0, 99)).map(lambda a: random_text(*a)),
    ),
    max_size=3,
).map("N".join)
spans = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2000), st.integers(0, 2000)), max_size=4)


@settings(max_examples=60)
@given(
    st.lists(pieces_of_text, min_size=3, max_size=3),
    st.one_of(st.none(), spans),
    st.one_of(st.none(), spans),
    st.integers(3, 6),
    st.sampled_from(["released", "split", "sample"]),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**40),
)
def test_samples_against_their_twin(
    texts: list[str],
    include: list[tuple[int, int, int]] | None,
    exclude: list[tuple[int, int, int]] | None,
    k: int,
    mode: Mode,
    both: bool,
    seed: int,
    first: int,
) -> None:
    def regions(drawn: list[tuple[int, int, int]] | None) -> Places | None:
        return named(*((f"c{row}", min(a, b), max(a, b)) for row, a, b in drawn)) if drawn else None

    def inside(drawn: list[tuple[int, int, int]], row: int, at: int) -> bool:
        return any(r == row and min(a, b) <= at < max(a, b) for r, a, b in drawn)

    # What may not be taken is N to the twin.
    wanted = [
        "".join(
            "N" if (include and not inside(include, row, at)) or (exclude and inside(exclude, row, at)) else base
            for at, base in enumerate(text)
        )
        for row, text in enumerate(texts)
    ]
    shortest, longest = max(5, k), 509 + k
    runs = [run for text in wanted for run in oracle.clean_runs(text) if len(run) >= shortest]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Two genomes, the first of two contigs.
        one = Genome.open(write_fasta(folder / "a.fa", {"c0": texts[0], "c1": texts[1]}), folder)
        two = Genome.open(write_fasta(folder / "b.fa", {"c2": texts[2]}), folder)

        def make() -> Corpus:
            given = {"include": regions(include), "exclude": regions(exclude)}
            return Corpus.of([one, two], k, seed=seed, mode=mode, both_strands=both, **given)

        if not runs:
            with pytest.raises(DnabertError):
                make()
            return
        corpus = make()
        bases = sum(map(len, runs))
        depth = {"released": 4, "split": 0, "sample": 1}[mode]
        random = max(depth * bases // 256, int(mode == "sample"))
        samples = corpus.samples(first, 7)
    assert corpus.bases == bases
    options = {"with_split": mode != "sample", "random": random, "shortest": shortest, "longest": longest}
    expected = [
        oracle.sample(runs, first + i, both_strands=both, seed=seed, stream=0, **options) for i in range(len(samples))
    ]
    assert [samples[i].decode() for i in range(len(samples))] == expected


def test_a_split_covers_every_run_once(genome: Genome) -> None:
    corpus = Corpus.of([genome], 6, seed=1, mode="split")
    placed = corpus.places(0, corpus.pass_length)
    order = np.lexsort((placed.start, placed.run))
    run, start, length = placed.run[order], placed.start[order], placed.length[order]
    runs = corpus.training.runs
    assert (runs.end - runs.start).tolist() == [40_000, 9_000, 15_000]  # ACG and the scrap are too short
    assert corpus.bases == 64_000
    for r, size in enumerate(runs.end - runs.start):
        begin, end = start[run == r], (start + length)[run == r]
        assert begin[0] == 0
        assert end[-1] == size
        assert (begin[1:] == end[:-1]).all()


def test_every_pass_has_each_piece_once_in_another_order(genome: Genome) -> None:
    corpus = Corpus.of([genome], 5, seed=2, mode="split", both_strands=False)
    n = corpus.pass_length
    one, two = (corpus.samples(i * n, n) for i in (0, 1))
    first, second = ([windows[i] for i in range(n)] for windows in (one, two))
    assert Counter(first) == Counter(second)
    assert first != second
    assert first != sorted(first)


def test_lengths_of_a_split(genome: Genome, tmp_path: Path) -> None:
    # Half of the pieces have 510 k-mers, half a length drawn evenly from 5 (here 6 = k) to 514.
    big = Genome.open(write_fasta(tmp_path / "big.fa", {"a": random_text(4_000_000, 5)}), tmp_path)
    corpus = Corpus.of([big], 6, seed=3, mode="split")
    lengths = corpus.places(0, corpus.pass_length).length
    assert np.mean(lengths == 515) == pytest.approx(0.5, abs=0.02)
    short = lengths[lengths < 515]
    assert short.min() == 6
    assert short.max() == 514
    assert short.mean() == pytest.approx((514 * 515 / 2 + 6 + 5 + 4 + 3 + 2 + 1) / 515, abs=6)
    thirds = np.histogram(short, [6, 175, 345, 515])[0] / len(short)
    assert thirds == pytest.approx([1 / 3] * 3, abs=0.03)


def test_random_samples_fall_evenly(tmp_path: Path) -> None:
    lengths = {"a": 600_000, "b": 100_000, "c": 300_000}
    contigs = {name: random_text(n, i) for i, (name, n) in enumerate(lengths.items())}
    genome = Genome.open(write_fasta(tmp_path / "g.fa", contigs), tmp_path)
    corpus = Corpus.of([genome], 4, seed=4, mode="sample")
    placed = corpus.places(0, 5 * corpus.pass_length)
    assert corpus.pass_length == 1_000_000 // 256
    assert np.bincount(placed.run) / len(placed.run) == pytest.approx([0.6, 0.1, 0.3], abs=0.002)
    tenths = np.histogram(placed.start[placed.run == 0], 10, (0, 600_000))[0] / np.count_nonzero(placed.run == 0)
    assert tenths == pytest.approx([0.1] * 10, abs=0.015)
    thirds = np.histogram(placed.length, [5, 176, 346, 514])[0] / len(placed.length)
    assert thirds == pytest.approx([1 / 3] * 3, abs=0.02)
    # One length of the genome a pass, in bases.
    assert placed.length.sum() / 5 / 1_000_000 == pytest.approx(1, abs=0.03)
    assert (placed.start + placed.length <= np.array(list(lengths.values()))[placed.run]).all()


def test_released_is_a_split_and_four_lengths_of_samples(genome: Genome) -> None:
    corpus = Corpus.of([genome], 6, seed=5)
    split = Corpus.of([genome], 6, seed=5, mode="split")
    assert corpus.pass_length == split.pass_length + 4 * 64_000 // 256
    placed = corpus.places(0, corpus.pass_length)
    assert placed.length.sum() / 64_000 == pytest.approx(5, abs=0.25)
    pieces = {(r, s, n) for r, s, n in zip(placed.run, placed.start, placed.length, strict=True)}
    own = split.places(0, split.pass_length)
    assert {(r, s, n) for r, s, n in zip(own.run, own.start, own.length, strict=True)} <= pieces


def test_half_of_the_samples_are_of_the_other_strand(genome: Genome) -> None:
    both, forward = (Corpus.of([genome], 6, seed=6, both_strands=both) for both in (True, False))
    placed = both.places(0, 10_000)
    assert np.mean(placed.reverse) == pytest.approx(0.5, abs=0.02)
    assert not forward.places(0, 10_000).reverse.any()
    one, other = both.samples(0, 50), forward.samples(0, 50)
    turned = reverse_complement(other)
    for i in range(50):
        assert one[i] == (turned[i] if placed.reverse[i] else other[i])
        assert set(one[i]) <= set(b"ACGT")


def test_any_slice_of_the_stream_is_the_same(genome: Genome) -> None:
    corpus = Corpus.of([genome], 6, seed=7)
    n = corpus.pass_length
    first, count = n - 30, 60  # across the border of two passes
    whole = corpus.samples(first, count)
    parts = Windows.concatenate([corpus.samples(first + i, 1) for i in range(7)] + [corpus.samples(first + 7, 53)])
    assert whole.bases.tobytes() == parts.bases.tobytes()
    assert whole.offsets.tolist() == parts.offsets.tolist()
    assert len(corpus.samples(5, 0)) == 0
    assert corpus.lengths(first, count).tolist() == whole.lengths.tolist()
    rows = np.array([59, 0, 31, 30])
    some = corpus.samples(first, count, rows)
    assert [some[i] for i in range(4)] == [whole[row] for row in rows.tolist()]
    assert len(corpus.samples(first, count, rows[:0])) == 0
    other = Corpus.of([genome], 6, seed=8).samples(first, count)
    assert other.bases.tobytes() != whole.bases.tobytes()


PROCESS = """
import hashlib, sys
from dnabert_fast.seq import Genome, tokenize
from dnabert_fast.seq.corpus import Corpus
from dnabert_fast.seq.masking import Masking, mask
path, folder = sys.argv[1:]
windows = Corpus.of([Genome.open(path, folder)], 6, seed=9).samples(123456789, 64)
masked = mask(tokenize(windows, 6), Masking(6), 9, 123456789)
print(hashlib.sha256(windows.bases.tobytes() + masked.ids.tobytes() + masked.rows.tobytes()).hexdigest())
"""


def test_another_process_draws_the_same(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "chrM.fasta"
    path.write_bytes((data / "fasta" / "chrM.fasta").read_bytes())
    windows = Corpus.of([Genome.open(path, tmp_path)], 6, seed=9).samples(123456789, 64)
    masked = mask(tokenize(windows, 6), Masking(6), 9, 123456789)
    here = hashlib.sha256(windows.bases.tobytes() + masked.ids.tobytes() + masked.rows.tobytes()).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(path), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == here
    # As does every machine: this is what one drew.
    assert here == "0573532eaf7f7da614260ad9014ab1be4d41728934208a3cbd358e78625c3b2c"


def test_what_is_held_out_is_not_trained_on(genome: Genome) -> None:
    held = named(("chr1", 10_000, 20_000), ("chr1", 15_000, 20_500), ("chr2", 0, 1_000))
    corpus = Corpus.of([genome], 6, seed=1, exclude=held)
    assert corpus.bases == 64_000 - 10_500 - 1_000
    runs = corpus.training.runs
    assert runs.start.tolist() == [100, 20_500, 40_103, 1_000]
    assert runs.end.tolist() == [10_000, 40_100, 49_103, 15_000]
    text = "|".join(
        genome.bases(name, a, b).tobytes().decode().upper()
        for name, a, b in (("chr1", 10_000, 20_500), ("chr2", 0, 1_000))
    )
    samples = corpus.held_out(10_000)
    assert samples.lengths.sum() == 11_500
    assert all(samples[i].decode() in text for i in range(len(samples)))
    assert corpus.held_out(5).bases.tobytes() == samples[:5].bases.tobytes()
    other = Corpus.of([genome], 6, seed=2, mode="sample", exclude=held).held_out(5)
    assert other.bases.tobytes() == samples[:5].bases.tobytes()


def test_whole_contigs_and_bed_files(genome: Genome, tmp_path: Path) -> None:
    without = Corpus.of([genome], 6, seed=1, exclude=Places.whole(["2"]))  # chr2 by another name
    assert without.bases == 49_000
    assert Corpus.of([genome], 6, seed=1, include=Places.whole(["chr2"])).bases == 15_000
    (tmp_path / "r.bed").write_text("chr2\t100\t300\nchr2\t200\t400\nchrUn\t1\t5\nchr1\t0\t150\n")
    bed = read_bed(tmp_path / "r.bed")
    assert Corpus.of([genome], 6, seed=1, include=bed).bases == 300 + 50
    both = Places.whole(["chr1"]).with_regions(bed)
    assert Corpus.of([genome], 6, seed=1, exclude=both).bases == 14_700


def test_real_sequence(data: Path) -> None:
    genome = Genome.open(data / "scoring" / "hg19_200kb.fa.gz")
    corpus = Corpus.of([genome], 6, seed=1)
    samples = corpus.samples(0, 500)
    assert set(np.unique(samples.bases).tolist()) <= set(b"ACGT")
    masked = mask(tokenize(samples, 6), Masking(6), 1, 0)
    assert len(masked.rows) / samples.lengths.sum() == pytest.approx(0.138, abs=0.01)
    assert not (masked.labels < 5).any()  # never [UNK]


def test_other_lengths_of_samples(genome: Genome) -> None:
    corpus = Corpus.of([genome], 6, seed=1, mode="released", shortest=50, longest=128)
    lengths = corpus.places(0, corpus.pass_length).length
    assert lengths.min() == 50
    assert lengths.max() == 128
    # Shorter samples, so more of them: still about five lengths of the genome.
    assert lengths.sum() / corpus.bases == pytest.approx(5, rel=0.25)


def test_what_cannot_be_is_refused(genome: Genome, tmp_path: Path) -> None:
    for k in (2, 7):
        with pytest.raises(DnabertError, match="k must be one of 3, 4, 5, 6"):
            Corpus.of([genome], k, seed=1)
    with pytest.raises(DnabertError, match="no mode 'paper'; choose one of released, split, sample"):
        Corpus.of([genome], 6, seed=1, mode="paper")  # type: ignore[arg-type]
    with pytest.raises(DnabertError, match="the seed must be"):
        Corpus.of([genome], 6, seed=-1)
    for shortest, longest in ((5, 100), (60, 100), (10, 516), (50_000, 515)):
        with pytest.raises(DnabertError, match="cannot be made for k = 6"):
            Corpus.of([genome], 6, seed=1, shortest=shortest, longest=longest)
    short = Genome.open(write_fasta(tmp_path / "short.fa", {"a": "ACGTNACGTANN"}), tmp_path)
    with pytest.raises(DnabertError, match="the longest has 5 bases, not 6"):
        Corpus.of([short], 6, seed=1)
    with pytest.raises(DnabertError, match="all bases are excluded"):
        Corpus.of([genome], 6, seed=1, exclude=Places.whole(genome.names))
    with pytest.raises(DnabertError, match="the regions to include hold no bases"):
        Corpus.of([genome], 6, seed=1, include=Places.whole(["gap"]))
    with pytest.raises(DnabertError, match="holds no A, C, G or T"):
        Corpus.of([Genome.open(write_fasta(tmp_path / "n.fa", {"a": "NNNNNNN"}), tmp_path)], 6, seed=1)
    with pytest.raises(DnabertError, match="no genome has the contig Chr_2; its contigs are called chr1, chr2, scrap"):
        Corpus.of([genome], 6, seed=1, exclude=Places.whole(["chr1", "Chr_2"]))
    with pytest.raises(DnabertError, match="no genome has the contig x, y"):
        Corpus.of([genome], 6, seed=1, include=named(("x", 0, 5), ("y", 0, 5)))
    with pytest.raises(DnabertError, match="there are no contigs"):
        Corpus.of([], 6, seed=1)
    with pytest.raises(DnabertError, match="nothing to evaluate on: nothing is excluded"):
        Corpus.of([genome], 6, seed=1).held_out(1)
    with pytest.raises(DnabertError, match="nothing to evaluate on: what is excluded is too short"):
        Corpus.of([genome], 6, seed=1, exclude=named(("chr2", 0, 5))).held_out(1)
