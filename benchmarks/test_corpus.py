"""Samples for pre-training, one core, k = 6: places drawn, bases read, tokenised, masked, against what training takes.

    python -m pytest benchmarks/test_corpus.py -s

Samples lie anywhere in a genome. Plain FASTA (here in the page cache) gives them as they are; of BGZF each needs a
whole block, unless a batch is large against the number of blocks: eight samples at a time of a piece of 62 blocks stand
for a step of a whole genome. Training is the 110 M network's forward and backward pass in fp32 on two threads, as
`pretrain` runs it here, without the optimizer's step. A GPU is assumed to take 1 M tokens a second.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import workload
from oracle import corpus as oracle

from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import build
from dnabert_fast.seq.batch import tokenize
from dnabert_fast.seq.corpus import Corpus
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.masking import Masking, mask
from dnabert_fast.train.objective import masked_batches, masked_loss, packed_parts

Record = Callable[[str, object], None]

K = 6
SEED = 1
STEP = 2000  # samples of a step, as DNABERT was trained
GPU_TOKENS = 1e6


def corpus(path: Path) -> Corpus:
    return Corpus.of([Genome.open(path)], K, seed=SEED)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "genome.fa"
    path.write_bytes(gzip.decompress(workload.GENOME.read_bytes()))
    return path


def prepare(samples: Corpus, first: int, count: int) -> int:
    """What a step needs, less the cut into batches; the number of its tokens."""
    batch = tokenize(samples.samples(first, count), K)
    mask(batch, Masking(K), SEED, first)
    return len(batch.ids)


def rate(samples: Corpus, count: int, calls: int) -> float:
    """Tokens a second: so many calls on samples of different passes, the fastest of three turns."""
    tokens = sum(prepare(samples, i * samples.pass_length, count) for i in range(calls))

    def run() -> None:
        for i in range(calls):
            prepare(samples, i * samples.pass_length, count)

    return tokens / workload.in_turns({f"{calls} x {count} samples": run}, 3)[f"{calls} x {count} samples"]


def training_rate(samples: Corpus, quick: bool) -> float:
    """Tokens a second that forward and backward passes take on this machine."""
    preset = PRESETS["small" if quick else "dnabert-6"]
    network = build(preset.with_head("mlm"), choose("cpu", "cpu", "fp32"), seed=1, pooler=False).train()
    parts = packed_parts(samples.lengths(0, 6), K, 2048)
    batches = masked_batches(samples.samples(0, 6, np.concatenate(parts)), parts, Masking(K), SEED, 0)

    def run() -> None:
        torch.manual_seed(1)
        for batch in batches:
            masked_loss(network, batch).backward()

    tokens = sum(batch.tokens for batch in batches)
    run()
    return tokens / workload.in_turns({"training": run}, 1)["training"]


def check(samples: Corpus) -> None:
    """The samples are those of the slow twin."""
    bases = samples.genomes[0].bases(workload.CONTIG, 0, int(samples.genomes[0].lengths[0]))
    runs = [run for run in oracle.clean_runs(bases.tobytes().decode()) if len(run) >= samples.shortest]
    found = samples.samples(5, 2)
    for i in range(2):
        expected = oracle.sample(
            runs, 5 + i, random=samples.training.random, with_split=True, shortest=6, longest=515, both_strands=True,
            seed=SEED, stream=0,
        )  # fmt: skip
        assert found[i].decode() == expected


def test_rate(plain: Path, quick: bool, record_property: Record) -> None:
    from_plain, from_bgzf = corpus(plain), corpus(workload.GENOME)
    check(from_plain)
    assert from_plain.samples(0, 100).bases.tobytes() == from_bgzf.samples(0, 100).bases.tobytes()
    training = training_rate(from_plain, quick)
    rates = {"FASTA": rate(from_plain, STEP, 10), "BGZF": rate(from_bgzf, 8, 100)}
    print(f"training takes {training:,.0f} tokens/s")
    for name, found in rates.items():
        print(
            f"{name}: {found / 1e6:.1f} M tokens/s prepared, {found / training:,.0f} times what training takes; "
            f"one core feeds {found / GPU_TOKENS:.1f} GPUs of 1 M tokens/s"
        )
        record_property(f"corpus {name}, M tokens/s", found / 1e6)
        record_property(f"corpus {name} / training", found / training)
        assert quick or found >= 20 * training
