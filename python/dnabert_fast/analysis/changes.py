"""What a change from REF to ALT does to a model's answer, as fields of a record say it. Pure arrays."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..engine.scores import Readout, log_odds_ratio, weighted_difference
from ..seq.types import F32, F64

__all__ = ["SCORES", "change_fields", "change_meanings", "scores_of_pairs"]

SCORES = ("REF", "ALT", "DIFF", "LOGOR")
"""The fields of a model; a regression has no LOGOR."""


def change_meanings(readout: Readout, what: str = "") -> dict[str, str]:
    """What each field says, in a sentence; `what` is put in place of "Probability of class X" or "Value"."""
    said = what or ("Value" if readout.regression else f"Probability of class {readout.label}")
    told = {
        "REF": f"{said} of the reference window",
        "ALT": f"{said} of the window with the ALT allele",
        "DIFF": "(ALT - REF) * max(REF, ALT), the difference score of Ji et al. 2021",
    }
    if readout.regression:
        return told | {"DIFF": "ALT - REF"}
    meaning = "log2 odds(REF) - log2 odds(ALT); positive where the ALT allele lowers the probability"
    return told | {"LOGOR": meaning}


def scores_of_pairs(readout: Readout, logits: F32) -> tuple[F64, F64]:
    """The scores (see `Readout.score`) of n reference windows and of their alternatives; logits [2 n, C]."""
    ref, alt = np.split(readout.score(logits), 2)
    return ref, alt


def change_fields(readout: Readout, ref: F64, alt: F64, keys: Collection[str] = SCORES) -> dict[str, F64]:
    """The fields of scores (see `Readout.score`) of n reference windows and of their alternatives; those of `keys`."""
    found: dict[str, F64] = {}
    for key in keys:
        if key in ("REF", "ALT"):
            found[key] = readout.value(ref if key == "REF" else alt)
        elif key == "DIFF":
            found[key] = alt - ref if readout.regression else weighted_difference(ref, alt)
        elif not readout.regression:
            found[key] = log_odds_ratio(ref, alt)
    return found
