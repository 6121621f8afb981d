"""`--estimate`: a run that is foretold in place of being made, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DnabertError
from ..workflows.progress import duration
from .screen import dim, show_counts, show_notes
from .verb import carry_out

__all__ = ["machines_of", "make_or_foretell", "show_estimate"]


def make_or_foretell(
    work: Callable[..., dict[str, Any]],
    flags: dict[str, Any],
    show: Callable[[dict[str, Any]], None],
    /,
    **instead: Any,
) -> None:
    """Carry out a verb that has --estimate and --machines: `show` is for a run that was made."""
    machines = machines_of(flags.pop("estimate"), flags.pop("machines"))
    carry_out(work, flags, show if machines is None else show_estimate, estimate=machines, **instead)


def machines_of(estimate: bool, machines: int | None) -> int | None:
    """On how many machines a run is to be foretold; None where it is to be made."""
    if not estimate and machines is not None:
        raise DnabertError(f"--machines {machines} belongs to --estimate")
    return (machines or 1) if estimate else None


def show_estimate(facts: Mapping[str, Any]) -> None:
    """Print what was foretold of a run."""
    about = "" if facts["exact"] else "about "
    rows = {
        facts["item"]: f"{about}{facts['items']:,}",
        "windows": facts["windows"],
        "passes through the encoder": facts["passes"],
        "time here": duration(facts["seconds"]),
    }
    if facts["machines"] > 1:
        rows[f"time on {facts['machines']:,} such machines"] = duration(facts["seconds_on_machines"])
    rows["memory"] = _size(facts["memory_bytes"])
    if facts["device_memory_bytes"] is not None:
        rows[f"memory of {facts['device']}"] = _size(facts["device_memory_bytes"])
    rows["output"] = _size(facts["output_bytes"])
    show_counts(f"{facts['of']} would take, on {facts['device']} in {facts['precision']}", rows)
    measured = facts["measured"]
    if measured is not None:
        rate = measured["tokens"] / max(measured["seconds"], 1e-9)
        dim(
            f"measured: {measured['items']:,} {facts['item']}, {measured['seconds']:.1f} s, {rate:,.0f} tokens/s; "
            f"windows counted in {facts['units_counted']:,} units"
        )
    show_notes(facts)


def _size(count: int) -> str:
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count / 1e3:.0f} kB"
