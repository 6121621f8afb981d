"""The training loop: steps, evaluations, the best weights kept. Knows nothing of files, presets or model folders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DnabertError
from ..evaluate.metrics import class_metrics
from ..seq.batch import cut
from ..seq.types import I64, Bool
from .learner import Learner
from .presets import Recipe
from .sets import LabelledSet, shifted

__all__ = ["Event", "Trained", "collapse_warning", "evaluate", "learning_rate", "train"]

Event: TypeAlias = Mapping[str, object]
"""What happened, under `event` ("step", "evaluation"), with its figures; plain numbers, strings and None."""


@dataclass(frozen=True)
class Trained:
    """How a run went: steps made, the step whose weights were kept, and that step's metrics on the dev set."""

    steps: int
    best_step: int
    dev: dict[str, float]


def train(
    learner: Learner,
    data: LabelledSet,
    dev: LabelledSet,
    recipe: Recipe,
    seed: int,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Train all parameters of `learner.module` in place; leave it with those that were best on `dev`, in eval mode.

    AdamW (betas 0.9 and 0.999; decay on matrices alone), cross-entropy, linear warm-up and decay, gradients clipped by
    their norm. A step is `recipe.batch` sequences in packed batches of at most `learner.max_tokens` tokens, whose
    gradients are summed. Best is the highest MCC, then the lowest loss, on `dev`. Equal seeds give equal weights on one machine
    with one thread count. `report` is told of each step and evaluation. Raises DnabertError, naming the step, where the
    loss or the gradient is not finite; the module then has the weights of the step before.
    """
    per_epoch = -(-len(data) // recipe.batch)
    total = per_epoch * recipe.epochs
    eval_steps = _evaluation_steps(per_epoch, total, recipe.evaluations)
    module = learner.module
    optimizer = _adamw(module, recipe)
    best: _Best | None = None
    seen, began = 0, time.monotonic()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module.train()
        for step, (rows, reverse, shift) in enumerate(_steps(len(data), recipe, seed), 1):
            rate = learning_rate(step, total, recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate
            part = shifted(data.take(rows), shift)
            loss, norm = _step(learner, part, reverse, optimizer, recipe, f"step {step} of {total}")
            seen += len(rows)
            epoch = step / per_epoch
            seconds = time.monotonic() - began
            report(
                {"event": "step", "step": step, "steps": total, "epoch": epoch, "loss": loss, "learning_rate": rate,
                 "gradient_norm": norm, "sequences": seen, "seconds": seconds}
            )  # fmt: skip
            if step in eval_steps:
                metrics = evaluate(learner, dev)
                better = best is None or _rank(metrics) > _rank(best.metrics)
                if better:
                    best = _Best(step, metrics, _copied(module))
                facts = {"step": step, "epoch": epoch, **metrics, "best": better}
                report({"event": "evaluation", **facts, "warning": collapse_warning(metrics)})
                module.train()
    assert best is not None, "the last step is always evaluated"
    module.load_state_dict(best.weights)
    module.eval()
    return Trained(total, best.step, best.metrics)


def collapse_warning(metrics: Mapping[str, float]) -> str | None:
    """A line for the user where every sequence of the evaluated set was given the same class."""
    if metrics["classes_predicted"] > 1:
        return None
    return "one class is predicted for every dev sequence; if this lasts, lower the learning rate or warm up longer"


def evaluate(learner: Learner, data: LabelledSet) -> dict[str, float]:
    """Mean cross-entropy (`loss`), how many classes are predicted at all, and `evaluate.metrics` of a set."""
    scores = torch.from_numpy(learner.answers(data)).double()
    labels = data.labels.astype(np.int64)
    loss = float(F.cross_entropy(scores, torch.from_numpy(labels)))
    probabilities = scores.softmax(dim=1).numpy()
    predicted = len(np.unique(probabilities.argmax(axis=1)))
    return {"loss": loss, "classes_predicted": predicted, **class_metrics(labels, probabilities)}


def learning_rate(step: int, total: int, recipe: Recipe) -> float:
    """The rate of step 1 to total: a rise to the peak over the warm-up's steps, then a fall that would reach 0 next."""
    warm = int(recipe.warm_up * total)
    if step <= warm:
        return recipe.learning_rate * step / warm
    return recipe.learning_rate * (total - step + 1) / (total - warm)


@dataclass(frozen=True)
class _Best:
    step: int
    metrics: dict[str, float]
    weights: dict[str, Tensor]


def _rank(metrics: Mapping[str, float]) -> tuple[float, float]:
    return metrics["mcc"], -metrics["loss"]


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _evaluation_steps(per_epoch: int, total: int, evaluations: int) -> set[int]:
    share = per_epoch / min(evaluations, per_epoch)
    return {min(total, math.ceil(i * share - 1e-9)) for i in range(1, math.ceil(total / share) + 1)} | {total}


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


def _adamw(module: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)


def _step(
    learner: Learner,
    data: LabelledSet,
    reverse: Bool,
    optimizer: torch.optim.AdamW,
    recipe: Recipe,
    where: str,
) -> tuple[float, float]:
    """One optimiser step on all of `data`; returns the mean loss and the gradient's norm before clipping."""
    costs = learner.costs(data)
    # Equal lengths side by side: attention runs in groups of one length.
    order = np.argsort(costs, kind="stable")
    optimizer.zero_grad(set_to_none=True)
    loss = 0.0
    for part in cut(costs[order], learner.max_tokens):
        rows = order[part]
        found = learner.outputs(data, rows, reverse[rows])
        wanted = learner.targets(data, rows, reverse[rows])
        share = F.cross_entropy(found, wanted, reduction="sum") / len(data)
        share.backward()  # type: ignore[no-untyped-call]
        loss += float(share.detach())
    norm = float(torch.nn.utils.clip_grad_norm_(learner.module.parameters(), recipe.clip))
    if not math.isfinite(loss) or not math.isfinite(norm):
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
        raise DnabertError(
            f"{where}: {what}; training stopped: lower the learning rate ({recipe.learning_rate:g}) or warm up longer"
        )
    optimizer.step()
    return loss, norm
