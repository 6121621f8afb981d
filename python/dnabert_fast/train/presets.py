"""How to fine-tune, as a literal table. Knows nothing of data or networks but their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..nn.config import VOCABULARY_SIZES, EncoderConfig, NetworkConfig

__all__ = ["PRESETS", "Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a training run does, apart from its data and seed.

    `batch` sequences make a step. The learning rate rises linearly over the share `warm_up` of all steps, then falls
    linearly to 0. `evaluations` are made in each epoch. With `reverse_complement` each sequence is read on either
    strand with equal chance; with `shift` it is moved by up to so many bases to either side and N comes in at its end,
    against models that learn where in the window the maker of a set put its motifs; both anew in each epoch. `window`
    in bases (None: that of the training set), `anchor` (what stands where in a window) and `classes` (None: the labels'
    numbers) describe the data and go into the model's config.json. `network` is what is trained where no pre-trained
    model is given.
    """

    learning_rate: float
    epochs: int
    batch: int = 32
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    evaluations: int = 1
    reverse_complement: bool = False
    shift: int = 0
    window: int | None = None
    anchor: str = "centre"
    classes: tuple[str, ...] | None = None
    network: NetworkConfig | None = None


_PROMOTER = ("background", "promoter")

# The network of the shipped model: on 13,500 sequences 4-mers generalise better than 5-mers or 6-mers,
# and two layers train in a quarter of an hour on one processor core.
_DEMO = NetworkConfig(
    k=4,
    encoder=EncoderConfig(
        vocab_size=VOCABULARY_SIZES[4],
        hidden_size=96,
        layers=2,
        heads=3,
        intermediate_size=384,
        attention_dropout=0.0,
    ),
)

# 2e-4, the rate of the original's own example, is unstable on promoters (its users saw one class predicted for all);
# 3e-5 to 5e-5 is what later work trained 110 M parameters with.
PRESETS: Mapping[str, Recipe] = {
    "general": Recipe(learning_rate=5e-5, epochs=3),
    "prom-300": Recipe(
        learning_rate=5e-5, epochs=4, evaluations=2, window=300, anchor="TSS at base 249", classes=_PROMOTER
    ),
    "prom-core": Recipe(
        learning_rate=5e-5, epochs=4, evaluations=2, window=70, anchor="TSS at base 34", classes=_PROMOTER
    ),
    # Windows move, because the negatives of prom_300_tata have their TATA box at base 218: unmoved, a network learns
    # that place rather than promoters, and takes each deleted base for a catastrophe.
    "demo": Recipe(
        learning_rate=1e-3,
        epochs=8,
        evaluations=2,
        shift=20,
        window=300,
        anchor="TSS at base 249",
        classes=_PROMOTER,
        network=_DEMO,
    ),
}
