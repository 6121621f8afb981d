"""From logits to what users read: probabilities, and the paper's scores of a change. Pure arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DnabertError
from ..seq.types import F32, F64

__all__ = ["Readout", "log_odds_ratio", "probability", "weighted_difference"]


@dataclass(frozen=True)
class Readout:
    """Which number of a head is the score: the log-odds of one class, or the value of a regression.

    Logits of classes are divided by the `temperature` of a calibrated model, values of a regression are not.
    """

    column: int
    regression: bool
    label: str
    temperature: float = 1.0

    @staticmethod
    def choose(labels: tuple[str, ...], regression: bool, name: str | None, temperature: float = 1.0) -> Readout:
        """The second class of two, the class called `name`, or the value of a regression.

        Raises DnabertError where a head of more classes leaves the choice open, or has no class of that name.
        """
        if regression:
            if name is not None:
                raise DnabertError(f"--class {name}: this model is a regression and has no classes")
            return Readout(0, True, labels[0] if labels else "value")
        if name is None:
            if len(labels) == 2:
                return Readout(1, False, labels[1], temperature)
            raise DnabertError(f"this model has {len(labels)} classes; choose one with --class: {', '.join(labels)}")
        if name not in labels:
            raise DnabertError(f"--class {name}: this model's classes are {', '.join(labels)}")
        return Readout(labels.index(name), False, name, temperature)

    def score(self, logits: F32) -> F64:
        """The score of each row of logits [n, C], float64 [n]: log-odds (natural) of the class, or the value."""
        table = logits.astype(np.float64)
        if self.regression:
            return table[:, self.column]
        table /= self.temperature
        others = np.delete(table, self.column, axis=1)
        top = others.max(axis=1)
        log_sum: F64 = top + np.log(np.exp(others - top[:, None]).sum(axis=1))
        odds: F64 = table[:, self.column] - log_sum
        return odds

    def value(self, score: F64) -> F64:
        """What a user reads: the probability of the class, or the value of a regression."""
        return score if self.regression else probability(score)


def probability(odds: F64) -> F64:
    """Probability of natural log-odds; exact at both tails."""
    small = np.exp(-np.abs(odds))
    result: F64 = np.where(odds >= 0, 1.0, small) / (1.0 + small)
    return result


def weighted_difference(ref_odds: F64, alt_odds: F64) -> F64:
    """(p_alt - p_ref) * max(p_ref, p_alt), the difference score of Ji et al. 2021 (section 2.4)."""
    ref, alt = probability(ref_odds), probability(alt_odds)
    result: F64 = (alt - ref) * np.maximum(ref, alt)
    return result


def log_odds_ratio(ref_odds: F64, alt_odds: F64) -> F64:
    """log2 odds(ref) - log2 odds(alt); positive where the variant lowers the probability; never infinite."""
    result: F64 = (ref_odds - alt_odds) / np.log(2.0)
    return result
