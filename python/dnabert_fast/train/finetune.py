"""A classifier, regression or labeller of bases out of a network. Knows no files but model folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DnabertError
from ..nn.backends import choose
from ..nn.checkpoint import read_network
from ..nn.heads import Concat, Head
from ..nn.lora import add_adapters, merge_adapters
from ..nn.network import Network, build
from ..seq.types import F32
from .fitting import check_fits, classifier, goes_on
from .learner import NetworkLearner
from .loop import Event, Trained, evaluate, train
from .presets import Recipe
from .sets import LabelledSet

__all__ = ["Finetuned", "Scale", "finetune", "starting_network"]


@dataclass(frozen=True)
class Finetuned:
    """A trained network and how its training went; `adapters`: what LoRA added, by `nn.lora.merge_adapters`' names."""

    network: Network
    outcome: Trained
    adapters: dict[str, Tensor] | None = field(default=None, repr=False)


def starting_network(
    model: str | None, recipe: Recipe, seed: int, *, device: str = "auto", precision: str = "auto", k: int | None = None
) -> Network:
    """What a training run begins with: the network of a model folder or hub name, or the recipe's with random weights.

    `precision` "auto" is bf16 on GPUs and fp32 on processors; parameters are fp32 either way. Raises DnabertError where
    there is neither, for k-mers of another length than k, and for fp16, CheckpointError for a folder that cannot be
    read, BackendUnavailable for a device or precision that is not to be had.
    """
    if precision == "auto":
        precision = "fp32" if choose("auto", device).device == "cpu" else "bf16"
    if precision not in ("fp32", "bf16"):
        why = "gradients would need loss scaling" if precision == "fp16" else f"{precision} is for inference"
        raise DnabertError(f"--precision {precision} does not train: {why}; choose bf16 (on GPUs) or fp32")
    backend = choose("auto", device, precision)
    if precision == "bf16" and backend.device == "cpu":
        raise DnabertError("--precision bf16 trains on GPUs; on processors choose fp32")
    if model is None:
        if recipe.network is None:
            raise DnabertError(
                "this preset trains a pre-trained model: give --model DIR, or --network for random weights"
            )
        config = recipe.network if k is None else recipe.network.with_k(k)
        return build(config, backend, seed=seed)
    network = read_network(model, device=device, precision=precision)
    if k is not None and network.config.k != k:
        raise DnabertError(f"--kmer {k}: model {model} has the vocabulary of {network.config.k}-mers")
    return network


def finetune(
    base: Network,
    data: LabelledSet,
    dev: LabelledSet,
    recipe: Recipe,
    seed: int,
    report: Callable[[Event], None] = lambda event: None,
) -> Finetuned:
    """Train `base` under the head that fits `data` (see `fitting.classifier` and `loop.train`); the encoder is shared.

    Values are learnt with mean 0 and standard deviation 1, whatever theirs are, and the head's last layer is scaled
    back at the end. With `recipe.lora` adapters are trained in place of the encoder and merged into it at the end.
    Raises DnabertError for a dev set that the network cannot judge, and where training stops at what is not a number.
    """
    check_fits(data, dev, base.config.k, "dev")
    network = classifier(base, recipe, data, seed)
    scale = Scale.of(data)
    if network.config.regression and goes_on(base.config, network.config):
        scale.into(_last(network.head))
    lora = recipe.lora
    if recipe.freeze_encoder:
        network.encoder.requires_grad_(False)
    if lora is not None:
        alpha = 2.0 * lora if recipe.lora_alpha is None else recipe.lora_alpha
        add_adapters(network.encoder, lora, alpha, seed)
    adapters = None
    try:
        outcome = train(NetworkLearner(network), scale.of_set(data), scale.of_set(dev), recipe, seed, report)
    finally:
        if lora is not None:
            adapters = merge_adapters(network.encoder)
        network.encoder.requires_grad_(True)
    if data.kind == "values":
        scale.back(_last(network.head))
        outcome = replace(outcome, dev=evaluate(NetworkLearner(network), dev))
    return Finetuned(network, outcome, adapters)


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of values, 0 and 1 for labels that are none."""

    mean: float
    deviation: float

    @staticmethod
    def of(data: LabelledSet) -> Scale:
        """That of a training set."""
        if data.kind != "values":
            return Scale(0.0, 1.0)
        values = data.labels.astype(np.float64)
        return Scale(float(values.mean()), float(values.std()) or 1.0)

    def of_set(self, data: LabelledSet) -> LabelledSet:
        """The set with values in units of the deviation about the mean."""
        if data.kind != "values":
            return data
        scaled: F32 = ((data.labels.astype(np.float64) - self.mean) / self.deviation).astype(np.float32)
        return replace(data, labels=scaled)

    @torch.no_grad()
    def into(self, last: nn.Linear) -> None:
        """Let a head, by its last layer, that answers in the values' units answer in ours."""
        last.bias.sub_(self.mean).div_(self.deviation)
        last.weight.div_(self.deviation)

    @torch.no_grad()
    def back(self, last: nn.Linear) -> None:
        """The opposite of `into`."""
        last.bias.mul_(self.deviation).add_(self.mean)
        last.weight.mul_(self.deviation)


def _last(head: Head) -> nn.Linear:
    last = head.classifier2 if isinstance(head, Concat) else head.classifier
    assert isinstance(last, nn.Linear)
    return last
