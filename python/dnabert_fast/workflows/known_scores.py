"""Scores that a table of `saturate` has already, so that `variants` computes the others alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DnabertError, FormatError
from ..seq.genome import Genome
from ..seq.lookup import OTHER_REF, ScoreTable, look_up
from ..seq.types import F32, Bool
from ..seq.variants import Alleles, Flag
from ..seq.vcf_text import Records

__all__ = ["KnownScores", "table_settings"]

_SAME = ("model", "window", "strand", "class", "precision")


class KnownScores:
    """See `analysis.variants.Known`. The scores `keys` of a table that was made with these settings.

    Raises FormatError for a file that is no table of `saturate`, DnabertError naming all settings of `settings` (those
    of `variants`) that are not the table's.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any], keys: list[str], genome: Genome) -> None:
        self._genome = genome
        self._normalize = bool(settings["normalize"])
        made = table_settings(path)
        if settings["windows"] != "centred":
            raise DnabertError(f"--table {path}: holds scores of centred windows; leave --windows out")
        others = [name for name in _SAME if made.get(name) != settings.get(name)]
        if others:
            said = ", ".join(_told(name, made.get(name), settings.get(name)) for name in others)
            raise DnabertError(f"--table {path}: was made with {said}; its scores would not be those of this run")
        prefix = made["prefix"]
        self._table = ScoreTable(path, columns=[f"{prefix}_{key}" for key in keys])
        self._key_of = {f"{prefix}_{key}": key for key in keys}

    def __call__(self, records: Records, alleles: Alleles) -> tuple[dict[str, F32], Bool]:
        """Look the alleles of a unit up; raises DnabertError where the table has another REF than the genome."""
        found = look_up(records, alleles, self._table, self._genome if self._normalize else None)
        odd = np.flatnonzero((found.hits == OTHER_REF) & (alleles.flags & np.uint32(Flag.REF_DIFFERS) == 0))
        odd = odd[alleles.scored[odd] & (alleles.ref.lengths[odd] == 1) & (alleles.alt.lengths[odd] == 1)]
        if len(odd):
            record = int(alleles.record[odd[0]])
            raise DnabertError(
                f"{records.where(record)}: the table {self._table.path} has another REF there than the genome; give "
                "the table of this assembly"
            )
        return {self._key_of[name]: column for name, column in found.fields.items()}, ~found.missing


def _told(name: str, made: object, asked: object) -> str:
    """What a table has and this run has not; a hash says no more than that models are others."""
    if name == "model":
        return f"another model (hash {str(made)[:12]}, this run's {str(asked)[:12]})"
    return f"{name} {made} where this run has {asked}"


def table_settings(path: str | Path) -> dict[str, Any]:
    """What a table of `saturate` was made with; raises FormatError for another's table."""
    made = ScoreTable(path).settings
    if made is None:
        raise FormatError(
            f"--table {path}: not a table of `dnabert-fast saturate`; use `lookup` to add another's scores"
        )
    return made
