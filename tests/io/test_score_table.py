"""Tables of scores as they are written: the blocks, and what other readers see."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest
from oracle import score_table as oracle

from dnabert_fast.io.score_table import ScoreTableSink

LETTERS = np.frombuffer(b"ACGT", np.uint8)


def write(path: Path, bases: int, units: int, block: int) -> list[str]:
    """A table of SNVs of so many bases, written in so many units; returns its rows."""
    rng = np.random.default_rng(bases)
    rows: list[str] = []
    with ScoreTableSink(path, ["##x"], ["DNABERT_DIFF"], block=block) as sink:
        for part in np.array_split(np.arange(bases), units):
            n = 3 * len(part)
            position = np.repeat(part, 3) + 1
            letters = LETTERS[np.tile([1, 2, 3], len(part))]
            one = np.arange(n + 1)
            scores = [rng.random(n).astype(np.float32) for _ in range(3)]
            sink.write(
                (np.tile(np.frombuffer(b"chr1", np.uint8), n), one * 4),
                position,
                (np.full(n, ord("A"), np.uint8), one),
                (letters, one),
                scores,
            )
            rows += [
                f"chr1\t{place}\tA\t{chr(letter)}\t" + "\t".join(f"{value:.6g}" for value in values)
                for place, letter, *values in zip(
                    position, letters, *(column.tolist() for column in scores), strict=True
                )
            ]
    return rows


def blocks(path: Path) -> list[str]:
    """The text of each block (SAM specification, section 4.1)."""
    data, found = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[16:18], "little") + 1
        found.append(gzip.decompress(data[:size]).decode())
        data = data[size:]
    return found


@pytest.mark.parametrize(("block", "units"), [(2048, 3), (100, 1), (10, 2), (65_280, 2)])
def test_blocks_hold_whole_places(tmp_path: Path, block: int, units: int) -> None:
    path = tmp_path / "t.tsv.gz"
    rows = write(path, 500, units, block)
    head, *parts, last = blocks(path)
    assert head == "##x\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\tDNABERT_DIFF\n"
    assert last == ""
    assert "".join(parts) == "".join(row + "\n" for row in rows)
    ends = 0
    for part in parts:
        lines = part.splitlines()
        assert len(lines) % 3 == 0
        assert len(part) <= block or len(lines) == 3
        following = rows[ends + len(lines) : ends + len(lines) + 3]
        ends += len(lines)
        full = len(part) + sum(len(row) + 1 for row in following) > block
        assert full or ends in _unit_ends(units)  # no block is smaller than it has to be


def _unit_ends(units: int) -> list[int]:
    return (3 * np.cumsum([len(part) for part in np.array_split(np.arange(500), units)])).tolist()


def test_tabix_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv.gz"
    rows = write(path, 20_000, 15, 2048)
    with pysam.TabixFile(str(path)) as table:
        assert list(table.fetch("chr1")) == rows
        for start in (0, 1, 7, 16_380, 16_384, 19_999):
            assert list(table.fetch("chr1", start, start + 3)) == rows[3 * start : 3 * start + 9]
    assert len(oracle.rows(path)[1]) == len(rows)
