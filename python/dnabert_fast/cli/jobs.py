"""The verbs of a job's work folder: merge and status."""

from __future__ import annotations

import json
from typing import Any

from . import flags as o
from .screen import plain, show_counts, show_notes, written
from .verb import carry_out, flags_of

__all__ = ["merge", "status"]


def merge(
    job: o.Job, output: o.Merged = None, calls: o.MergedCalls = None, summary: o.Summary = None, quiet: o.Quiet = False
) -> None:
    """Join the shards of a job to the file that a run in one go writes."""
    flags = flags_of(locals())
    from ..workflows.merge import merge as work

    carry_out(work, flags, _show, work=flags.pop("job"))


def _show(facts: dict[str, Any]) -> None:
    numbers = {_spelt(name): value for name, value in facts.items() if type(value) is int and name != "schema"}
    show_counts(written(facts), numbers)
    show_notes(facts)


def status(job: o.Job) -> None:
    """Show how far a job is: shards done, their rate, the time left and failures; the last line is JSON."""
    from ..workflows.merge import status as work

    facts = work(job)
    print(f"{facts['verb']}: {facts['done']:,} of {facts['shards']:,} shards are done, {facts['bytes']:,} bytes")
    for name, n in facts["counts"].items():
        print(f"  {_spelt(name)}: {n:,}")
    if facts["shards_per_hour"] is not None:
        left = f"; about {facts['hours_left']:.1f} hours left" if facts["missing"] else ""
        ago = f"the last {facts['seconds_since_last']:,.0f} s ago"
        print(f"{facts['shards_per_hour']:,.0f} shards an hour lately, {ago}{left}")
    for what in (*facts["damaged"], *facts["failures"]):
        print(plain(what))
    print(json.dumps(facts))


def _spelt(name: str) -> str:
    return name.replace("_", " ")
