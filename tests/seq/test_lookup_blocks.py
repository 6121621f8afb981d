"""Alleles sought in blocks of any size, whichever the rows between them: against a dictionary of the rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.lookup import HITS, Change, ScoreTable

HEADER = "## CADD GRCh38\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"
CONTIGS = ("1", "11", "2")


@dataclass(frozen=True)
class Made:
    """A table, and the score of A>C at each place that has one."""

    path: Path
    scores: dict[tuple[str, int], float]


def places(rng: random.Random, contig: str) -> list[int]:
    """Every place of a stretch; then a desert, clusters, single places over several tiles, and a stretch at the end."""
    if contig == "11":
        return sorted(rng.sample(range(1, 2_000_000), 300))
    found = list(range(16_000, 20_000 if contig == "1" else 16_200))
    at = 400_000
    for _ in range(25):
        at += rng.choice([40, 900, 20_000])
        size = rng.choice([1, 7, 120])
        found += range(at, at + size)
        at += size
    return [*found, *range(3_000_000, 3_001_000)]


@pytest.fixture(scope="module", params=[90, 700, 2048, 9000, 65_280, "lines", "places"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Blocks of so many bytes that begin anywhere, of whole lines, or of whole places."""
    block = request.param
    rng = random.Random(str(block))
    path = tmp_path_factory.mktemp("blocks") / "t.tsv.gz"
    scores = {}
    with pysam.BGZFile(str(path), "w") as file:
        texts = [HEADER]
        for contig in CONTIGS:
            for place in places(rng, contig):
                scores[contig, place] = score = round(rng.gauss(0, 2), rng.randrange(1, 6))
                rows = [f"{contig}\t{place}\tA\t{alt}\t{score if alt == 'C' else 9}\t1\n" for alt in "CGT"]
                texts += rows if block == "lines" else ["".join(rows)]
        if isinstance(block, int):
            whole = "".join(texts)
            pieces = [whole[at : at + block] for at in range(0, len(whole), block)]
        else:
            pieces = ["".join(texts[at : at + 20]) for at in range(0, len(texts), 20)]
        for i, piece in enumerate(pieces):
            file.write(piece.encode())
            file.flush()
            if i % 50 == 7:
                file.flush()
    pysam.tabix_index(str(path), seq_col=0, start_col=1, end_col=1, force=True, csi=block == 700)
    return Made(path, scores)


def ask(table: ScoreTable, contig: str, asked: list[int]) -> tuple[list[float], list[str]]:
    """What a table says of A>C at places of a contig."""
    n = len(asked)
    one = np.arange(n + 1, dtype=np.int64)
    ref, alt = (Windows(np.full(n, ord(base), np.uint8), one) for base in "AC")
    change = Change(np.array(asked, np.int64) - 1, ref, alt)
    values, hits = table.find(np.full(n, table.row(contig), np.int32), change)
    return values[0].tolist(), [HITS[hit] for hit in hits]


walks = st.lists(
    st.tuples(
        st.sampled_from(CONTIGS),
        st.one_of(st.sampled_from([1, 15_990, 16_384, 399_000, 2_999_990]), st.integers(1, 3_002_000)),
        st.lists(st.sampled_from([1, 2, 5, 30, 250, 600, 5000, 60_000]), min_size=1, max_size=12),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=6,
)


@given(walks)
@example([("1", 16_000, [1], 40), ("1", 16_040, [600], 8), ("1", 16_000, [30], 40), ("1", 3_000_999, [1], 4)])
@example([("11", 1, [5000], 40), ("2", 1, [60_000], 40), ("1", 1, [60_000], 40)])
def test_rows_are_found_however_sparse_they_are_sought(
    made: Made, walks: list[tuple[str, int, list[int], int]]
) -> None:
    """Walks over contigs with steps of many sizes, forward within one and anywhere between them."""
    table = ScoreTable(made.path)
    for contig, start, steps, times in walks:
        asked = np.cumsum([start, *(steps * times)[:200]]).tolist()
        values, hits = ask(table, contig, asked)
        for place, value, hit in zip(asked, values, hits, strict=True):
            score = made.scores.get((contig, place))
            assert hit == ("NOT_IN_TABLE" if score is None else "FOUND"), (contig, place)
            if score is not None:
                assert value == np.float32(score), (contig, place)


def test_every_row_is_found_alone_and_in_turn(made: Made) -> None:
    rng = random.Random(1)
    table = ScoreTable(made.path)
    for contig in CONTIGS:
        there = [place for name, place in made.scores if name == contig]
        values, _ = ask(table, contig, there)
        assert values == [np.float32(made.scores[contig, place]) for place in there]
        for place in rng.sample(there, 60):
            assert ask(table, contig, [place]) == ([np.float32(made.scores[contig, place])], ["FOUND"])


def test_a_block_that_is_damaged_is_named(tmp_path: Path, made: Made) -> None:
    """A checksum that is not that of the text, of a block that is read whole."""
    data, at = bytearray(made.path.read_bytes()), 0
    while at < len(data) // 2:
        at, before = at + int.from_bytes(data[at + 16 : at + 18], "little") + 1, at
    data[at - 8] ^= 0x10
    bad = tmp_path / "t.tsv.gz"
    bad.write_bytes(data)
    for index in made.path.parent.glob("t.tsv.gz.*i"):
        (tmp_path / index.name).write_bytes(index.read_bytes())
    table = ScoreTable(bad)

    def read() -> None:
        for contig in CONTIGS:
            ask(table, contig, [place for name, place in made.scores if name == contig])

    with pytest.raises(FormatError, match=rf"t\.tsv\.gz: has no whole BGZF block at byte {before}: it is damaged, or"):
        read()
