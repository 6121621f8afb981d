"""UCSC .2bit files against the plain oracle: both byte orders and versions, damage."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import fasta as oracle

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.genome import Genome

RECORDS = st.lists(
    st.lists(st.tuples(st.sampled_from(b"ACGTacgtNn"), st.integers(1, 9)), max_size=20), min_size=1, max_size=4
).map(lambda all: [(f"c{i}", b"".join(bytes([b]) * n for b, n in runs)) for i, runs in enumerate(all)])


def check(path: Path, records: oracle.Records, seed: int) -> None:
    choose = random.Random(seed)
    with Genome.open(path) as genome:
        assert genome.kind == "2bit"
        assert genome.names == tuple(name for name, _ in records)
        assert genome.lengths.tolist() == [len(bases) for _, bases in records]
        for name, bases in records:
            assert genome.bases(name, 0, len(bases)).tobytes() == bases
            for _ in range(20):
                start = choose.randint(-5, len(bases) + 5)
                end = start + choose.randint(0, 40)
                assert genome.bases(name, start, end).tobytes() == oracle.window(bases, start, end)


@settings(max_examples=80, deadline=None)
@given(records=RECORDS, order=st.sampled_from("<>"), version=st.sampled_from([0, 1]), seed=st.integers(0, 99))
def test_access_equals_oracle(
    tmp_path_factory: pytest.TempPathFactory, records: oracle.Records, order: str, version: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("twobit") / "g.2bit"
    path.write_bytes(oracle.twobit(records, order, version))
    check(path, records, seed)


def test_whole_and_part_by_hand(tmp_path: Path) -> None:
    """A file written out by hand from UCSC's description: TACGN, the last two in lower case."""
    words = [0x1A412743, 0, 1, 0]
    head = b"".join(word.to_bytes(4, "little") for word in words) + b"\x01x" + (22).to_bytes(4, "little")
    record = [5, 1, 4, 1, 1, 3, 2, 0]  # length; N block at 4 of 1; mask block at 3 of 2; reserved
    packed = bytes([0b00_10_01_11, 0])
    path = tmp_path / "g.2bit"
    path.write_bytes(head + b"".join(word.to_bytes(4, "little") for word in record) + packed)
    with Genome.open(path) as genome:
        assert genome.bases("x", 0, 5).tobytes() == b"TACgn"


RECORD = [("chr1", b"ACGTNNNNacgtnnACGT" * 3), ("chr2", b"TTT")]


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    whole = oracle.twobit(RECORD)
    path = tmp_path / "g.2bit"
    for size in range(4, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match=r"g\.2bit: is truncated"):
            Genome.open(path)


@settings(max_examples=400, deadline=None)
@given(
    order=st.sampled_from("<>"),
    version=st.sampled_from([0, 1]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damage_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, order: str, version: int, changes: list[tuple[int, int]]
) -> None:
    text = bytearray(oracle.twobit(RECORD, order, version))
    for at, value in changes:
        text[at % len(text)] = value
    path = tmp_path_factory.mktemp("damaged") / "g.2bit"
    path.write_bytes(text)
    try:
        with Genome.open(path) as genome:
            rows = np.arange(len(genome.names), dtype=np.int32)
            lengths = np.minimum(genome.lengths, 1000)
            found = genome.fetch(rows, genome.lengths - lengths, genome.lengths)
            assert set(found.bases.tobytes()) <= set(b"ACGTNacgtn")
    except FormatError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - most damage is noticed, some gives other bases


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:4] + b"\2\0\0\0" + text[8:], "version 2"),
        (lambda text: text[:8] + bytes(8), "holds no sequence"),
        (lambda text: text.replace(b"\4chr2", b"\4chr1"), "two sequences named chr1"),
        (lambda text: text[:8] + b"\xff\xff\xff\xff" + text[12:], "."),
    ],
)
def test_clear_errors(tmp_path: Path, change: object, message: str) -> None:
    assert callable(change)
    path = tmp_path / "g.2bit"
    path.write_bytes(change(oracle.twobit(RECORD)))
    with pytest.raises(FormatError, match=message):
        Genome.open(path)
