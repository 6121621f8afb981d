"""What tests of analyses share: one thread, one tiny model, and GRCh38 chr20."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dnabert_fast import Genome, Model, load

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(make_model: Callable[..., Path]) -> Model:
    return load(make_model())


@pytest.fixture(scope="session")
def genome(grch38: Path) -> Iterator[Genome]:
    with Genome.open(grch38) as opened:
        yield opened
