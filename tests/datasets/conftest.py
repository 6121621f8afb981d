"""A small genome of random bases, and what is made of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.seq.genome import Genome


@pytest.fixture(scope="session")
def random_genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contigs c (60,000 bases, N in 30,000..30,500, lower case from 50,000), d (20,000, richer in G+C) and e (900)."""
    random = np.random.default_rng(5)
    letters = np.frombuffer(b"ACGT", np.uint8)
    c = letters[random.integers(0, 4, 60_000)].copy()
    c[30_000:30_500] = ord("N")
    c[50_000:] |= 32
    d = letters[random.choice(4, 20_000, p=[0.2, 0.3, 0.3, 0.2])]
    e = letters[random.integers(0, 4, 900)]
    path = tmp_path_factory.mktemp("genome") / "random.fa"
    with open(path, "wb") as out:
        for name, bases in ((b"c", c), (b"d", d), (b"e", e)):
            out.write(b">" + name + b"\n" + bases.tobytes() + b"\n")
    return path


@pytest.fixture
def genome(random_genome: Path) -> Iterator[Genome]:
    with Genome.open(random_genome) as opened:
        yield opened


@pytest.fixture
def real(data: Path) -> Path:
    """The folder of cuts of real annotation; see its README."""
    folder = data / "annotation"
    assert os.listdir(folder)
    return folder
