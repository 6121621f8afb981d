"""Windows of a genome as token batches for users' own code, in one process and in several."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle.alleles import reverse_complement
from oracle.kmers import kmer_ids
from oracle.variants import span
from torch.utils.data import DataLoader

from dnabert_fast import Genome, Plan, TokenDataset, stream

BASES = {"one": b"ACGTTGCANNGGCTATTTACG" * 9, "two": b"GATTACA" * 20}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), bases) for name, bases in BASES.items()))
    return path


@pytest.fixture
def plan() -> Plan:
    random = np.random.default_rng(2)
    start = random.integers(-9, 130, 50)
    return Plan(random.integers(0, 2, 50).astype(np.int32), start, start + random.integers(4, 30, 50), start % 3 == 0)


def tokens(plan: Plan) -> list[list[int]]:
    """[CLS], ids and [SEP] of every window, the plain way."""
    found = []
    for contig, start, end, reverse in zip(plan.contig, plan.start, plan.end, plan.reverse, strict=True):
        window = span(list(BASES.values())[contig], int(start), int(end))
        found.append([2, *kmer_ids(reverse_complement(window) if reverse else window, 4), 3])
    return found


@pytest.mark.parametrize("windows", [1, 7, 1000])
def test_a_stream_is_the_plan_in_order(fasta: Path, plan: Plan, windows: int) -> None:
    found, starts = [], []
    with Genome.open(fasta) as genome:
        for part, batch in stream(genome, plan, 4, windows=windows):
            assert batch.owner.tolist() == list(range(len(part)))
            found += [batch.ids[a:b].tolist() for a, b in pairwise(batch.cu_seqlens)]
            starts += part.start.tolist()
    assert starts == plan.start.tolist()
    assert found == tokens(plan)


def test_a_part_of_the_plan_is_that_part_of_the_stream(fasta: Path, plan: Plan) -> None:
    with Genome.open(fasta) as genome:
        ((_, batch),) = stream(genome, plan[11:23], 4)
    assert [batch.ids[a:b].tolist() for a, b in pairwise(batch.cu_seqlens)] == tokens(plan)[11:23]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_dataset_gives_every_window_once(fasta: Path, plan: Plan, workers: int) -> None:
    dataset = TokenDataset(str(fasta), plan, 4, windows=6)
    expected = tokens(plan)
    owners = []
    for batch in DataLoader(dataset, batch_size=None, num_workers=workers):
        assert (batch["ids"].dtype, batch["cu_seqlens"].dtype) == (torch.int64, torch.int32)
        edges, owner = batch["cu_seqlens"].tolist(), batch["owner"].tolist()
        for i, (a, b) in enumerate(pairwise(edges)):
            assert batch["ids"][a:b].tolist() == expected[owner[i]]
        owners += owner
    assert owners == list(range(len(plan)))
