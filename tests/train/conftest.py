"""A task that a tiny network learns in seconds, and a recipe for it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from dnabert_fast.nn.config import PRESETS, NetworkConfig
from dnabert_fast.seq.batch import Windows
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet


def network_config() -> NetworkConfig:
    return PRESETS["tiny"]


def poly_runs(n: int, seed: int, length: int = 24, classes: int = 2) -> LabelledSet:
    """Random sequences; those of class c > 0 hold a run of eight of the letter c."""
    random = np.random.default_rng(seed)
    bases = np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, (n, length))]
    labels = np.arange(n) % classes
    for row, label in enumerate(labels):
        if label:
            at = random.integers(0, length - 8)
            bases[row, at : at + 8] = b"TGCA"[label - 1]
    return LabelledSet(Windows.from_matrix(bases), labels.astype(np.int64))


@pytest.fixture
def data() -> LabelledSet:
    return poly_runs(64, seed=1)


@pytest.fixture
def dev() -> LabelledSet:
    return poly_runs(40, seed=2)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(learning_rate=3e-3, epochs=3, batch=16, network=network_config())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system itself refuses to write more."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
