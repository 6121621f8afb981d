"""The verbs `merge` and `status`: a work folder's parts to outputs, and how far its job is."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.jobs import FIRST, Job, Receipt, read_job
from ..errors import DnabertError
from .common import check_outputs, write_summary
from .haplotypes import haplotype_facts
from .jobs import joined
from .outputs import suffix_of
from .progress import Progress, silent
from .saturate import saturate_facts
from .scan import scan_facts
from .sequences import sequence_facts
from .variants import variant_facts

__all__ = ["merge", "status"]

_FACTS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], list[str]], dict[str, Any]]] = {
    "variants": variant_facts,
    "scan": scan_facts,
    "predict": sequence_facts,
    "embed": sequence_facts,
    "saturate": saturate_facts,
    "haplotypes": haplotype_facts,
}
_LATEST = 50  # receipts that the rate is told by
_SHOWN = 5


def merge(
    work: str | Path,
    *,
    output: str | Path | None = None,
    calls: str | Path | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Join the parts of a work folder whose shards are all done into the very file that a run in one go writes.

    output, calls: of the kinds that the job was begun with; None is where it was begun to write to. All parts are read
    and checked first. Returns the facts of the whole run, also written to `summary`. Raises DnabertError where shards
    are missing or damaged: the job's own command computes them.
    """
    began = time.monotonic()
    job = _begun(work)
    if job.identity["verb"] not in _FACTS:
        raise DnabertError(f"{work}: a job of {job.identity['verb']} is ended by its own command; run that again")
    inputs = list(job.about["inputs"].values())
    paths = _paths(job, {"output": output, "calls": calls})
    check_outputs(inputs, {**{f"--{name}": path for name, path in paths.items()}, "--summary": summary})
    advance = progress("checking parts", "shards", job.count)
    done, damaged = job.survey(range(job.count), told=advance)
    missing = [shard for shard in range(job.count) if shard not in done]
    if missing:
        what = next(iter(damaged.values()), "")
        raise DnabertError(
            f"{work}: {len(missing):,} of {job.count:,} shards are not done ({_listed(missing)})"
            f"{f'; {what}' if what else ''}; run the job's command again to compute them"
        )
    counts, notes = joined(job, [done[shard] for shard in range(job.count)], paths, progress)
    facts = _FACTS[job.identity["verb"]](job.about["settings"], counts, notes)
    facts |= {"seconds": round(time.monotonic() - began, 3), "output": str(paths["output"])}
    write_summary(summary, facts)
    return facts


def status(work: str | Path) -> dict[str, Any]:
    """How far the job of a work folder is; parts are not read, only their sizes looked at.

    `shards`, `done`, `missing` (numbers from 1); `damaged` and `failures`, a line each, of shards that are not done;
    `counts` of those that are; `seconds_since_last` one was done, `shards_per_hour` lately, and `hours_left` at that
    rate, None where nobody knows. Of a job in two steps it is the first that is told of until the second is begun.
    """
    job = _begun(work)
    done, damaged = job.survey(range(job.count), whole=False)
    failures = [said for said in job.failures() if said["shard"] not in done]
    finished = sorted(datetime.datetime.fromisoformat(receipt.finished) for receipt in done.values())
    since = (datetime.datetime.now(datetime.timezone.utc) - finished[-1]).total_seconds() if finished else None
    rate = _per_hour(finished[-_LATEST:])
    return {
        "work": str(work),
        "verb": job.identity["verb"],
        "shards": job.count,
        "done": len(done),
        "missing": [shard + 1 for shard in range(job.count) if shard not in done],
        "damaged": list(damaged.values()),
        "failures": [f"{said['time']} {said['host']}, shard {said['shard'] + 1}: {said['error']}" for said in failures],
        "seconds_since_last": None if since is None else round(since, 1),
        "shards_per_hour": rate,
        "hours_left": None if rate is None else round((job.count - len(done)) / rate, 3),
        "hosts": dict(Counter(receipt.host for receipt in done.values())),
        "devices": dict(Counter(receipt.device for receipt in done.values())),
        "bytes": sum(part.bytes for receipt in done.values() for part in receipt.parts.values()),
        "counts": _sums(list(done.values())),
    }


def _begun(work: str | Path) -> Job:
    """The job of a folder, or the one that has to be done before it where that alone is begun."""
    first = Path(work) / FIRST
    only_first = not (Path(work) / "job.json").exists() and (first / "job.json").exists()
    return read_job(first if only_first else work)


def _paths(job: Job, given: Mapping[str, str | Path | None]) -> dict[str, str | Path]:
    """Where each output of the job goes; DnabertError for one that the job has not, and for another kind of file."""
    outputs = job.about["outputs"]
    for name, path in given.items():
        if path is None:
            continue
        if name not in outputs:
            raise DnabertError(f"--{name} {path}: the job was begun without --{name}")
        kind = job.identity["outputs"][name]
        if suffix_of(path) != kind:
            raise DnabertError(f"--{name} {path}: the parts are of a {kind} file; name it so")
    return {name: given.get(name) or about["path"] for name, about in outputs.items()}


def _per_hour(finished: Sequence[datetime.datetime]) -> float | None:
    if len(finished) < 2 or finished[-1] == finished[0]:
        return None
    return round((len(finished) - 1) / (finished[-1] - finished[0]).total_seconds() * 3600, 1)


def _sums(receipts: Sequence[Receipt]) -> dict[str, int]:
    """The plain numbers among the counts, added up."""
    sums: Counter[str] = Counter()
    for receipt in receipts:
        sums.update({name: value for name, value in receipt.counts.items() if isinstance(value, int)})
    return dict(sums)


def _listed(shards: Sequence[int]) -> str:
    more = f" and {len(shards) - _SHOWN:,} more" if len(shards) > _SHOWN else ""
    return f"{', '.join(str(shard + 1) for shard in shards[:_SHOWN])}{more}"
