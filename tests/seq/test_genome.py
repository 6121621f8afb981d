"""Random access to genomes against pysam and the plain oracle, and what opening must notice."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import fasta as oracle

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.genome import Genome

DATA = Path(__file__).parent.parent / "data" / "fasta"

LETTERS = b"ACGTacgtNnRYKMSWBDHVUX"
BASES = st.lists(st.sampled_from(LETTERS), max_size=200).map(bytes)
RECORDS = st.lists(BASES, min_size=1, max_size=4).map(lambda all: [(f"c{i}", bases) for i, bases in enumerate(all)])


def write_fasta(path: Path, records: oracle.Records, width: int = 60, end: bytes = b"\n", final: bool = True) -> Path:
    text = b""
    for name, bases in records:
        lines = [bases[i : i + width] for i in range(0, len(bases), width)]
        text += end.join([b">" + name.encode() + b" a long\tdescription > of it", *lines, b""])
    path.write_bytes(text if final else text.removesuffix(end))
    return path


def bgzip(source: Path, target: Path) -> Path:
    with pysam.BGZFile(str(target), "wb") as out:
        out.write(source.read_bytes())
    return target


def fetch(genome: Genome, windows: list[tuple[int, int, int]]) -> list[bytes]:
    table = np.array(windows, np.int64).reshape(-1, 3)
    found = genome.fetch(table[:, 0].astype(np.int32), table[:, 1], table[:, 2])
    return [found[i] for i in range(len(found))]


def all_windows(genome: Genome, records: oracle.Records, seed: int = 0, n: int = 60) -> None:
    """Compares the whole of each contig and random windows, many of them over its ends, with the oracle."""
    assert genome.names == tuple(name for name, _ in records)
    assert genome.lengths.tolist() == [len(bases) for _, bases in records]
    choose = random.Random(seed)
    windows = [(i, 0, len(bases)) for i, (_, bases) in enumerate(records)]
    for _ in range(n):
        contig = choose.randrange(len(records))
        start = choose.randint(-9, len(records[contig][1]) + 9)
        windows.append((contig, start, start + choose.randint(0, 300)))
    expected = [oracle.window(records[contig][1], start, end) for contig, start, end in windows]
    assert fetch(genome, windows) == expected


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for genomes, with the cache folder and TMPDIR beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "genomes").mkdir()
    return tmp_path / "genomes"


@settings(max_examples=60, deadline=None)
@given(
    records=RECORDS,
    width=st.integers(1, 70),
    end=st.sampled_from([b"\n", b"\r\n"]),
    final=st.booleans(),
    seed=st.integers(0, 99),
)
def test_access_equals_oracle_and_pysam(
    tmp_path_factory: pytest.TempPathFactory,
    records: oracle.Records,
    width: int,
    end: bytes,
    final: bool,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("genome")
    plain = write_fasta(folder / "g.fa", records, width, end, final)
    blocks = bgzip(plain, folder / "g.fa.gz")
    (folder / "zipped.fa.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for path, kind in ((plain, "fasta"), (blocks, "bgzf"), (folder / "zipped.fa.gz", "fasta")):
        with Genome.open(path) as genome:
            assert genome.kind == kind
            all_windows(genome, records, seed)
    if any(bases for _, bases in records):
        with pysam.FastaFile(str(plain)) as peer, Genome.open(plain) as genome:
            assert list(peer.references) == list(genome.names)
            for name, length in zip(genome.names, genome.lengths.tolist(), strict=True):
                start, stop = sorted((seed % (length + 1), length // 2))
                assert genome.bases(name, start, stop).tobytes() == peer.fetch(name, start, stop).encode()


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.one_of(st.just(b""), st.lists(st.sampled_from(LETTERS), max_size=9).map(bytes)), max_size=30),
    ends=st.randoms(use_true_random=False),
)
def test_uneven_lines_are_copied(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: random.Random
) -> None:
    path = tmp_path_factory.mktemp("uneven") / "g.fa"
    text = b"\n>first\n" + b"".join(line + ends.choice([b"\n", b"\r\n"]) for line in lines) + b">second x\nAC\n\nGT"
    path.write_bytes(text)
    with Genome.open(path) as genome:
        all_windows(genome, oracle.parse(text))


@pytest.mark.parametrize("name", ["test.fasta", "test_dos_line_endings.fasta", "iupac.fasta", "x.fasta", "chrM.fasta"])
def test_real_files(folder: Path, name: str) -> None:
    text = (DATA / name).read_bytes()
    (folder / name).write_bytes(text)
    with Genome.open(folder / name) as genome:
        all_windows(genome, oracle.parse(text))
        assert not genome.notes


def test_real_bgzf_with_its_indexes(folder: Path) -> None:
    for suffix in ("", ".fai", ".gzi"):
        (folder / f"g.fa.gz{suffix}").write_bytes((DATA / f"exampleFASTA.fasta.gz{suffix}").read_bytes())
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    for suffix in ("fai", "gzi"):
        os.utime(folder / f"g.fa.gz.{suffix}")
    with Genome.open(folder / "g.fa.gz") as genome:
        assert genome.kind == "bgzf"
        assert not genome.notes
        all_windows(genome, oracle.parse(gzip.decompress((folder / "g.fa.gz").read_bytes())))
    assert sorted(before) == sorted(path.name for path in folder.iterdir())


def test_indexes_equal_those_of_samtools(folder: Path) -> None:
    random = np.random.default_rng(1)
    records = [(f"chr{i}", bytes(random.choice(list(b"ACGT"), n).tolist())) for i, n in enumerate((200_000, 61, 1))]
    blocks = bgzip(write_fasta(folder / "g.fa", records), folder / "g.fa.gz")
    Genome.open(blocks).close()
    ours = {suffix: (folder / f"g.fa.gz.{suffix}").read_bytes() for suffix in ("fai", "gzi")}
    for suffix in ours:
        (folder / f"g.fa.gz.{suffix}").unlink()
    pysam.faidx(str(blocks))
    assert ours["fai"] == (folder / "g.fa.gz.fai").read_bytes()
    assert ours["gzi"] == (folder / "g.fa.gz.gzi").read_bytes()


def test_made_index_stands_beside_the_file(folder: Path) -> None:
    path = write_fasta(folder / "g.fa", [("a", b"ACGT" * 50)])
    Genome.open(path).close()
    assert sorted(p.name for p in folder.iterdir()) == ["g.fa", "g.fa.fai"]


def test_made_index_goes_to_the_cache_where_the_folder_may_not_be_written(folder: Path) -> None:
    path = bgzip(write_fasta(folder / "g.fa", [("a", b"ACGT" * 50)]), folder / "g.fa.gz")
    (folder / "g.fa").unlink()
    folder.chmod(0o555)
    try:
        cache = folder.parent / "own"
        for _ in range(2):
            with Genome.open(path, index_dir=cache) as genome:
                all_windows(genome, [("a", b"ACGT" * 50)])
            assert sorted(p.suffix for p in cache.iterdir()) == [".fai", ".gzi"]
        Genome.open(path).close()
        assert len(list((folder.parent / "cache" / "dnabert_fast" / "index").iterdir())) == 2
        (folder.parent / "file").write_bytes(b"")
        with Genome.open(path, index_dir=folder.parent / "file") as genome:  # no place at all
            all_windows(genome, [("a", b"ACGT" * 50)])
        assert [p.name for p in folder.iterdir()] == ["g.fa.gz"]
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    "stale",
    [
        b"a\t200\t3\t60\t61\n",  # another length of the second contig: it is missing
        b"a\t200\t3\t60\t61\nb\t70\t212\t60\t61\n",  # one base too many
        b"a\t200\t3\t60\t61\nb\t60\t211\t50\t51\n",  # other lines
        b"a\t200\t3\t60\t61\nb\t60\t209\t60\t61\n",  # other offset
        b"a\t200\t3\t60\t61\nc\t60\t210\t60\t61\n",  # other name
        b"a\t200\t3\t60\t61\nb\t9223372036854775807\t210\t1\t9223372036854775807\n",
        b"a\t200\t3\t60\t61\nb\t60\t210\t0\t0\n",
        b"a\t200\t3\t60\nb\t60\t210\t60\t61\n",
        b"not an index",
        b"",
    ],
)
def test_stale_index_is_noticed(folder: Path, stale: bytes) -> None:
    records = [("a", b"ACGTA" * 40), ("b", b"TTTCC" * 12)]
    path = folder / "g.fa"
    path.write_bytes(
        b">a\n" + b"\n".join(records[0][1][i : i + 60] for i in range(0, 200, 60)) + b"\n>b\n" + records[1][1]
    )
    (folder / "g.fa.fai").write_bytes(stale)
    with Genome.open(path) as genome:
        all_windows(genome, records)
        assert "indexed anew" in genome.notes[0]
    with Genome.open(path) as genome:
        assert not genome.notes


def test_older_index_is_made_anew(folder: Path) -> None:
    path = write_fasta(folder / "g.fa", [("a", b"ACGT" * 50)])
    Genome.open(path).close()
    os.utime(folder / "g.fa.fai", ns=(0, path.stat().st_mtime_ns - 1))
    with Genome.open(path) as genome:
        assert "older" in genome.notes[0]


def test_index_of_another_file_is_noticed_when_read(folder: Path) -> None:
    """Eight lines a contig are checked when a file is opened; what they miss must not pass for bases."""
    bases = b"ACGTT" * 2000
    path = write_fasta(folder / "g.fa", [("a", bases)], width=50)
    Genome.open(path).close()
    text = bytearray(path.read_bytes())
    at = text.index(b"\n") + 1 + 51 * 10
    text[at + 20], text[at + 50] = ord("\n"), ord("A")
    index = (folder / "g.fa.fai").stat().st_mtime_ns
    path.write_bytes(text)
    os.utime(path, ns=(index, index))
    with Genome.open(path) as genome, pytest.raises(FormatError, match=r"g\.fa: its \.fai index does not fit a"):
        genome.bases("a", 500, 560)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\n\r\n", "only blank lines"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "is a VCF where FASTA is needed"),
        (b"@read\nACGT\n+\nIIII\n", "FASTQ"),
        (b"ACGT\n", r":1: is not FASTA: it starts with 'ACGT'"),
        (b">a\nAC GT\n", r":2: byte 32 in the sequence of a"),
        (b">a\nACGT\n1 ACGT\n", r":3: '1' in the sequence of a"),
        (b">a\nACGT\n>\nACGT\n", ":3: has a record without a name"),
        (b">a\nAC\n>a\nGT\n", "has two sequences named a"),
        (b">a\rACGT\r>b\rAC", ":1: has a carriage return inside a line"),
        (b">\xc3\xa4\nACGT\n", "printable ASCII"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"\xef\xbb\xbf>a\nACGT\n", "byte order mark"),
        (b"BCF\2\2" + bytes(50), "BAM or BCF"),
    ],
)
def test_broken_files(folder: Path, text: bytes, message: str) -> None:
    for data, name in ((text, "g.fa"), (gzip.compress(text), "g.fa.gz")):
        (folder / name).write_bytes(data)
        if name.endswith("gz") and message == "zstd":
            continue
        with pytest.raises(FormatError, match=message) as error:
            Genome.open(folder / name)
        assert str(error.value).startswith(f"{folder / name}:")
        assert "\n" not in str(error.value)
    assert sorted(p.name for p in folder.iterdir()) == ["g.fa", "g.fa.gz"]


def test_missing_file_and_folder(folder: Path) -> None:
    with pytest.raises(FormatError, match=r"no\.fa: cannot be opened: No such file"):
        Genome.open(folder / "no.fa")
    with pytest.raises(FormatError, match="is a folder"):
        Genome.open(folder)


def test_real_duplicate_names(folder: Path) -> None:
    (folder / "g.fa").write_bytes((DATA / "duplicate_sequence_names.fasta").read_bytes())
    with pytest.raises(FormatError, match="two sequences named chr1"):
        Genome.open(folder / "g.fa")


@pytest.mark.parametrize("kind", ["bgzf", "gzip"])
def test_truncated_compressed_files(folder: Path, kind: str) -> None:
    random = np.random.default_rng(2)
    plain = write_fasta(folder / "g.fa", [("a", bytes(random.choice(list(b"ACGT"), 150_000).tolist()))])
    whole = bgzip(plain, folder / "g.fa.gz").read_bytes() if kind == "bgzf" else gzip.compress(plain.read_bytes())
    path = folder / "cut.fa.gz"
    # The last one cuts BGZF at a block's end, where only the missing empty block tells.
    for cut in (len(whole) // 2, len(whole) - 1, 19, len(whole) - 28):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match=r"cut\.fa\.gz: (is truncated|has damaged)"):
            Genome.open(path)
    path.write_bytes(whole)
    with Genome.open(path) as genome:
        assert genome.lengths.tolist() == [150_000]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bgzf_is_an_error_or_the_same_bases(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    records = [("a", b"ACGTT" * 3000), ("b", b"GG")]
    path = bgzip(write_fasta(folder / "g.fa", records), folder / "g.fa.gz")
    Genome.open(path).close()
    victim = data.draw(st.sampled_from([path, folder / "g.fa.gz.gzi", folder / "g.fa.gz.fai"]))
    text = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    victim.write_bytes(text)
    os.utime(path, ns=(0, 0))
    try:
        with Genome.open(path) as genome:
            all_windows(genome, records, n=5)
    except FormatError:
        assert victim == path  # a damaged index is made anew


def test_standard_input_and_pipes(folder: Path) -> None:
    program = (
        "import os, sys; from dnabert_fast.seq.genome import Genome; g = Genome.open(sys.argv[1]); "
        "print(g.names, g.bases('b', -1, 4).tobytes().decode(), os.listdir(os.environ['TMPDIR']))"
    )
    text = b">a\nACGT\nAC\n>b\nGGT"
    environment = os.environ | {"TMPDIR": str(folder)}
    for source in (text, gzip.compress(text)):
        for path in ("-", "/dev/stdin"):
            run = subprocess.run(
                [sys.executable, "-c", program, path], input=source, capture_output=True, env=environment, check=True
            )
            assert run.stdout.decode().strip() == "('a', 'b') NGGTN []"


def test_interrupt_while_waiting_for_standard_input() -> None:
    program = (
        "import sys; from dnabert_fast.seq.genome import Genome\n"
        "print('ready', flush=True)\n"
        "try: Genome.open('-')\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stdout.readline() == b"ready\n"
        run.stdin.write(b">a\nACGT\n")
        run.stdin.flush()
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        try:
            assert run.wait(20) == 0
            assert run.stdout.read() == b"interrupted\n"
        finally:
            run.kill()


def test_no_home_and_no_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("~none").expanduser())
    path = write_fasta(folder / "g.fa", [("a", b"ACGT")])
    folder.chmod(0o555)
    try:
        with Genome.open(path) as genome:
            assert genome.bases("a", 0, 9).tobytes() == b"ACGTNNNNN"
    finally:
        folder.chmod(0o755)
    assert [p.name for p in folder.iterdir()] == ["g.fa"]


def test_temporary_copy_needs_a_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "g.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n"))
    monkeypatch.setattr("tempfile.tempdir", str(folder / "none"))
    with pytest.raises(FormatError, match="set TMPDIR to a folder with room"):
        Genome.open(folder / "g.fa.gz")


def test_wrong_windows_are_value_errors(folder: Path) -> None:
    genome = Genome.open(write_fasta(folder / "g.fa", [("a", b"ACGT")]))
    for window in ((1, 0, 1), (-1, 0, 1), (0, 3, 2), (0, -(2**62), -(2**62) + 1), (0, 2**62, 2**62 + 1)):
        with pytest.raises(ValueError, match=r"contig|window"):
            fetch(genome, [window])
    assert fetch(genome, []) == []
    assert fetch(genome, [(0, 10, 12), (0, -5, -2)]) == [b"NN", b"NNN"]
    with pytest.raises(KeyError):
        genome.bases("b", 0, 1)
    genome.close()
    with pytest.raises(ValueError, match="closed"):
        genome.bases("a", 0, 1)


def test_threads_share_a_genome(folder: Path) -> None:
    random = np.random.default_rng(3)
    records = [("a", bytes(random.choice(list(b"ACGT"), 400_000).tolist()))]
    failures: list[BaseException] = []
    with Genome.open(bgzip(write_fasta(folder / "g.fa", records), folder / "g.fa.gz")) as genome:

        def work(seed: int) -> None:
            try:
                all_windows(genome, records, seed, 200)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
