"""What a network is, as frozen records, and how config.json says it. Reads no file and makes no tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import CheckpointError, DnabertError

__all__ = [
    "HEADS",
    "PRESETS",
    "VOCABULARY_SIZES",
    "EncoderConfig",
    "NetworkConfig",
    "WindowBlock",
    "config_from_json",
    "config_to_json",
]

HEADS = ("none", "mlm", "sequence", "xl-concat", "xl-rnn", "xl-mean", "token")

# Five special tokens and the 4^k k-mers: the four released vocabularies.
VOCABULARY_SIZES = {k: 5 + 4**k for k in (3, 4, 5, 6)}

# K-mers that the encoder reads at once, between [CLS] and [SEP]; longer windows are several such pieces.
_PIECE = 510

_ARCHITECTURES = {
    "none": "BertModel",
    "mlm": "BertForMaskedLM",
    "sequence": "BertForSequenceClassification",
    "xl-concat": "BertForLongSequenceClassificationCat",
    "xl-rnn": "BertForLongSequenceClassification",
    "xl-mean": "BertForSequenceClassification",
    "token": "BertForTokenClassification",
}


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """A post-LN BERT encoder: sizes, dropout rates (training only) and the epsilon of its LayerNorms."""

    vocab_size: int
    hidden_size: int = 768
    layers: int = 12
    heads: int = 12
    intermediate_size: int = 3072
    max_positions: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden size {self.hidden_size} is not a multiple of {self.heads} heads")


@dataclass(frozen=True, kw_only=True)
class WindowBlock:
    """The windows a network was trained on: k; bases; where the anchor base stands in them; class names; strand.

    `pairs`: whether each is two sequences, read as [CLS] one [SEP] other [SEP].
    """

    k: int
    window: int
    anchor: str
    classes: tuple[str, ...]
    strand: str
    pairs: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """An encoder with its head; `labels` are the names of the outputs (one for a regression, none without classes).

    `temperature` is what logits of classes are divided by before they are read as log-odds (Guo et al. 2017); it is no
    part of the network proper, which gives the same logits whatever it is. `head_dropout` is the dropout before the
    linear layers of the head in training (None: the encoder's).
    """

    encoder: EncoderConfig
    k: int
    head: str = "none"
    labels: tuple[str, ...] = ()
    regression: bool = False
    split: int = 1
    rnn: str = "lstm"
    rnn_layers: int = 1
    rnn_dropout: float = 0.0
    block: WindowBlock | None = None
    temperature: float = 1.0
    head_dropout: float | None = None

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"no head named {self.head}; there are {', '.join(HEADS)}")
        if self.rnn not in ("lstm", "gru"):
            raise ValueError(f"no recurrent network named {self.rnn}; there are lstm, gru")
        if self.head not in ("none", "mlm") and not self.labels:
            raise ValueError(f"a {self.head} head needs labels")
        if self.regression and len(self.labels) != 1:
            raise ValueError(f"a regression has one output, not {len(self.labels)}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"a temperature is a number greater than 0, not {self.temperature}")

    @property
    def window_bases(self) -> tuple[int, int | None]:
        """The fewest and the most bases of a window that the head scores; None where there is no most."""
        fewest, most = {"sequence": (1, 1), "xl-concat": (self.split, self.split)}.get(self.head, (1, None))
        return _PIECE * (fewest - 1) + self.k, None if most is None else _PIECE * most + self.k - 1

    def check_window(self, bases: int, what: str) -> None:
        """Raise DnabertError, calling the window `what`, where the head does not score one of so many bases."""
        fewest, most = self.window_bases
        if bases < fewest or (most is not None and bases > most):
            fitting = f"from {fewest:,} bases on" if most is None else f"of {fewest:,} to {most:,} bases"
            raise DnabertError(
                f"{what}: {bases:,} bases, but this model scores windows {fitting}; give such windows, or a model that "
                "was fine-tuned on windows of this length"
            )

    def with_head(self, head: str, labels: tuple[str, ...] = (), **fields: Any) -> NetworkConfig:
        """The same encoder under another head, which nobody has calibrated yet."""
        return replace(self, head=head, labels=labels, **{"temperature": 1.0, **fields})

    def with_k(self, k: int) -> NetworkConfig:
        """The same network for k-mers of another length; raises DnabertError for one without a vocabulary."""
        if k not in VOCABULARY_SIZES:
            raise DnabertError(f"--kmer {k}: choose one of {', '.join(map(str, VOCABULARY_SIZES))}")
        return replace(self, k=k, encoder=replace(self.encoder, vocab_size=VOCABULARY_SIZES[k]))


def _released(k: int) -> NetworkConfig:
    return NetworkConfig(encoder=EncoderConfig(vocab_size=VOCABULARY_SIZES[k]), k=k)


def _sized(k: int, hidden: int, layers: int, heads: int) -> NetworkConfig:
    encoder = EncoderConfig(
        vocab_size=VOCABULARY_SIZES[k], hidden_size=hidden, layers=layers, heads=heads, intermediate_size=4 * hidden
    )
    return NetworkConfig(encoder=encoder, k=k)


PRESETS: Mapping[str, NetworkConfig] = {
    "dnabert-3": _released(3),
    "dnabert-4": _released(4),
    "dnabert-5": _released(5),
    "dnabert-6": _released(6),
    "tiny": _sized(3, 32, 2, 2),
    "mini": _sized(4, 128, 4, 4),
    "small": _sized(6, 256, 4, 4),
}

_ENCODER_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "layer_norm_eps": "layer_norm_eps",
    "hidden_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "initializer_range": "initializer_range",
}
_INTEGERS = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


def config_from_json(
    fields: Mapping[str, Any], source: str, *, head: str, outputs: int, split: int, rnn: str, rnn_layers: int
) -> NetworkConfig:
    """The record of a config.json, as Hugging Face and the original write it, with what its weights say.

    `head`, `outputs` (rows of the last classifier, 0 without), `split`, `rnn` and `rnn_layers` come from the weights.
    Raises CheckpointError, naming `source`, for a network that is not such a BERT or a vocabulary that is not of
    k = 3 to 6.
    """
    encoder = _encoder(fields, source)
    own = fields.get("dnabert_fast") or {}
    k = _letters(encoder.vocab_size, own.get("k"), source)
    block = None
    if "window" in own:
        absent = [name for name in ("anchor", "classes", "strand") if name not in own]
        if absent:
            raise CheckpointError(f"{source}: dnabert_fast has a window, but no {', '.join(absent)}")
        block = WindowBlock(
            k=k,
            window=int(own["window"]),
            anchor=str(own["anchor"]),
            classes=tuple(own["classes"]),
            strand=str(own["strand"]),
            pairs=own.get("pairs") is True,
        )
    if fields.get("problem_type") == "multi_label_classification":
        raise CheckpointError(
            f"{source}: problem_type is multi_label_classification; one label a sequence is supported"
        )
    labels = _labels(fields, outputs, source)
    regression = bool(labels) and (fields.get("problem_type") == "regression" or len(labels) == 1)
    head_dropout = fields.get("classifier_dropout")
    return NetworkConfig(
        encoder=encoder,
        k=k,
        head=head,
        labels=labels,
        regression=regression,
        split=split,
        rnn=rnn,
        rnn_layers=rnn_layers,
        rnn_dropout=float(fields.get("rnn_dropout", 0.0)),
        block=block,
        temperature=_temperature(own.get("temperature", 1.0), source),
        head_dropout=None if head_dropout is None else float(head_dropout),
    )


def _temperature(value: Any, source: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise CheckpointError(f"{source}: dnabert_fast.temperature is {value!r}; it is a number greater than 0")
    return float(value)


def _encoder(fields: Mapping[str, Any], source: str) -> EncoderConfig:
    absent = [name for name in _INTEGERS if not isinstance(fields.get(name), int)]
    if absent:
        raise CheckpointError(f"{source}: not the configuration of a BERT network: no {', '.join(absent)}")
    for name, only in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("model_type", "bert")):
        if fields.get(name, only) != only:
            raise CheckpointError(f"{source}: {name} is {fields[name]}; only {only} is supported")
    given = {ours: fields[theirs] for ours, theirs in _ENCODER_FIELDS.items() if fields.get(theirs) is not None}
    try:
        return EncoderConfig(**given)
    except ValueError as wrong:
        raise CheckpointError(f"{source}: {wrong}") from None


def _letters(vocab_size: int, stated: int | None, source: str) -> int:
    k = next((k for k, size in VOCABULARY_SIZES.items() if size == vocab_size), None)
    if k is None:
        sizes = ", ".join(f"{size} (k = {k})" for k, size in VOCABULARY_SIZES.items())
        raise CheckpointError(f"{source}: a vocabulary of {vocab_size} tokens; DNABERT's have {sizes}")
    if stated is not None and stated != k:
        raise CheckpointError(f"{source}: dnabert_fast.k is {stated}, but {vocab_size} tokens are those of k = {k}")
    return k


def _labels(fields: Mapping[str, Any], outputs: int, source: str) -> tuple[str, ...]:
    names = {int(i): str(name) for i, name in (fields.get("id2label") or {}).items()}
    stated = fields.get("num_labels", len(names) or outputs)
    if outputs and stated != outputs:
        raise CheckpointError(f"{source}: {stated} labels, but the classifier of the weights has {outputs} outputs")
    # The original leaves a two-name id2label in the files of its three-class models: names count only if they fit.
    if sorted(names) == list(range(outputs)):
        return tuple(names[i] for i in range(outputs))
    return tuple(f"LABEL_{i}" for i in range(outputs))


def config_to_json(config: NetworkConfig) -> dict[str, Any]:
    """The fields of config.json: Hugging Face's and the original's, and ours under `dnabert_fast`."""
    own: dict[str, Any] = {"k": config.k, "head": config.head}
    if config.block is not None:
        block = config.block
        own |= {"window": block.window, "anchor": block.anchor, "classes": list(block.classes), "strand": block.strand}
        own |= {"pairs": True} if block.pairs else {}
    if config.temperature != 1.0:  # left out otherwise, so that a network nobody calibrated keeps its hash
        own["temperature"] = config.temperature
    fields: dict[str, Any] = {
        "architectures": [_ARCHITECTURES[config.head]],
        "model_type": "bert",
        "hidden_act": "gelu",
        "pad_token_id": 0,
    }
    fields |= {theirs: getattr(config.encoder, ours) for ours, theirs in _ENCODER_FIELDS.items()}
    if config.labels:
        fields["num_labels"] = len(config.labels)
        fields["id2label"] = {str(i): name for i, name in enumerate(config.labels)}
        fields["label2id"] = {name: i for i, name in enumerate(config.labels)}
        fields["problem_type"] = "regression" if config.regression else "single_label_classification"
    if config.head_dropout is not None:
        fields["classifier_dropout"] = config.head_dropout
    if config.head == "xl-concat":
        fields["split"] = config.split
    if config.head == "xl-rnn":
        fields |= {"rnn": config.rnn, "num_rnn_layer": config.rnn_layers, "rnn_dropout": config.rnn_dropout}
    return fields | {"dnabert_fast": own}
