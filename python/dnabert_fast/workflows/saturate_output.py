"""What `saturate` writes: a table of SNVs, ranked as they come or when all are there, and its head."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..analysis.changes import change_meanings
from ..analysis.saturate import Background, Saturated, Saturation, raw_score
from ..engine.scores import Readout
from ..io.score_table import StoredBackground
from ..seq.genome import Genome
from ..seq.lookup import META
from .outputs import Output
from .ranked import PREFIX, SnvRows, phred_meaning

__all__ = ["SnvTable"]


@dataclass(frozen=True)
class SnvTable:
    """What the table of a run looks like; `settings` go into its header."""

    path: Path
    genome: Genome
    plan: Saturation
    readout: Readout
    settings: dict[str, Any]
    assembly: str | None

    def output(self, stored: StoredBackground | None) -> Output[Saturated]:
        """The table with ranks among a background, or without one among its own SNVs."""
        if stored is None:
            before, after = self._meta(None)
            contigs = list(self.genome.names)
            sink = {"kind": "ranked", "before": before, "after": after, "scores": self._scores, "contigs": contigs}
            return Output("output", self.path, sink, _put_all)
        before, after = self._meta(stored.facts)
        ranked = phred_meaning(stored.facts["snvs"], f"of the background {stored.facts['regions']}")
        fields = [f"{PREFIX}_{name}" for name in self._scores]
        sink = {"kind": "snvs", "meta": [*before, ranked, *after], "fields": fields}
        return Output("output", self.path, sink, _put_ranked(SnvRows(self.genome.names), stored))

    @property
    def _scores(self) -> list[str]:
        return list(change_meanings(self.readout))

    def _meta(self, background: dict[str, Any] | None) -> tuple[list[str], list[str]]:
        """The lines of the head around that of PHRED; `background` is what is told of one."""
        meanings = change_meanings(self.readout)
        raw = "LOGOR" if "LOGOR" in meanings else "DIFF"
        contigs = [
            f"##contig=<ID={self.genome.names[row]},length={self.genome.lengths[row]}>"
            for row in np.unique(self.plan.contig).tolist()
        ]
        before = [
            "##fileformat=dnabert_fast scores of SNVs, version 1",
            f"##source=dnabert_fast {__version__}",
            META + json.dumps({"prefix": PREFIX, **self.settings, "background": background}),
            *([] if self.assembly is None else [f"##assembly={' '.join(self.assembly.split())}"]),
            *contigs,
            f"##RawScore=|{raw}|",
        ]
        return before, [f"##{PREFIX}_{name}={said}" for name, said in meanings.items()]


def _put_all(sink: Any, unit: Saturated) -> None:
    if len(unit):
        sink.write(unit.contig, unit.position, unit.ref, unit.alt, *unit.fields.values())


def _put_ranked(rows: SnvRows, stored: StoredBackground) -> Callable[[Any, Saturated], None]:
    scale = Background.of(stored.bins, stored.counts).scale()

    def put(sink: Any, unit: Saturated) -> None:
        raw = raw_score(unit.fields)
        rows.write(sink, unit, raw, scale(raw))

    return put
