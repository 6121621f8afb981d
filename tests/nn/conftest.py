"""Small networks with weights large enough that logits vary, and real rows to run them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import bert

from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.checkpoint import write_network
from dnabert_fast.nn.config import VOCABULARY_SIZES, EncoderConfig, NetworkConfig
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed


def small_config(k: int = 3, head: str = "none", labels: tuple[str, ...] = (), **fields: Any) -> NetworkConfig:
    encoder = EncoderConfig(vocab_size=VOCABULARY_SIZES[k], hidden_size=32, layers=3, heads=4, intermediate_size=64)
    return NetworkConfig(encoder=encoder, k=k, head=head, labels=labels, **fields)


@pytest.fixture(scope="session")
def make() -> Callable[..., Network]:
    """make(head, labels, k=, backend=, precision=, legacy_padding=, mlm_bias=, **config fields): in eval mode."""

    def make(
        head: str = "none",
        labels: tuple[str, ...] = (),
        *,
        k: int = 3,
        backend: str = "cpu",
        precision: str = "fp32",
        options: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Network:
        config = small_config(k, head, labels, **fields)
        network = build(config, choose(backend, "cpu", precision), seed=5, **(options or {}))
        generator = torch.Generator().manual_seed(6)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if parameter.ndim > 1 and ".rnn." not in name:
                    parameter.mul_(15)
                elif parameter.ndim == 1:
                    parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        return network.eval()

    return make


@pytest.fixture
def folder(make: Callable[..., Network], tmp_path: Path) -> Path:
    """The folder of a classifier of sequences."""
    write_network(make("sequence", ("a", "b")), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def rows() -> list[list[int]]:
    """Real sequences of 5 to 133 bases as 3-mers, lengths in no order."""
    picked = [sequence for sequence in bert.real_sequences() if len(sequence) < 130][8:]
    return bert.rows(sorted(picked, key=lambda sequence: sequence[2:] + sequence), 3)


@pytest.fixture(scope="session")
def packed(rows: list[list[int]]) -> Packed:
    return Packed.from_arrays(*bert.packed_arrays(rows))
