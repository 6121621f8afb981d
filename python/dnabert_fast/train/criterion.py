"""What training lowers, and how good answers are: by classes, values or labels of bases. Knows no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DnabertError
from ..evaluate.metrics import class_metrics
from ..evaluate.weighted import RegressionStatistic
from ..seq.types import F32, F64
from .sets import NO_LABEL, Kind, LabelledSet

__all__ = ["Criterion", "collapse_warning", "measure", "rank", "weights_of_classes"]


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy of classes, each weighing `weights` fp32 [C] (None: all alike), or the squared error of values."""

    kind: Kind
    weights: Tensor | None = None

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of all rows together: outputs [m, C] against targets [m]."""
        if self.kind == "values":
            return F.mse_loss(outputs[:, 0], targets, reduction="sum")
        weights = None if self.weights is None else self.weights.to(outputs.device)
        return F.cross_entropy(outputs, targets, weight=weights, reduction="sum")

    def weight(self, targets: Tensor) -> float:
        """What the loss of rows is divided by for their mean."""
        return float(len(targets)) if self.weights is None else float(self.weights[targets.cpu()].sum())


def weights_of_classes(data: LabelledSet, given: Literal["balanced"] | tuple[float, ...] | None) -> Tensor | None:
    """Weights fp32 [C] of the classes: as given, or such that all classes of a set weigh the same together.

    Raises DnabertError where there are not as many as classes, or where values have none.
    """
    if given is None:
        return None
    if data.kind == "values":
        raise DnabertError("--class-weights: a regression has no classes")
    counts = np.bincount(data.labels[data.labels != NO_LABEL].astype(np.int64))
    if given == "balanced":
        return torch.from_numpy(counts.sum() / (len(counts) * counts)).float()
    if len(given) != len(counts):
        raise DnabertError(f"--class-weights: {len(given)} weights, but the training set has {len(counts)} classes")
    return torch.tensor(given)


def measure(answers: F32, data: LabelledSet) -> dict[str, float]:
    """How good outputs [n, C] are: the mean loss without weights (`loss`), and metrics.

    Classes: `classes_predicted`, how many are at all, and those of `evaluate.metrics`; of labelled bases the same over
    all that have both a label and an answer. Values: `evaluate.weighted.REGRESSION`.
    """
    if data.kind == "values":
        return _of_values(data.labels.astype(np.float64), answers[:, 0].astype(np.float64))
    labels = data.labels.astype(np.int64)
    if data.kind == "tokens":
        judged = (labels != NO_LABEL) & ~np.isnan(answers[:, 0])
        labels, answers = labels[judged], answers[judged]
    scores = torch.from_numpy(answers).double()
    loss = float(F.cross_entropy(scores, torch.from_numpy(labels)))
    probabilities = scores.softmax(dim=1).numpy()
    predicted = len(np.unique(probabilities.argmax(axis=1)))
    return {"loss": loss, "classes_predicted": predicted, **class_metrics(labels, probabilities)}


def _of_values(measured: F64, found: F64) -> dict[str, float]:
    statistic = RegressionStatistic(measured, found)
    numbers = statistic(np.ones((1, len(measured)), np.int64))[0].tolist()
    return {"loss": float(np.square(found - measured).mean()), **dict(zip(statistic.names, numbers, strict=True))}


def rank(metrics: Mapping[str, float]) -> tuple[float, float]:
    """What the better of two evaluations has more of: the MCC, then the lower loss; of values the lower loss alone."""
    return metrics.get("mcc", 0.0), -metrics["loss"]


def collapse_warning(metrics: Mapping[str, float]) -> str | None:
    """A line for the user where every sequence of the evaluated set was given the same answer."""
    if "pearson" in metrics:
        same, what = np.isnan(metrics["pearson"]), "value"
    else:
        same, what = metrics["classes_predicted"] <= 1, "class"
    if not same:
        return None
    return f"one {what} is predicted for every dev sequence; if this lasts, lower the learning rate or warm up longer"
