"""`--estimate`: what a run would take, from a count of its work and a few seconds of it."""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from ..engine.model import Model
from ..errors import DnabertError
from ..io.sequences import SequenceUnit
from ..seq.plan import Stretch
from ..seq.vcf_text import Records
from .measure import Job, Measured, Sample, Tally, count, measure

__all__ = ["Whole", "estimate", "of_records", "of_sequences", "of_stretches"]

Unit = TypeVar("Unit")

SECONDS = 5.0
"""Seconds of the real thing that an estimate measures."""

_COUNTING = 2.0  # seconds at most that the windows of sampled units are counted for
_KEPT = 16  # units of a stream that are kept
_READING = 60.0  # seconds after which the rest of a stream is judged by how much of the file it is
_PENDING = 5  # units that stand ready or are being read while one is computed (see engine.pipeline)


@dataclass(frozen=True)
class Whole(Generic[Unit]):
    """The whole input of a run: `total` items (`exact`, or judged by a part), in so many `shards`; a sample of it.

    seconds: what reading all of it takes; `by_tokens`: whether the output grows with what is scored, not with the
    items.
    """

    item: str
    total: float
    shards: int
    sample: Sample[Unit]
    seconds: float = 0.0
    exact: bool = True
    by_tokens: bool = False


def estimate(
    verb: str,
    model: Model,
    whole: Whole[Unit],
    score: Callable[[Model, Iterable[Unit], Path | None], None],
    *,
    output: str | Path,
    loading: float,
    machines: int = 1,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Foretell a run: passes, seconds here and on `machines` such machines, bytes of memory and of output.

    `score` runs units through the verb's real path into a file of the output's kind (None: into none); `loading` are
    the seconds from the verb's start until it could score. Windows are counted in units spread over the input, all
    where that is quick; then about `seconds` of the real thing are run, at least a batch for each core, and their
    output is thrown away. Seconds are those of the verb, without what Python takes to start, and on several machines
    those of the slowest, without joining what they wrote.
    """
    if machines < 1:
        raise DnabertError(f"--machines {machines}: give 1 or more")
    if machines > 1 and str(output) == "-":
        raise DnabertError("--machines: what several machines write is joined into a file; name one with -o")
    with tempfile.TemporaryDirectory(prefix="dnabert-fast-") as folder:
        path = Path(folder) / ("estimate.vcf" if str(output) == "-" else Path(output).name)

        def run(asked: Model, units: Iterable[Unit], keep: bool) -> int:
            score(asked, units, path if keep else None)
            return sum(each.stat().st_size for each in Path(folder).iterdir())

        job = Job(model, whole.sample, run)
        counted = count(job, _COUNTING)
        found = measure(job, counted, seconds) if any(tally.tokens for tally in counted.values()) else None
    work = _work(whole, counted)
    facts = {"verb": "estimate", "of": verb, "item": whole.item, "items": round(whole.total), "exact": whole.exact}
    facts |= {name: getattr(work, name) for name in ("windows", "passes", "tokens")} | {"shards": whole.shards}
    facts |= _times(whole, work, found, loading, machines)
    device = model.network.backend.device
    notes = [] if whole.exact else [f"the number of {whole.item} was judged by the first part of the input"]
    if found is None:
        notes.append(f"nothing to score was found in {len(counted):,} units of the input")
    if whole.shards < machines:
        notes.append(f"the run has {whole.shards:,} shards, so no more than so many machines have work")
    return facts | {
        "memory_bytes": _memory() + _PENDING * work.largest,
        "device_memory_bytes": torch.cuda.max_memory_reserved(device) if device.startswith("cuda") else None,
        "output_bytes": 0 if found is None else _written(whole, work, *found),
        "units_counted": len(counted),
        "device": device,
        "notes": notes,
    }


def _work(whole: Whole[Unit], counted: dict[int, Tally]) -> Tally:
    """What the whole run has to read, in proportion to the items of the units that were counted."""
    items = sum(whole.sample.size(whole.sample.units[place]) for place in counted)
    share = whole.total / items
    sums = {name: sum(getattr(tally, name) for tally in counted.values()) for name in ("windows", "passes", "tokens")}
    largest = max(tally.largest for tally in counted.values())
    return Tally(**{name: round(number * share) for name, number in sums.items()}, largest=largest)


def _times(
    whole: Whole[Unit], work: Tally, found: tuple[Measured, Measured] | None, loading: float, machines: int
) -> dict[str, Any]:
    """Seconds of the run here and on several machines, which share its shards; what they were reckoned from."""
    once, scoring, measured = loading, whole.seconds, None
    if found is not None:
        first, main = found
        once += max(0.0, first.seconds - first.tally.tokens / main.rate)
        scoring = max(scoring, work.tokens / main.rate)
        measured = {"items": main.items, "seconds": round(main.seconds, 3), "tokens": main.tally.tokens}
    on_each = math.ceil(whole.shards / machines) / whole.shards
    return {
        "seconds": round(once + scoring, 2),
        "seconds_once": round(once, 2),
        "machines": machines,
        "seconds_on_machines": round(once + scoring * on_each, 2),
        "measured": measured,
    }


def _written(whole: Whole[Unit], work: Tally, first: Measured, main: Measured) -> int:
    """Bytes of the whole output: those of a few items, and for each one more what more of them took."""
    x = [run.tally.tokens if whole.by_tokens else run.items for run in (first, main)]
    total = work.tokens if whole.by_tokens else whole.total
    if x[1] <= x[0]:
        return round(main.written * total / x[1])
    each = (main.written - first.written) / (x[1] - x[0])
    return max(0, round(first.written + each * (total - x[0])))


def _memory() -> int:
    """Bytes of this process's largest resident size."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024


def of_stretches(plan: Sequence[Stretch], stride: int, shard: int = 4) -> Whole[Stretch]:
    """The stretches of a scan; `shard` of them are computed as one."""

    def part(stretch: Stretch, bases: int) -> Stretch:
        strides = max(1, bases // stride)
        return replace(stretch, end=min(stretch.end, stretch.start + strides * stride))

    sample = Sample(plan, lambda stretch: stretch.end - stretch.start, part)
    total = sum(stretch.end - stretch.start for stretch in plan)
    return Whole("bases", total, math.ceil(len(plan) / shard), sample, by_tokens=True)


def of_records(
    units: Iterable[tuple[Records, float | None]], shard_bytes: int = 1 << 22, reading: float = _READING
) -> Whole[Records]:
    """The records of a VCF that comes in units, each with the share of the file that was read with it.

    `shard_bytes` of text are computed as one. After `reading` seconds the rest is judged by the share.
    """

    def part(records: Records, n: int) -> Records:
        end = int(records.columns[n, 0])
        return replace(records, text=records.text[:end], columns=records.columns[:n], position=records.position[:n])

    sizes = {"records": 0.0, "text": 0.0}
    shares: list[float | None] = []

    def along() -> Iterable[Records]:
        for records, share in units:
            sizes["records"] += len(records)
            sizes["text"] += records.text.nbytes
            shares[:] = [share]
            yield records

    kept, seconds, whole = _kept(along(), reading, lambda: bool(shares and shares[0]))
    if not whole and shares[0]:
        seconds /= shares[0]
        sizes = {name: size / shares[0] for name, size in sizes.items()}
    shards = max(1, math.ceil(sizes["text"] / shard_bytes))
    return Whole("records", sizes["records"], shards, Sample(kept, len, part), seconds, whole)


def of_sequences(units: Iterable[SequenceUnit], shard: int = 4) -> Whole[SequenceUnit]:
    """The sequences of a file that comes in units; `shard` of them are computed as one."""

    def part(unit: SequenceUnit, n: int) -> SequenceUnit:
        second = None if unit.second is None else unit.second[:n]
        return replace(unit, windows=unit.windows[:n], names=unit.names[:n], second=second)

    sizes: list[int] = []

    def along() -> Iterable[SequenceUnit]:
        for unit in units:
            sizes.append(len(unit.windows))
            yield unit

    kept, seconds, _ = _kept(along(), math.inf, lambda: False)
    sample = Sample(kept, lambda unit: len(unit.windows), part)
    return Whole("sequences", sum(sizes), max(1, math.ceil(len(sizes) / shard)), sample, seconds)


def _kept(units: Iterable[Unit], reading: float, known: Callable[[], bool]) -> tuple[list[Unit], float, bool]:
    """Up to 16 units spread evenly over a stream, the seconds it took to read, and whether it was read to its end.

    Reading ends after `reading` seconds where the share of it is `known`.
    """
    began, step = time.monotonic(), 1
    kept: list[Unit] = []
    for number, unit in enumerate(units):
        if number % step == 0:
            kept.append(unit)
        if len(kept) > _KEPT:
            kept, step = kept[::2], step * 2
        if time.monotonic() - began > reading and known():
            return kept, time.monotonic() - began, False
    return kept, time.monotonic() - began, True
