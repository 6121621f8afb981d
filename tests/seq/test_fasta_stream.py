"""FASTA as a stream of chunks, whatever its layout and the size of chunks."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import fasta as oracle
from oracle import kmers

from dnabert_fast import _core
from dnabert_fast.errors import FormatError
from dnabert_fast.seq.batch import kmer_ids

BASES = st.lists(st.sampled_from(b"ACGTNn-*."), max_size=30).map(bytes)
LINES = st.lists(st.one_of(st.sampled_from([b"", b">name", b"> name and words"]), BASES), max_size=20)


def chunks(path: Path, max_bases: int, overlap: int = 0) -> list[tuple[str, int, int, bytes]]:
    stream = _core.FastaStream(str(path).encode(), overlap)
    out = np.empty(max_bases, np.uint8)
    found = []
    while (chunk := stream.next(out)) is not None:
        found.append((*chunk[:3], out[: chunk[3]].tobytes()))
    assert stream.next(out) is None
    return found


@settings(max_examples=150, deadline=None)
@given(
    lines=LINES,
    end=st.sampled_from([b"\n", b"\r\n"]),
    final=st.booleans(),
    zipped=st.booleans(),
    max_bases=st.integers(1, 50),
    overlap=st.integers(0, 5),
)
def test_chunks_make_up_the_contigs(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    end: bytes,
    final: bool,
    zipped: bool,
    max_bases: int,
    overlap: int,
) -> None:
    text = end.join([b">first", *lines]) + (end if final else b"")
    path = tmp_path_factory.mktemp("stream") / "s.fa"
    path.write_bytes(gzip.compress(text) if zipped else text)
    max_bases += overlap
    expected = oracle.parse(text)
    contigs: list[tuple[str, bytes]] = []
    for name, contig, offset, bases in chunks(path, max_bases, overlap):
        assert len(bases) <= max_bases
        if contig == len(contigs):
            assert offset == 0
            contigs.append((name, bases))
            continue
        assert contig == len(contigs) - 1
        before = contigs[-1][1]
        shared = len(before) - offset
        assert shared == min(overlap, len(before))
        assert bases[:shared] == before[offset:]
        assert len(bases) > shared
        contigs[-1] = (name, before + bases[shared:])
    assert contigs == expected


def test_lines_longer_than_any_buffer(tmp_path: Path) -> None:
    """Lines of a megabase, with the CR of a CR LF at every place of a chunk's end."""
    random = np.random.default_rng(0)
    bases = bytes(random.choice(list(b"ACGT"), 1_000_000).tolist())
    path = tmp_path / "s.fa"
    for cut in range((1 << 18) - 6, (1 << 18) + 2):
        path.write_bytes(b">a\n" + bases[:cut] + b"\r\n" + bases[cut:] + b"\r\n>b\n" + bases)
        found = chunks(path, 10_000_000)
        assert [(name, offset) for name, _, offset, _ in found] == [("a", 0), ("b", 0)]
        assert found[0][3] == found[1][3] == bases


@settings(max_examples=100, deadline=None)
@given(
    width=st.integers(14, 40),
    n=st.integers(0, 12),
    end=st.sampled_from([b"\n", b"\r\n"]),
    changes=st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from([b"\n", b"\r\n", b"-", b">", b"\n>x\n", b"\n\n"])), max_size=3
    ),
    max_bases=st.integers(1, 300),
)
def test_even_lines_with_odd_ones_among_them(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    n: int,
    end: bytes,
    changes: list[tuple[int, bytes]],
    max_bases: int,
) -> None:
    text = b">a" + end + (b"ACGTNacgtnRYKMSWACGT" * 2)[:width].join([b"", *[end] * n]) + b"AC"
    for at, odd in changes:
        text = text[: at + 4] + odd + text[at + 4 :]
    path = tmp_path_factory.mktemp("stream") / "s.fa"
    path.write_bytes(text)
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    wrong = [b"\r" in line or line == b">" or (line[:1] != b">" and b">" in line) for line in lines]
    if any(wrong):
        with pytest.raises(FormatError, match=rf"s\.fa:{wrong.index(True) + 1}: "):
            chunks(path, max_bases)
        return
    joined: dict[int, bytes] = {}
    for _, contig, offset, bases in chunks(path, max_bases):
        assert len(joined.get(contig, b"")) == offset
        joined[contig] = joined.get(contig, b"") + bases
    assert list(joined.values()) == [bases for _, bases in oracle.parse(text)]


def test_long_description(tmp_path: Path) -> None:
    path = tmp_path / "s.fa"
    path.write_bytes(b">a " + b"words " * 100_000 + b"\nACGT\n>b\n")
    assert chunks(path, 100) == [("a", 0, 0, b"ACGT"), ("b", 1, 0, b"")]


def test_kmers_of_chunks_are_those_of_the_contig(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    bases = bytes(random.choice(list(b"ACGTN"), 1000, p=[0.24, 0.24, 0.24, 0.24, 0.04]).tolist())
    path = tmp_path / "s.fa"
    path.write_bytes(b">a\n" + b"\n".join(bases[i : i + 61] for i in range(0, 1000, 61)))
    for k in (3, 6):
        ids: list[int] = []
        for _, _, _, chunk in chunks(path, 97, k - 1):
            ids += kmer_ids(np.frombuffer(chunk, np.uint8), k).tolist()
        assert ids == kmers.kmer_ids(bases, k)


def test_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "s.fa"
    path.write_bytes(b">a\nACGT\nAC!T\n")
    with pytest.raises(FormatError, match=r"s\.fa:3: '!' in the sequence of a"):
        chunks(path, 100)
    good = b"ACGTACGTACGTACGTACGTACGT\n"
    path.write_bytes(b">a\n" + good * 20_000 + good.replace(b"T\n", b"1\n") + good)
    with pytest.raises(FormatError, match=r"s\.fa:20002: '1' in the sequence of a"):
        chunks(path, 10_000_000)


def test_chunk_must_be_longer_than_its_overlap(tmp_path: Path) -> None:
    path = tmp_path / "s.fa"
    path.write_bytes(b">a\nACGT\n")
    with pytest.raises(ValueError, match="more bases than the overlap"):
        chunks(path, 5, 5)
