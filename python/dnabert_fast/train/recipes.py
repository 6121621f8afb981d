"""How to pre-train, as a literal table. Knows nothing of genomes or devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DnabertError
from ..nn.config import PRESETS as NETWORKS
from ..nn.config import NetworkConfig
from ..nn.network import POSITIONS

__all__ = ["PRETRAINING", "PretrainRecipe", "check_positive", "customised"]


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """What pre-training does, apart from its genomes, seed and machine.

    A step is `batch` samples. The learning rate rises linearly over `warm_up` steps, then falls linearly towards 0 at
    `total_steps`; `steps` are made. `mask_rates`: (after how many steps, share of tokens to mask), ascending from 0.
    `span` (None: k) neighbouring k-mers are masked together, and drawn as one where `whole_spans`. Samples have up
    to `longest` bases (None: what 510 k-mers span). `positions`: how the position table starts
    (see `nn.network.build`). `strand`: "+" or "both" (each sample from either, with equal chance).
    """

    network: NetworkConfig
    steps: int
    total_steps: int
    warm_up: int
    learning_rate: float
    batch: int
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip: float = 1.0
    mask_rates: tuple[tuple[int, float], ...] = ((0, 0.15),)
    whole_spans: bool = False
    span: int | None = None
    longest: int | None = None
    positions: str = "random"
    strand: str = "both"

    def mask_rate(self, step: int) -> float:
        """The share of tokens that a step, counted from 1, masks."""
        return next(rate for after, rate in reversed(self.mask_rates) if step > after)


def _paper(k: int) -> PretrainRecipe:
    """Ji et al. 2021: 120,000 of 200,000 steps, one strand, 15 % masked and 20 % in the last 20,000 steps."""
    return PretrainRecipe(
        network=NETWORKS[f"dnabert-{k}"].with_head("mlm"),
        steps=120_000,
        total_steps=200_000,
        warm_up=10_000,
        learning_rate=4e-4,
        batch=2000,
        mask_rates=((0, 0.15), (100_000, 0.20)),
        strand="+",
    )


def _narrow(name: str, **settings: Any) -> PretrainRecipe:
    """A small network: higher rates, smaller steps, both strands (a model that reads one needs no more time).

    BERT's own start hardly trains one: 0.02 leaves attention flat where states are narrow, dropout hides the little
    that is there, and neighbours have to be found in a table of 512 random positions. With the gain that 0.02 has at
    768, no dropout, and positions that begin as sinusoids, 4 layers of 128 begin to read their neighbours within 1,000
    steps of 64 short samples, instead of only repeating what was left unmasked.
    """
    network = NETWORKS[name].with_head("mlm")
    return PretrainRecipe(network=_eased(network), positions="sinusoidal", **settings)


def _eased(network: NetworkConfig) -> NetworkConfig:
    gain = round(0.02 * math.sqrt(768 / network.encoder.hidden_size), 3)
    encoder = replace(network.encoder, initializer_range=gain, hidden_dropout=0.0, attention_dropout=0.0)
    return replace(network, encoder=encoder)


PRETRAINING: Mapping[str, PretrainRecipe] = {
    "dnabert-3": _paper(3),
    "dnabert-4": _paper(4),
    "dnabert-5": _paper(5),
    "dnabert-6": _paper(6),
    "small": _narrow(
        "small",
        steps=50_000,
        total_steps=60_000,
        warm_up=2_000,
        learning_rate=6e-4,
        batch=512,
    ),
    "mini": _narrow(
        "mini",
        steps=10_000,
        total_steps=12_000,
        warm_up=500,
        learning_rate=1e-3,
        batch=256,
    ),
    "tiny": _narrow(
        "tiny",
        steps=1_000,
        total_steps=1_200,
        warm_up=100,
        learning_rate=2e-3,
        batch=64,
    ),
}


def customised(
    preset: str, *, network: str | None = None, kmer: int | None = None, mask_rate: str | None = None, **given: Any
) -> PretrainRecipe:
    """A row of the table with the fields replaced that are given (not None).

    `network` is a row of `nn.config.PRESETS`, `kmer` another k; `mask_rate` a share, or a schedule such as
    "0.15,0.20@100000": another share after so many steps. Raises DnabertError, naming the flag, for what cannot be.
    """
    if preset not in PRETRAINING:
        raise DnabertError(f"--preset {preset}: choose one of {', '.join(PRETRAINING)}")
    if network is not None and network not in NETWORKS:
        raise DnabertError(f"--network {network}: choose one of {', '.join(NETWORKS)}")
    check_positive(**{name: value for name, value in given.items() if name != "warm_up"})
    recipe = PRETRAINING[preset]
    shape = recipe.network
    if network is not None:
        shape = NETWORKS[network].with_head("mlm")
        shape = shape if network.startswith("dnabert-") else _eased(shape)
    if kmer is not None:
        shape = shape.with_k(kmer)
    fields = {name: value for name, value in given.items() if value is not None}
    if mask_rate is not None:
        fields["mask_rates"] = _mask_rates(mask_rate)
    recipe = replace(recipe, network=shape, **fields)
    if recipe.positions not in POSITIONS:
        raise DnabertError(f"--positions {recipe.positions}: choose one of {', '.join(POSITIONS)}")
    if recipe.strand not in ("+", "both"):
        raise DnabertError(f"--strand {recipe.strand}: choose + or both")
    if not 0 <= recipe.warm_up < recipe.total_steps or recipe.steps > recipe.total_steps:
        raise DnabertError(
            f"--warm-up {recipe.warm_up}, --steps {recipe.steps}, --total-steps {recipe.total_steps}: the rate rises "
            "over the warm-up and is 0 after the total, so the warm-up is shorter and the steps are no more than that"
        )
    return recipe


def check_positive(**flags: Any) -> None:
    """Raise DnabertError, naming the flag, for a number that is not greater than 0; anything else passes."""
    for name, value in flags.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 0:
            raise DnabertError(f"--{name.replace('_', '-')} {value} must be greater than 0")


def _mask_rates(text: str) -> tuple[tuple[int, float], ...]:
    """ "0.15,0.20@100000" as ((0, 0.15), (100000, 0.20))."""
    rates = []
    for part in text.split(","):
        rate, _, after = part.partition("@")
        try:
            rates.append((int(after or 0), float(rate)))
        except ValueError:
            rates.append((0, -1.0))
    steps = [after for after, _ in rates]
    if steps[0] != 0 or steps != sorted(set(steps)) or not all(0 < rate < 1 for _, rate in rates):
        raise DnabertError(
            f"--mask-rate {text}: give a share such as 0.15, or shares and the steps after which they hold, as in "
            "0.15,0.20@100000"
        )
    return tuple(rates)
