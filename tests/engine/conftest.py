"""What tests of the engine share: one thread, one tiny model, and the same in transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle.variants import Reference

from dnabert_fast import Model, load

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(make_model: Callable[..., Path]) -> Model:
    return load(make_model())


@pytest.fixture(scope="session")
def reference(make_model: Callable[..., Path]) -> Reference:
    return Reference(make_model(), 3)


@pytest.fixture(scope="session")
def sequences() -> list[bytes]:
    """Sequences of 3 to 120 bases with N, lower case and repeats among them."""
    random = np.random.default_rng(5)
    found = [
        random.choice(np.frombuffer(b"ACGT", np.uint8), size=n).tobytes()
        for n in [3, 4, 5, *random.integers(6, 120, 30)]
    ]
    found += [found[7], found[9].lower(), b"N" * 20, b"ACGTNNACGTRYACGTTTT", found[7], b"acguACGU" * 3]
    return found
