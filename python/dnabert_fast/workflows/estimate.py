"""`--estimate`: what a run would take, from a count of its work and a few seconds of it."""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from ..engine.model import Model
from ..errors import DnabertError
from ..io.sequences import SequenceUnit
from ..io.vcf_source import VcfSource, has_sections
from ..seq.plan import Stretch
from ..seq.sections import SECTION_BYTES, Sections
from ..seq.vcf_text import Records
from .measure import Job, Measured, Sample, Tally, Watch, count, measure
from .outputs import Output, open_sink, suffix_of

__all__ = ["Whole", "estimate", "of_records", "of_sequences", "of_stretches"]

Unit = TypeVar("Unit")
Result = TypeVar("Result")

SECONDS = 5.0
"""Seconds of the real thing that an estimate measures."""

_COUNTING = 2.0  # seconds at most that the windows of sampled units are counted for
_KEPT = 16  # units of a stream that are kept
_READING = 60.0  # seconds after which the rest of a stream is judged by how much of the file it is
_PENDING = 5  # units that stand ready or are being read while one is computed (see engine.pipeline)


@dataclass(frozen=True)
class Whole(Generic[Unit]):
    """The whole input of a run: `total` items (`exact`, or judged by a part), in so many `shards`; a sample of it.

    seconds: what reading all of it takes, `spent`: what reading the sample took; `by_tokens`: whether the output grows
    with what is scored, not with the items.
    """

    item: str
    total: float
    shards: int
    sample: Sample[Unit]
    seconds: float = 0.0
    spent: float = 0.0
    exact: bool = True
    by_tokens: bool = False


