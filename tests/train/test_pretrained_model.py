"""The shipped pre-trained model: small, found by its name, and one that has read human sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import dnabert_fast
from dnabert_fast.engine.model import load
from dnabert_fast.nn.checkpoint import network_hash
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genome import Genome

PACKAGE = Path(dnabert_fast.__file__).parent
FOLDER = PACKAGE / "models" / "human-mini"


def test_it_is_small_and_found_by_its_name() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 16_000_000
    model = load("human-mini")
    assert network_hash("human-mini") == network_hash(FOLDER) == model.hash()
    assert (model.k, model.network.config.head) == (4, "mlm")
    trained = [weight for name, weight in model.network.named_parameters() if "pooler" not in name]
    assert f"{sum(weight.numel() for weight in trained):,} parameters" in (FOLDER / "README.md").read_text()


def test_hidden_bases_of_a_genome_are_likelier_than_others() -> None:
    """One base of each window hidden from all its k-mers: ln 4 is to know nothing, and an impostor's base is worse."""
    model, n, length = load("human-mini"), 400, 101
    with Genome.open(PACKAGE / "demo" / "chr20_piece.fa.gz") as genome:
        start = np.linspace(100_000, 3_900_000, n).astype(np.int64)
        windows = genome.fetch(np.zeros(n, np.int32), start, start + length)
    known = np.isin(windows.bases.reshape(n, length), np.frombuffer(b"ACGTacgt", np.uint8)).all(axis=1)
    bases = windows.bases.reshape(n, length)[known] & 0xDF
    others = bases.copy()
    others[:, 50] = np.frombuffer(b"TGAC", np.uint8)[np.searchsorted(np.frombuffer(b"ACGT", np.uint8), bases[:, 50])]
    assert len(bases) > 300

    def surprise(rows: np.ndarray) -> float:
        """-ln P of the k-mers over the middle base, all hidden."""
        given = Windows(rows.ravel(), np.arange(len(rows) + 1, dtype=np.int64) * length)
        first, count = np.full(len(rows), 50 - model.k + 1), np.full(len(rows), model.k)
        blanked = model.prepare_blanked(given, first, count, np.zeros(len(rows), np.bool_))
        return -float(np.mean(model.begin_likelihood(blanked)()))

    assert surprise(bases) < 1.32
    assert surprise(others) > np.log(4)
