"""The frame of the verbs whose work can be resumed, split, foretold and spread over the nodes of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .cluster import asked_cluster, on_cluster
from .common import check_outputs, write_summary
from .report import check_report
from .session import Session, those_of
from .work import Work, asked_work

__all__ = ["run_verb"]


def run_verb(
    asked: Mapping[str, Any],
    opening: Callable[..., AbstractContextManager[Session[Any]]],
    facts_of: Callable[[Mapping[str, Any], Mapping[str, Any], list[str]], dict[str, Any]],
    *,
    inputs: Sequence[str | Path | None],
    outputs: Mapping[str, str | Path | None],
    stored: Callable[[Work | None], Mapping[str, Any]],
    items: str,
    shard_size: int,
) -> dict[str, Any]:
    """Run the work of a verb, foretell it, or spread it, as `asked` by the verb's arguments; returns the facts.

    `opening` gives the session of its arguments among these, `facts_of` makes facts of settings, counts and notes.
    `outputs`, by flag, go without summary and report. For a cluster, `stored` are those of the inputs that may be
    pipes, as files, and `items` is what progress counts. A shard has `shard_size` units unless another is asked for.
    Facts are written to the summary that was asked for, too.
    """
    began = time.monotonic()
    report, estimate, output = asked.get("report"), asked["estimate"], asked["output"]
    check_outputs(inputs, {**outputs, "--summary": asked["summary"], "--report": report})
    check_report(report, [], output)
    work = asked_work(asked["work"], asked["shard"], asked["shard_size"], shard_size, report, estimate=estimate)
    cluster = asked_cluster(
        asked["ray"], asked["ray_cpus"], work, list(outputs.values()),
        device=asked["device"], threads=asked["threads"], estimate=estimate,
    )  # fmt: skip
    given = those_of(opening, {**asked, "work": work, "began": began})
    if cluster is not None:
        facts = on_cluster(cluster, opening, {**given, **stored(work)}, facts_of, items, asked["progress"])
        facts["seconds"] = round(time.monotonic() - began, 3)
    else:
        with opening(**given) as session:
            if estimate is not None:
                facts = session.foretell(estimate, asked["shard_size"] or shard_size)
            else:
                results = session.run(asked["progress"])
                facts = facts_of(results.settings, results.counts, results.notes)
                facts |= session.model.facts() | results.facts(began, output)
    write_summary(asked["summary"], facts)
    return facts
