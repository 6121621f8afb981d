"""The verbs of a job's work folder: merge and status."""

from __future__ import annotations

import json

from .flags import common as c
from .screen import note, plain, show_counts, shown_progress

__all__ = ["merge", "status"]


def merge(
    job: c.Job, output: c.Merged = None, calls: c.MergedCalls = None, summary: c.Summary = None, quiet: c.Quiet = False
) -> None:
    """Join the shards of a job to the file that a run in one go writes."""
    from ..workflows.merge import merge as work

    with shown_progress(quiet) as progress:
        facts = work(job, output=output, calls=calls, summary=summary, progress=progress)
    if quiet:
        return
    numbers = {name: value for name, value in facts.items() if type(value) is int}
    show_counts(f"{facts['output']}  ({facts['seconds']:.1f} s)", {_spelt(name): n for name, n in numbers.items()})
    for text in facts["notes"]:
        note(text)


def status(job: c.Job) -> None:
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
