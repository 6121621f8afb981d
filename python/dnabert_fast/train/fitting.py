"""The head that fits a labelled set and a recipe, and whether other sets fit it. Knows no training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DnabertError
from ..nn.config import NetworkConfig, WindowBlock
from ..nn.network import Network
from ..seq.batch import PIECE, pieces_of
from .presets import HEADS, Recipe
from .sets import Kind, LabelledSet

__all__ = ["Shape", "check_fits", "classifier", "goes_on", "shape_of"]


@dataclass(frozen=True)
class Shape:
    """What a head must fit: what labels are, names of outputs, the fewest and most pieces of a window, if pairs."""

    kind: Kind
    classes: tuple[str, ...]
    fewest: int
    most: int
    pairs: bool


def shape_of(data: LabelledSet, recipe: Recipe, k: int) -> Shape:
    """The outputs and pieces of a training set.

    Raises DnabertError where the set has not the recipe's number of classes or none of its windows the recipe's length.
    """
    n = 1 if data.kind == "values" else int(data.labels.max()) + 1
    numbers = ("value",) if data.kind == "values" else tuple(str(label) for label in range(n))
    classes = recipe.classes or numbers
    if len(classes) != n:
        what = "values and so one output" if data.kind == "values" else f"{n} classes"
        raise DnabertError(f"the training set has {what}, but {len(classes)} are named: {', '.join(classes)}")
    shortest, longest = int(data.windows.lengths.min()), int(data.windows.lengths.max())
    if recipe.window is not None and not shortest <= recipe.window <= longest:
        lengths = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        raise DnabertError(
            f"windows of {recipe.window} bases are asked for, but the training set's have {lengths}; "
            "choose another preset or give --window"
        )
    pieces = pieces_of(data.windows.lengths, k)
    return Shape(data.kind, classes, int(pieces.min()), int(pieces.max()), data.second is not None)


def classifier(base: Network, recipe: Recipe, data: LabelledSet, seed: int) -> Network:
    """`base` under the head that fits the training set, new unless its own is of that kind and size.

    Labels of bases get a token head, pairs and windows of one piece a sequence head; longer ones what `recipe.head`
    says. The window block is written into the configuration. Raises DnabertError where head and windows do not fit.
    """
    shape = shape_of(data, recipe, base.config.k)
    config = _configured(base.config, recipe, data, shape)
    network = base.with_head(config, seed)
    if goes_on(base.config, config):
        network.head.load_state_dict(base.head.state_dict())
    return network


def check_fits(data: LabelledSet, other: LabelledSet, k: int, name: str) -> None:
    """Raise DnabertError for a set (`name`) that a model trained on `data` cannot judge.

    Labels of another kind, a class or a number of pieces that training never saw, single sequences for pairs.
    """
    if other.kind != data.kind:
        raise DnabertError(f"the {name} set has {other.kind} for labels, but the training set {data.kind}; see --task")
    if (other.second is None) != (data.second is None):
        has, wants = ("pairs", "single sequences") if data.second is None else ("single sequences", "pairs")
        raise DnabertError(f"the {name} set has {has}, but the training set {wants}")
    if data.kind != "values":
        largest, known = int(other.labels.max()), int(data.labels.max())
        if largest > known:
            raise DnabertError(f"the {name} set has label {largest}, but the training set's labels end at {known}")
    trained, met = (np.unique(pieces_of(part.windows.lengths, k)) for part in (data, other))
    # Several numbers in training mean a head that takes any number.
    if len(trained) == 1 and not np.array_equal(met, trained) and data.kind != "tokens":
        count = int(met[met != trained[0]][0])
        raise DnabertError(
            f"the {name} set has windows of {count} pieces of {PIECE} k-mers, but all of the training set's have "
            f"{trained[0]}; give windows of like length"
        )


def _configured(base: NetworkConfig, recipe: Recipe, data: LabelledSet, shape: Shape) -> NetworkConfig:
    window = recipe.window or int(data.windows.lengths.max())
    strand = "both" if recipe.reverse_complement else "+"
    block = WindowBlock(
        k=base.k, window=window, anchor=recipe.anchor, classes=shape.classes, strand=strand, pairs=shape.pairs
    )
    head = _head(recipe.head, shape)
    return base.with_head(
        head,
        shape.classes,
        regression=shape.kind == "values",
        split=shape.most if head == "xl-concat" else 1,
        block=block,
        head_dropout=recipe.dropout,
    )


def _head(asked: str, shape: Shape) -> str:
    if asked not in HEADS:
        raise DnabertError(f"--head {asked}: choose one of {', '.join(HEADS)}")
    if shape.kind == "tokens" or shape.pairs:
        if asked != "auto":
            what = "labels of bases" if shape.kind == "tokens" else "pairs"
            raise DnabertError(f"--head {asked} joins the pieces of long windows; {what} have a head of their own")
        return "token" if shape.kind == "tokens" else "sequence"
    if asked == "auto":
        asked = "concat" if shape.fewest == shape.most else "mean"
    if shape.most == 1:
        return "sequence"  # there is nothing to join
    if asked == "concat" and shape.fewest != shape.most:
        raise DnabertError(
            f"--head concat joins a fixed number of pieces, but the training set's windows have {shape.fewest} to "
            f"{shape.most}; choose rnn or mean"
        )
    return f"xl-{asked}"


def goes_on(base: NetworkConfig, config: NetworkConfig) -> bool:
    """Whether training under a configuration begins with the head of `base`, not with a new one."""
    return _of_head(base) == _of_head(config)


def _of_head(config: NetworkConfig) -> tuple[object, ...]:
    """What two heads must have in common for one to go on from the other's weights."""
    recurrent = (config.rnn, config.rnn_layers) if config.head == "xl-rnn" else None
    return config.head, config.split, len(config.labels), config.regression, recurrent
