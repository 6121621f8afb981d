"""Several runs from one start: learning rates, of which dev chooses one, then seeds, of which dev keeps the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import DnabertError
from ..nn.network import Network
from .criterion import rank
from .finetune import Finetuned, finetune
from .learner import NetworkLearner
from .loop import Event, Trained, evaluate
from .presets import Recipe
from .sets import LabelledSet

__all__ = ["Run", "Swept", "spread", "sweep"]


@dataclass(frozen=True)
class Run:
    """A run of a sweep: how it went, its metrics on the test set (where that was asked), or why it stopped."""

    seed: int
    learning_rate: float
    outcome: Trained | None
    test: dict[str, float] | None = None
    error: str | None = None

    def facts(self) -> dict[str, Any]:
        """The run as a row of a table."""
        found: dict[str, Any] = {"seed": self.seed, "learning_rate": self.learning_rate}
        if self.outcome is None:
            return found | {"error": self.error}
        found |= {"steps": self.outcome.steps, "best_step": self.outcome.best_step, "dev": self.outcome.dev}
        return found | ({} if self.test is None else {"test": self.test})


@dataclass(frozen=True)
class Swept:
    """The network of the best run, that run, all runs in order, and the runs of the rate that was chosen."""

    tuned: Finetuned
    best: Run
    runs: list[Run]
    of_chosen_rate: list[Run] = field(repr=False)


def sweep(
    base: Network,
    sets: Mapping[str, LabelledSet],
    recipe: Recipe,
    rates: Sequence[float],
    seeds: Sequence[int],
    report: Callable[[Event], None] = lambda event: None,
) -> Swept:
    """Train on sets["train"] at each rate with the first seed, then at the rate that was best on "dev" with the others.

    Every run begins with `base` as it is given. A rate or seed at which training stops at what is not a number is
    passed over, unless it is the first seed and no other rate is left: DnabertError then. sets["test"], where there is
    one, is judged for the chosen rate alone. Of several runs `report` is told which one an event is of (`seed`,
    `rate`).
    """
    start = _copied(base) if len(rates) * len(seeds) > 1 else {}
    several = len(start) > 0
    best: tuple[Finetuned, Run, dict[str, Tensor]] | None = None
    runs: list[Run] = []

    def go(rate: float, seed: int) -> tuple[Run, Finetuned | None]:
        base.load_state_dict(start, strict=several)
        facts = {"seed": seed, "rate": rate} if several else {}
        try:
            tuned = finetune(
                base, sets["train"], sets["dev"], replace(recipe, learning_rate=rate), seed,
                lambda event: report({**event, **facts}),
            )  # fmt: skip
        except DnabertError as wrong:
            if len(rates) == 1 and best is None:
                raise
            return Run(seed, rate, None, error=str(wrong)), None
        return Run(seed, rate, tuned.outcome), tuned

    def keep(run: Run, tuned: Finetuned) -> None:
        nonlocal best
        if best is None or best[1].outcome is None or _better(run, best[1]):
            best = tuned, run, _copied(tuned.network) if several else {}

    for rate in rates:
        run, tuned = go(rate, seeds[0])
        runs.append(run)
        if tuned is not None:
            keep(run, tuned)
    if best is None:
        raise DnabertError(f"no learning rate trains: {runs[0].error}")
    tuned, run, weights = best
    if several:
        tuned.network.load_state_dict(weights)
    run = _tested(run, tuned, sets)
    best = tuned, run, weights
    runs = [run if (each.seed, each.learning_rate) == (run.seed, run.learning_rate) else each for each in runs]
    chosen = [run]
    for seed in seeds[1:]:
        other, found = go(run.learning_rate, seed)
        if found is not None:
            other = _tested(other, found, sets)
            keep(other, found)
            chosen.append(other)
        runs.append(other)
    tuned, run, weights = best
    if several:
        tuned.network.load_state_dict(weights)
    return Swept(tuned, run, runs, chosen)


def spread(runs: Sequence[Run], name: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (of a sample) of every metric on a set ("dev" or "test") over runs."""
    tables = [run.test if name == "test" else run.outcome.dev for run in runs if run.outcome is not None]
    found = {}
    for metric in tables[0] or {}:
        values = np.array([table[metric] for table in tables if table is not None])
        deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        found[metric] = {"mean": float(values.mean()), "sd": deviation}
    return found


def _tested(run: Run, tuned: Finetuned, sets: Mapping[str, LabelledSet]) -> Run:
    return replace(run, test=evaluate(NetworkLearner(tuned.network), sets["test"])) if "test" in sets else run


def _better(one: Run, other: Run) -> bool:
    assert one.outcome is not None
    assert other.outcome is not None
    return rank(one.outcome.dev) > rank(other.outcome.dev)


def _copied(network: Network) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
