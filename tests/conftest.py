"""What every test may use: the data folder, and one profile for hypothesis."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

# Without a GPU, Triton's kernels run in its interpreter; it must be asked for before any of them is imported.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# Machines that run tests are shared: a slow example is no failure. In CI the same examples are drawn each time.
hypothesis.settings.register_profile("dnabert", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("dnabert")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real, small files."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes the folder of a tiny network whose random weights are large enough for scores to vary, each kind once.

    make_model(head, labels, preset="tiny", seed=0, **fields of NetworkConfig)
    """
    made: dict[str, Path] = {}

    def make(
        head: str = "sequence",
        labels: tuple[str, ...] = ("no", "yes"),
        *,
        preset: str = "tiny",
        seed: int = 0,
        **fields: Any,
    ) -> Path:
        key = repr((head, labels, preset, seed, sorted(fields.items())))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("model") / "model"
            _write_model(made[key], head, labels, preset, seed, fields)
        return made[key]

    return make


def _write_model(folder: Path, head: str, labels: tuple[str, ...], preset: str, seed: int, fields: Any) -> None:
    import torch

    from dnabert_fast.nn.checkpoint import write_network
    from dnabert_fast.nn.config import PRESETS
    from dnabert_fast.nn.network import build

    torch.set_num_threads(1)
    config = PRESETS[preset].with_head(head, labels, **fields)
    network = build(replace(config, encoder=replace(config.encoder, initializer_range=0.25)), seed=seed)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.2, generator=random)
    write_network(network, folder)


@pytest.fixture(scope="session")
def grch38() -> Path:
    """GRCh38 chr20:1-4,000,000 (BGZF, upper case, native coordinates), as the package holds it."""
    import dnabert_fast

    return Path(dnabert_fast.__file__).parent / "demo" / "chr20_piece.fa.gz"
