"""The training loop: steps, evaluations, the best weights kept. Knows nothing of files, presets or model folders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DnabertError
from ..seq.batch import cut
from ..seq.types import I64, Bool
from .criterion import Criterion, collapse_warning, measure, rank, weights_of_classes
from .learner import Learner
from .optimizer import adamw, linear_rate
from .presets import Recipe
from .sets import LabelledSet, shifted

__all__ = ["Event", "Trained", "evaluate", "train"]

Event: TypeAlias = Mapping[str, object]
"""What happened, under `event` ("step", "evaluation"), with its figures; plain numbers, strings and None."""


@dataclass(frozen=True)
class Trained:
    """How a run went: steps made, the step whose weights were kept, and that step's metrics on the dev set.

    `stopped_early`: the last evaluations were no better than one before, so that not all steps were made.
    """

    steps: int
    best_step: int
    dev: dict[str, float]
    stopped_early: bool = False


def train(
    learner: Learner,
    data: LabelledSet,
    dev: LabelledSet,
    recipe: Recipe,
    seed: int,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Train the parameters of `learner.module` that want gradients; leave it as it was best on `dev`, in eval mode.

    AdamW (betas 0.9 and 0.999; decay on matrices alone), linear warm-up and decay, gradients clipped by their norm, and
    the loss of `Criterion`. A step is `recipe.batch` sequences in packed batches of at most `learner.max_tokens`
    tokens, whose gradients are summed. Which evaluation is best `criterion.rank` says. The order of rows, strands,
    shifts and dropout are functions of seed and step: equal seeds give equal weights on one machine with one thread
    count. `report` is told of each step and evaluation. Raises DnabertError, naming the step, and the best one
    before, where a loss or the gradient is not finite; the module then has the weights of the step before.
    """
    per_epoch = -(-len(data) // recipe.batch)
    total = per_epoch * recipe.epochs
    eval_steps = _evaluation_steps(per_epoch, total, recipe.evaluations)
    warm_up = int(recipe.warm_up * total)
    module = learner.module
    optimizer = adamw(
        module, learning_rate=recipe.learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=recipe.weight_decay
    )
    stepper = _Stepper(learner, optimizer, Criterion(data.kind, weights_of_classes(data, recipe.class_weights)), recipe)
    best: _Best | None = None
    step, worse, seen, began = 0, 0, 0, time.monotonic()
    with _own_random(module):
        module.train()
        for step, (rows, reverse, shift) in enumerate(_steps(len(data), recipe, seed), 1):
            rate = linear_rate(step, peak=recipe.learning_rate, warm_up=warm_up, total=total)
            part = shifted(data.take(rows), shift)
            where = f"step {step} of {total}"
            try:
                loss, norm = stepper(part, reverse, rate, _key(seed, step), where)
                seen += len(rows)
                epoch = step / per_epoch
                seconds = time.monotonic() - began
                report(
                    {"event": "step", "step": step, "steps": total, "epoch": epoch, "loss": loss, "learning_rate": rate,
                     "gradient_norm": norm, "sequences": seen, "seconds": seconds}
                )  # fmt: skip
                if step not in eval_steps:
                    continue
                metrics = evaluate(learner, dev)
                _check("the loss of the dev set", metrics["loss"])
            except _NoNumber as wrong:
                good = "nothing was judged before" if best is None else f"the best before was step {best.step}"
                raise DnabertError(
                    f"{where}: {wrong}; training stopped without a model ({good}): lower the learning rate "
                    f"({recipe.learning_rate:g}) or warm up longer"
                ) from None
            better = best is None or rank(metrics) > rank(best.metrics)
            if better:
                best = _Best(step, metrics, _copied(module))
            worse = 0 if better else worse + 1
            facts = {"step": step, "epoch": epoch, **metrics, "best": better}
            report({"event": "evaluation", **facts, "warning": collapse_warning(metrics)})
            if recipe.patience is not None and worse >= recipe.patience:
                break
            module.train()
    assert best is not None, "the last step is always evaluated"
    module.load_state_dict(best.weights, strict=False)
    module.eval()
    return Trained(step, best.step, best.metrics, step < total)


def evaluate(learner: Learner, data: LabelledSet) -> dict[str, float]:
    """How good the answers to a set are; see `criterion.measure`."""
    return measure(learner.answers(data), data)


@dataclass(frozen=True)
class _Best:
    step: int
    metrics: dict[str, float]
    weights: dict[str, Tensor] = field(repr=False)


def _copied(module: nn.Module) -> dict[str, Tensor]:
    """What training changes of a module: trained parameters, and buffers."""
    trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
    changed = {**trained, **dict(module.named_buffers())}
    return {name: value.detach().clone() for name, value in changed.items()}


def _own_random(module: nn.Module) -> AbstractContextManager[None]:
    """A block that leaves the caller's random states, of the processor and of the module's GPU, as they were."""
    device = next(module.parameters()).device
    found: AbstractContextManager[None] = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    return found


def _key(seed: int, step: int) -> int:
    """The seed of a step's dropout."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _evaluation_steps(per_epoch: int, total: int, evaluations: int) -> set[int]:
    share = per_epoch / min(evaluations, per_epoch)
    return {min(total, math.ceil(i * share - 1e-9)) for i in range(1, math.ceil(total / share) + 1)} | {total}


class _NoNumber(Exception):
    """A loss or a norm is not finite."""


def _check(what: str, value: float) -> None:
    if not math.isfinite(value):
        raise _NoNumber(f"{what} is {value}")


def _steps(n: int, recipe: Recipe, seed: int) -> Iterator[tuple[I64, Bool, I64]]:
    """Rows, strands and shifts of each step; every epoch has its own order, strands and shifts."""
    for epoch in range(recipe.epochs):
        random = np.random.default_rng((seed, epoch))
        order = random.permutation(n)
        reverse = (random.random(n) < 0.5) & recipe.reverse_complement
        shift = random.integers(-recipe.shift, recipe.shift, n, endpoint=True)
        for first in range(0, n, recipe.batch):
            rows = order[first : first + recipe.batch]
            yield rows, reverse[rows], shift[rows]


class _Stepper:
    """Makes steps of the optimiser; a batch that the device's memory does not hold is halved from then on."""

    def __init__(self, learner: Learner, optimizer: torch.optim.AdamW, criterion: Criterion, recipe: Recipe) -> None:
        self.learner = learner
        self.optimizer = optimizer
        self.criterion = criterion
        self.recipe = recipe
        self.max_tokens = learner.max_tokens

    def __call__(self, data: LabelledSet, reverse: Bool, rate: float, key: int, where: str) -> tuple[float, float]:
        """One step on all of `data`, whose dropout is drawn from `key`; the mean loss, and the norm before clipping."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._in_memory(data, reverse, key, where)
        norm = float(torch.nn.utils.clip_grad_norm_(self.learner.module.parameters(), self.recipe.clip))
        _check("the loss", loss)
        _check("the gradient's norm", norm)
        self.optimizer.step()
        return loss, norm

    def _in_memory(self, data: LabelledSet, reverse: Bool, key: int, where: str) -> float:
        """The loss of `_gradients`, asked for in smaller batches until memory holds them."""
        while True:
            torch.manual_seed(key)
            self.optimizer.zero_grad(set_to_none=True)
            try:
                return self._gradients(data, reverse)
            except torch.OutOfMemoryError:
                pass  # what the failed batch holds is let go with the exception
            largest = int(self.learner.costs(data).max())
            if self.max_tokens <= largest:
                raise DnabertError(
                    f"{where}: the device has no memory for one sequence of {largest} tokens; free some of it, or "
                    "train less of the network with --lora or --freeze-encoder"
                )
            self.max_tokens = max(largest, self.max_tokens // 2)
            torch.cuda.empty_cache()

    def _gradients(self, data: LabelledSet, reverse: Bool) -> float:
        """Backward of all packed batches; the mean loss."""
        learner, criterion = self.learner, self.criterion
        costs = learner.costs(data)
        # Equal lengths side by side: attention runs in groups of one length.
        order = np.argsort(costs, kind="stable")
        parts: list[tuple[I64, Tensor]] = []
        for part in cut(costs[order], self.max_tokens):
            rows = order[part]
            targets = learner.targets(data, rows, reverse[rows])
            if len(targets):
                parts.append((rows, targets))
        weight = sum(criterion.weight(targets) for _, targets in parts)
        found: Any = 0.0
        for rows, targets in parts:
            share = criterion.total(learner.outputs(data, rows, reverse[rows]), targets) / weight
            share.backward()  # type: ignore[no-untyped-call]
            found = found + share.detach()
        return float(found)
