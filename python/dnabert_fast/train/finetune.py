"""A classifier out of a pre-trained network or out of random weights. Knows no files but model folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DnabertError
from ..nn.backends import choose
from ..nn.checkpoint import read_network
from ..nn.config import NetworkConfig, WindowBlock
from ..nn.network import Network, build
from ..seq.batch import PIECE
from ..seq.types import I64
from .learner import NetworkLearner
from .loop import Event, Trained, train
from .presets import Recipe
from .sets import LabelledSet

__all__ = ["Shape", "check_fits", "classifier", "finetune", "shape_of", "starting_network"]


@dataclass(frozen=True)
class Shape:
    """What a head must fit: the names of the classes, and the fewest and most pieces of a window."""

    classes: tuple[str, ...]
    fewest: int
    most: int


def shape_of(data: LabelledSet, recipe: Recipe, k: int) -> Shape:
    """The classes and pieces of a training set.

    Raises DnabertError where the set has not the recipe's number of classes or none of its windows the recipe's length.
    """
    n = int(data.labels.max()) + 1
    classes = recipe.classes or tuple(str(label) for label in range(n))
    if len(classes) != n:
        raise DnabertError(f"the training set has {n} classes, but {len(classes)} are named: {', '.join(classes)}")
    shortest, longest = int(data.windows.lengths.min()), int(data.windows.lengths.max())
    if recipe.window is not None and not shortest <= recipe.window <= longest:
        lengths = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        raise DnabertError(
            f"windows of {recipe.window} bases are asked for, but the training set's have {lengths}; "
            "choose another preset or give --window"
        )
    pieces = _pieces(data.windows.lengths, k)
    return Shape(classes, int(pieces.min()), int(pieces.max()))


def starting_network(model: str | None, recipe: Recipe, seed: int) -> Network:
    """What a training run begins with: the network of a model folder or hub name, or the recipe's with random weights.

    Raises DnabertError where there is neither, CheckpointError for a folder that cannot be read.
    """
    if model is not None:
        return read_network(model)
    if recipe.network is None:
        raise DnabertError("this preset trains a pre-trained model: give --model DIR, or --network for random weights")
    return build(recipe.network, choose(), seed=seed)


def classifier(base: Network, recipe: Recipe, data: LabelledSet, seed: int) -> Network:
    """`base` under the head that fits the training set, new unless its own is of that kind and size.

    Windows of one piece get a sequence head; longer ones the concatenating head where all have as many pieces, else
    the mean of pieces.
    """
    shape = shape_of(data, recipe, base.config.k)
    config = _configured(base.config, recipe, data, shape)
    network = base.with_head(config, seed)
    own = base.config
    if (own.head, own.split, len(own.labels)) == (config.head, config.split, len(config.labels)):
        network.head.load_state_dict(base.head.state_dict())
    return network


def finetune(
    base: Network,
    data: LabelledSet,
    dev: LabelledSet,
    recipe: Recipe,
    seed: int,
    report: Callable[[Event], None] = lambda event: None,
) -> tuple[Network, Trained]:
    """Train `base` as a classifier (see `classifier` and `loop.train`); return it and how the training went.

    Raises DnabertError for a dev set that the classifier cannot judge (see `check_fits`).
    """
    check_fits(data, dev, base.config.k, "dev")
    network = classifier(base, recipe, data, seed)
    return network, train(NetworkLearner(network), data, dev, recipe, seed, report)


def check_fits(data: LabelledSet, other: LabelledSet, k: int, name: str) -> None:
    """Raise DnabertError for a set (`name`) with a class, or windows of a number of pieces, that training never saw."""
    largest, known = int(other.labels.max()), int(data.labels.max())
    if largest > known:
        raise DnabertError(f"the {name} set has label {largest}, but the training set's labels end at {known}")
    trained, met = (np.unique(_pieces(part.windows.lengths, k)) for part in (data, other))
    # Several numbers in training mean a head that takes any number.
    if len(trained) == 1 and not np.array_equal(met, trained):
        count = int(met[met != trained[0]][0])
        raise DnabertError(
            f"the {name} set has windows of {count} pieces of {PIECE} k-mers, but all of the training set's have "
            f"{trained[0]}; give windows of like length"
        )


def _configured(base: NetworkConfig, recipe: Recipe, data: LabelledSet, shape: Shape) -> NetworkConfig:
    window = recipe.window or int(data.windows.lengths.max())
    strand = "both" if recipe.reverse_complement else "+"
    block = WindowBlock(k=base.k, window=window, anchor=recipe.anchor, classes=shape.classes, strand=strand)
    if shape.most == 1:
        head, pieces = "sequence", 1
    elif shape.fewest == shape.most:
        head, pieces = "xl-concat", shape.most
    else:
        head, pieces = "xl-mean", 1
    return replace(base, head=head, labels=shape.classes, regression=False, split=pieces, block=block)


def _pieces(lengths: I64, k: int) -> I64:
    return np.maximum(1, -(-(lengths - k + 1) // PIECE))
