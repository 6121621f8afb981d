"""A part of a training set, for runs that must be short. Knows no files."""

from __future__ import annotations

import numpy as np

from ..seq.types import F64
from .sets import LabelledSet

__all__ = ["subsample"]


def subsample(data: LabelledSet, most: int, seed: int) -> LabelledSet:
    """At most so many rows, drawn without replacement, in their former order; all rows where there are no more.

    Classes of sequences keep their shares as nearly as whole rows can. Equal seeds draw equal rows.
    """
    if len(data) <= most:
        return data
    order = np.random.default_rng((seed, most)).permutation(len(data))
    place = np.empty(len(data), np.float64)
    groups = data.labels if data.kind == "classes" else np.zeros(len(data), np.int64)
    for label in np.unique(groups):
        members = order[groups[order] == label]
        # Evenly along 0 to 1, so that any beginning of the line holds each class in its share.
        along: F64 = (np.arange(len(members)) + 0.5) / len(members)
        place[members] = along
    return data.take(np.sort(order[np.argsort(place[order], kind="stable")[:most]]))
