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
    runs = _Runs(base, sets, recipe, report, several=len(rates) * len(seeds) > 1)
    for rate in rates:
        runs.make(rate, seeds[0], must=len(rates) == 1)
    if runs.best is None:
        raise DnabertError(f"no learning rate trains: {runs.made[0].error}")
    runs.test_best()
    chosen = [runs.best]
    for seed in seeds[1:]:
        run = runs.make(chosen[0].learning_rate, seed, test=True)
        if run.outcome is not None:
            chosen.append(run)
    return Swept(runs.network_of_best(), runs.best, runs.made, chosen)


class _Runs:
    """Runs that begin with one network: those that were `made`, and which was `best` on dev."""

    def __init__(
        self,
        base: Network,
        sets: Mapping[str, LabelledSet],
        recipe: Recipe,
        report: Callable[[Event], None],
        *,
        several: bool,
    ) -> None:
        self._base, self._sets, self._recipe, self._report = base, sets, recipe, report
        # One run alone needs no copies of a network that may be large.
        self._start = _copied(base) if several else None
        self._tuned: Finetuned | None = None
        self._weights: dict[str, Tensor] = {}
        self.best: Run | None = None
        self.made: list[Run] = []

    def make(self, rate: float, seed: int, *, must: bool = False, test: bool = False) -> Run:
        """Make a run; one that stops at what is not a number is noted as such, unless it `must` not.

        With `test` it is judged on the test set, where there is one.
        """
        if self._start is not None:
            self._base.load_state_dict(self._start)
        recipe = replace(self._recipe, learning_rate=rate)
        try:
            tuned = finetune(self._base, self._sets["train"], self._sets["dev"], recipe, seed, self._teller(rate, seed))
        except DnabertError as wrong:
            if must:
                raise
            self.made.append(Run(seed, rate, None, error=str(wrong)))
            return self.made[-1]
        run = Run(seed, rate, tuned.outcome)
        run = _tested(run, tuned, self._sets) if test else run
        self.made.append(run)
        if self.best is None or _better(run, self.best):
            self.best, self._tuned = run, tuned
            self._weights = {} if self._start is None else _copied(tuned.network)
        return run

    def test_best(self) -> None:
        """Judge the best run on the test set, where there is one."""
        assert self.best is not None
        at = next(number for number, run in enumerate(self.made) if run is self.best)
        self.best = self.made[at] = _tested(self.best, self.network_of_best(), self._sets)

    def network_of_best(self) -> Finetuned:
        """The network of the best run, with its weights, which all runs share, put back."""
        assert self._tuned is not None
        if self._start is not None:
            self._tuned.network.load_state_dict(self._weights)
        return self._tuned

    def _teller(self, rate: float, seed: int) -> Callable[[Event], None]:
        if self._start is None:
            return self._report
        return lambda event: self._report({**event, "seed": seed, "rate": rate})


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