def estimate(
    verb: str,
    model: Model,
    whole: Whole[Unit],
    score: Callable[[Watch, Iterable[Unit], Callable[[Result], None]], None],
    outputs: Sequence[Output[Result]],
    *,
    began: float,
    machines: int = 1,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Foretell a run: passes, seconds here and on `machines` such machines, bytes of memory and of output.

    `score` runs units through the verb's real path under a watch and hands results on, which are written as the
    verb's `outputs`, elsewhere; `began` is when the verb did (time.monotonic), which could score now but for reading
    the sample; `about` are facts to add. Windows are counted in units spread over the input, all where that is quick;
    then about five seconds of the real thing are run, at least a batch for each core, and their output is thrown away.
    Seconds are those of the verb, without what Python takes to start, and on several machines those of the slowest,
    without joining what they wrote.
    """
    loading = time.monotonic() - began - whole.spent
    if machines < 1:
        raise DnabertError(f"--machines {machines}: give 1 or more")
    if machines > 1 and any(str(output.path) == "-" for output in outputs):
        raise DnabertError("--machines: what several machines write is joined into a file; name one with -o")
    with tempfile.TemporaryDirectory(prefix="dnabert-fast-") as folder:

        def run(watch: Watch, units: Iterable[Unit]) -> int:
            if not watch.real:
                score(watch, units, _nowhere)
                return 0
            with ExitStack() as stack:
                score(watch, units, _writer(stack, outputs, Path(folder)))
            return sum(path.stat().st_size for path in Path(folder).iterdir())

        job = Job(model, whole.sample, run)
        counted = count(job, _COUNTING)
        found = measure(job, counted, SECONDS) if any(tally.tokens for tally in counted.values()) else None
    work = _work(whole, counted)
    facts = {"verb": "estimate", "of": verb, "item": whole.item, "items": round(whole.total), "exact": whole.exact}
    facts |= {name: getattr(work, name) for name in ("windows", "passes", "tokens")} | {"shards": whole.shards}
    facts |= _times(whole, work, found, loading, machines)
    device = model.network.backend.device
    notes = [] if whole.exact else [f"the number of {whole.item} was judged by a part of the input"]
    if found is None:
        notes.append(f"nothing to score was found in {len(counted):,} units of the input")
    if whole.shards < machines:
        notes.append(f"shards of the run: {whole.shards:,}; each is done whole, so more machines have nothing to do")
    return facts | {
        "memory_bytes": _memory() + _PENDING * work.largest,
        "device_memory_bytes": torch.cuda.max_memory_reserved(device) if device.startswith("cuda") else None,
        "output_bytes": 0 if found is None else _written(whole, work, *found),
        "units_counted": len(counted),
        "device": device,
        **(about or {}),
        "notes": notes,
    }


def _writer(stack: ExitStack, outputs: Sequence[Output[Result]], folder: Path) -> Callable[[Result], None]:
    """What writes a result to files of the outputs' kinds in a folder."""
    paths = [folder / f"{output.name}{suffix_of(output.path)}" for output in outputs]
    sinks = [stack.enter_context(open_sink(of.sink, path)) for of, path in zip(outputs, paths, strict=True)]

    def write(result: Result) -> None:
        for output, sink in zip(outputs, sinks, strict=True):
            output.put(sink, result)

    return write


def _nowhere(result: object) -> None:
    """Results that nobody keeps."""


def _work(whole: Whole[Unit], counted: dict[int, Tally]) -> Tally:
    """What the whole run has to read, in proportion to the items of the units that were counted."""
    items = sum(whole.sample.size(whole.sample.units[place]) for place in counted)
    share = whole.total / max(1, items)
    sums = {name: sum(getattr(tally, name) for tally in counted.values()) for name in ("windows", "passes", "tokens")}
    largest = max((tally.largest for tally in counted.values()), default=0)
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
    on_each = math.ceil(whole.shards / machines) / max(1, whole.shards)
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


def of_records(source: VcfSource, shard: int = 1, *, reading: float = _READING) -> Whole[Records]:
    """The records of a VCF or BCF; `shard` sections of its text are computed as one.

    Of a file of many sections that can be read alone, some are read. Of another the rest is judged after `reading`
    seconds by how much of the file it is.
    """
    if has_sections(source.path):
        index = Sections.find(source.path)
        if len(index) > _KEPT:
            return _of_sections(source.path, index, shard)
    read, share = [0, 0], 0.0

    def along() -> Iterator[Records]:
        nonlocal share
        for records in source:
            read[0] += len(records)
            read[1] += records.text.nbytes
            share = source.share or 0.0
            yield records

    kept, seconds, exact = _kept(along(), reading, lambda: share > 0)
    part = 1.0 if exact else share
    shards = max(1, math.ceil(read[1] / part / (SECTION_BYTES * shard)))
    return Whole("records", read[0] / part, shards, Sample(kept, len, _first_records), seconds / part, seconds, exact)


def _of_sections(path: str, index: Sections, shard: int) -> Whole[Records]:
    """The records of a file of which spread sections are read."""
    chosen = sorted({round(place * (len(index) - 1) / (_KEPT - 1)) for place in range(_KEPT)})
    began, sizes = time.monotonic(), [0, 0]
    kept: list[Records] = []
    for section in chosen:
        units = list(VcfSource(path, sections=[section], index=index))
        sizes[0] += sum(map(len, units))
        sizes[1] += sum(unit.text.nbytes for unit in units)
        kept += units[len(units) // 2 :][:1]
    scale = index.text_bytes / max(1, sizes[1])
    seconds = time.monotonic() - began
    shards = math.ceil(len(index) / shard)
    sample = Sample(kept, len, _first_records)
    return Whole("records", sizes[0] * scale, shards, sample, seconds * scale, seconds, False)


def _first_records(records: Records, n: int) -> Records:
    end = int(records.columns[n, 0])
    return replace(records, text=records.text[:end], columns=records.columns[:n], position=records.position[:n])


def of_sequences(units: Iterable[SequenceUnit], shard: int = 4) -> Whole[SequenceUnit]:
    """The sequences of a file that comes in units; `shard` of them are computed as one."""

    def part(unit: SequenceUnit, n: int) -> SequenceUnit:
        second = None if unit.second is None else unit.second[:n]
        return replace(unit, windows=unit.windows[:n], names=unit.names[:n], second=second)

    sizes: list[int] = []

    def along() -> Iterator[SequenceUnit]:
        for unit in units:
            sizes.append(len(unit.windows))
            yield unit

    kept, seconds, _ = _kept(along(), math.inf, lambda: False)
    sample = Sample(kept, lambda unit: len(unit.windows), part)
    return Whole("sequences", sum(sizes), max(1, math.ceil(len(sizes) / shard)), sample, seconds, seconds)


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
