"""How to fine-tune, as a literal table. Knows nothing of data or networks but their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..nn.config import VOCABULARY_SIZES, EncoderConfig, NetworkConfig

__all__ = ["HEADS", "PRESETS", "Recipe"]

HEADS = ("auto", "concat", "rnn", "mean")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a training run does, apart from its data and seed.

    `batch` sequences make a step. The learning rate rises linearly over the share `warm_up` of all steps, then falls
    linearly to 0. `evaluations` are made in each epoch; after `patience` of them in a row without a better one training
    ends (None: never). `class_weights` weigh the classes in the loss ("balanced": all the same together).

    With `reverse_complement` each sequence is read on either strand with equal chance; with `shift` it is moved by up
    to so many bases to either side and N comes in at its end, against models that learn where in the window the maker
    of a set put its motifs; both anew in each epoch. `window` in bases (None: that of the training set), `anchor` (what
    stands where in a window) and `classes` (None: the labels' numbers) describe the data and go into the model's
    config.json. `network` is what is trained where no pre-trained model is given.

    `head` is one of HEADS, for windows of several pieces ("auto": concat where all have as many, else mean). `dropout`
    is that before the head's linear layers (None: the encoder's). `lora` is the rank of adapters that are trained in
    place of the encoder, of which `lora_alpha` / rank times is added (None: twice the rank); with `freeze_encoder` the
    head alone is trained.
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
    patience: int | None = None
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    head: str = "auto"
    dropout: float | None = None
    lora: int | None = None
    lora_alpha: float | None = None
    freeze_encoder: bool = False


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

# Named after the models of the paper, whose own table of rates is not public.
#
# Learning rate: 2e-4, that of the original's example, is unstable (its users saw one class predicted for all sequences
# of prom-core and of the sample data); GUE trained the same 110 M parameters at 3e-5, which 5e-5 with warm-up over a
# tenth of the steps reaches sooner. Batch 32 throughout, as both did.
# Epochs: GUE's for DNABERT (promoters 4, transcription factors 3, splice sites 5).
# Evaluations: two an epoch where sets are large (59,196 promoters), because the best is often not the end of an epoch.
PRESETS: Mapping[str, Recipe] = {
    "general": Recipe(learning_rate=5e-5, epochs=3),
    "prom-300": Recipe(
        learning_rate=5e-5, epochs=4, evaluations=2, window=300, anchor="TSS at base 249", classes=_PROMOTER
    ),
    "prom-core": Recipe(
        learning_rate=5e-5, epochs=4, evaluations=2, window=70, anchor="TSS at base 34", classes=_PROMOTER
    ),
    # 1,001 bases are two pieces, so a step costs three of prom-300's, and neighbours share nine tenths of their bases:
    # fewer epochs, judged more often. About one window in eight is positive; classes are not weighted, so that what the
    # model says stays a probability.
    "prom-scan": Recipe(
        learning_rate=3e-5,
        epochs=2,
        evaluations=4,
        window=1001,
        anchor="TSS at base 500",
        classes=_PROMOTER,
    ),
    # A factor binds either strand, so both are shown: twice the data of sets that have a few thousand peaks.
    "tf": Recipe(
        learning_rate=5e-5,
        epochs=3,
        window=101,
        anchor="middle of the peak at base 50",
        classes=("background", "bound"),
        reverse_complement=True,
    ),
    # The site lies on the strand of its gene: never turned round. Three classes of 10,000 each need the most epochs.
    "splice": Recipe(
        learning_rate=5e-5,
        epochs=5,
        window=400,
        anchor="exon border before base 200",
        classes=("acceptor", "donor", "none"),
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
