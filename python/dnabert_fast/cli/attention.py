"""The verb `attention`: what a model looks at."""

from __future__ import annotations

from typing import Any

from . import flags as o
from .screen import aloud, note, show_run
from .verb import carry_out, flags_of, takes

__all__ = ["attention"]

_COUNTS = {
    "windows": "windows",
    "left_out_n": "left out for unknown bases",
    "sequences": "sequences",
    "shorter_than_k": "shorter than k, without a score",
    "longer_than_window": "longer than the model's window",
    "bases": "bases",
    "high_regions": "high regions",
    "heads": "heads",
    "tokens": "tokens",
}


@takes(o.machine)
def attention(
    source: o.Attended,
    model: o.Model,
    output: o.AttentionOutput,
    regions: o.AttendedRegions = None,
    window: o.Window = None,
    stride: o.AttendedStride = None,
    strand: o.Strand = "+",
    raw: o.Raw = False,
    high: o.High = None,
    quantile: o.Quantile = None,
    full_map: o.FullMap = False,
    max_n: o.MaxN = 0.5,
    **shared: Any,
) -> None:
    """Write how much the model attends to each base: arrays, tables, tracks, and the regions attended to most."""
    flags = flags_of(locals())
    from ..workflows.attention import attention as work

    told: list[str] = []
    tell = aloud(note, flags["quiet"])

    def say(line: str) -> None:
        told.append(line)
        tell(line)

    def show(facts: dict[str, Any]) -> None:
        rows = {words: facts[name] for name, words in _COUNTS.items() if name in facts}
        show_run(facts | {"notes": [text for text in facts["notes"] if text not in told]}, rows)

    carry_out(work, flags, show, map_only=flags.pop("full_map"), say=say)
