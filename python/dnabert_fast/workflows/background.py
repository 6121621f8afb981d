"""What the scores of `saturate` are ranked among: made of regions, kept with a model, found again by later runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..analysis.saturate import Background, Saturation
from ..engine.jobs import read_job, refuse_another
from ..errors import DnabertError
from ..io.atomic import publish
from ..io.score_table import StoredBackground, read_background, write_background
from ..seq.genome import Genome
from ..seq.types import Bool
from ..seq.variants import Regions
from .work import Work

__all__ = ["Distribution", "refuse_other_table", "regions_told"]


class Distribution:
    """Where the background of a model in these settings is kept: beside the model, else in the user's cache."""

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        name = f"background-{digest}.npz"
        self._places = [Path(model) / name] if Path(model).is_dir() else []
        try:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            self._places.append(cache / "dnabert_fast" / "backgrounds" / name)
        except RuntimeError:  # a user without a home keeps it with the model or not at all
            pass
        self._settings = settings
        self.path: Path | None = None
        self.stored: StoredBackground | None = None
        for path in self._places:
            if (found := read_background(path)) is not None:
                self.path, self.stored = path, found
                return

    def keep(self, found: Background, of: dict[str, Any], work: Work | None) -> None:
        """Keep a distribution in the place of the one before; `of` says what it was made of.

        DnabertError for one of no scores, and where the table in the folder of `work` was begun with another.
        """
        if not found.total:
            raise DnabertError("--background: no base of these regions is known; there is nothing to rank among")
        bins = found.bins
        stored = StoredBackground(bins, found.counts[bins], {**self._settings, "snvs": found.total, **of})
        if work is not None:
            refuse_another(work.folder, "saturate", {}, {"background": _hash(stored)}, publish)
        for path in self._places:
            with suppress(OSError, DnabertError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_background(path, stored)
                self.path, self.stored = path, stored
                return
        where = " or ".join(str(path.parent) for path in self._places)
        raise DnabertError(f"--background: no place to keep it: {where or 'the model is no folder'} cannot be written")

    def facts(self) -> dict[str, Any] | None:
        """What a summary says of it; None where there is none."""
        return None if self.stored is None else {**self.stored.facts, "file": str(self.path)}

    def hash(self) -> str | None:
        """16 hexadecimal digits of what is ranked among; None where there is none."""
        return None if self.stored is None else _hash(self.stored)


def _hash(stored: StoredBackground) -> str:
    return hashlib.sha256(stored.bins.tobytes() + stored.counts.tobytes()).hexdigest()[:16]


def refuse_other_table(
    work: Work,
    inputs: Mapping[str, str | Path | None],
    options: Mapping[str, Any],
    bed: str | Path,
    told: dict[str, Any],
) -> None:
    """Refuse a folder of another job, and of a table begun without a background or with one of other regions.

    `inputs` and `options` as in `refuse_another`; `told` is what `regions_told` says of the regions in the file `bed`.
    """
    other: dict[str, Any] = {}
    if (work.folder / "job.json").exists():
        ranked = read_job(work.folder).about.get("settings", {}).get("background") or {}
        if any(ranked.get(name) != value for name, value in told.items()):
            other["background"] = f"that of {bed}"
    refuse_another(work.folder, "saturate", inputs, {**options, **other}, publish)


def regions_told(plan: Saturation, genome: Genome) -> dict[str, Any]:
    """What is said of a background: its regions by hash, and how many bases they have."""
    none: Bool = plan.start < 0
    return {"regions": Regions(plan.contig, plan.start, plan.end, none).hash(genome.names), "bases": plan.bases}
