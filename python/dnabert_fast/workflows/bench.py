"""The verb `bench`: what this machine does a second, on embedded data, beside a reference machine's figures."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..analysis.scan import ScanSummary, ScanUnit, plan_scan, scan
from ..analysis.variants import ChangeScorer, ScoredUnit, VariantOptions, VariantSummary, score_variants
from ..engine.fleet import device_names
from ..engine.model import Model, load
from ..engine.predict import batch_tokens
from ..engine.runner import Runner
from ..engine.scores import Readout
from ..errors import DnabertError
from ..io.vcf_source import VcfSource
from ..nn.backends import available, choose
from ..nn.config import PRESETS
from ..nn.device import gpus
from ..nn.network import build
from ..nn.staging import free_bytes
from ..seq.aliases import AliasTable, resolve
from ..seq.batch import Windows, kmer_ids
from ..seq.genome import Genome
from ..seq.plan import Stretch
from ..seq.types import U8
from ..seq.vcf_text import Records
from .check_precisions import asked_precisions
from .common import check_outputs, write_facts
from .estimate import of_records, of_stretches
from .gate import DEMO_GENOME, DEMO_VCF, answer, gate_window, has_scores
from .info import info
from .measure import Job, Tally, Watch, count, lanes, measure
from .precision import device_name
from .progress import Progress, silent

__all__ = ["REFERENCE", "Rate", "bench", "compared"]

REFERENCE = Path(__file__).parent.parent / "figures" / "machine.json"

_NETWORKS = ("demo", "dnabert-6")
_STRIDE = 100
_LENGTHS = (98, 512)  # tokens of 101 bases in 6-mers, and of the longest piece
_SECONDS, _QUICK = 3.0, 1.0
_DISTURBED = 0.1
_ON_GPU = 8  # batches that a GPU is given at a time
_FIRST = 1_000_000  # where the embedded contig is known throughout


@dataclass(frozen=True)
class Rate:
    """A figure: `rate` times a second a `unit`, of `what` with a network (layers x width) in a precision."""

    what: str
    unit: str
    rate: float
    network: str | None = None
    precision: str | None = None

    @property
    def key(self) -> tuple[str | None, ...]:
        """What two machines' figures are compared by."""
        return self.what, self.unit, self.network, self.precision


def bench(
    model: str | None = None,
    *,
    device: str = "auto",
    precision: str = "all",
    quick: bool = False,
    threads: int | None = None,
    json_file: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure tokenizer, encoder, `scan` and `variants` on the embedded piece of GRCh38 chr20 and HG002's calls.

    `model` is a folder, hub name or "demo", or a row of `nn.config.PRESETS` with random weights; by default "demo" and,
    but for `quick`, the 110 M network of "dnabert-6". Each in the precisions that the device has, or the one named.
    Returns the facts, also written to `json_file`: machine, share of the processors that others used meanwhile, rows
    (see `Rate`), and for each row how many times as fast this machine is as the shipped reference, None where that has
    no such row.
    """
    began = time.monotonic()
    check_outputs([], {"--summary": json_file})
    if len(device_names(device)) > 1:
        raise DnabertError(f"--device {device}: one device is measured at a time")
    names = (model,) if model is not None else _NETWORKS[: 1 if quick else None]
    there = available(device)
    precisions = asked_precisions(precision, there)
    if threads is not None:
        torch.set_num_threads(threads)
    seconds = _QUICK if quick else _SECONDS
    machine, load_average, others = info(), os.getloadavg()[0], _Others()
    rows: list[Rate] = []
    with Genome.open(DEMO_GENOME) as genome:
        bases = genome.bases(genome.names[0], 0, int(genome.lengths[0]))
        advance = progress("measuring", "figures", None)
        steps = [partial(_tokenizer, bases, seconds)]
        steps += [partial(_of_model, n, device, p, threads, genome, bases, seconds) for n in names for p in precisions]
        for number, step in enumerate(steps, 1):
            found = list(step())
            rows += found
            advance(len(found), number / len(steps))
    busy = round(others.share(), 3)
    reference = json.loads(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.exists() else None
    facts = {
        "verb": "bench",
        "date": datetime.date.today().isoformat(),
        "processor": device_name("cpu"),
        "device": device_name(choose("auto", device).device),
        "machine": machine,
        "gpus_after": [gpu.facts() for gpu in gpus()],
        "load_average": round(load_average, 2),
        "others": busy,
        "quick": quick,
        "rows": [asdict(row) for row in rows],
        "reference": None if reference is None else {n: reference[n] for n in ("date", "device", "others")},
        "ratios": compared(rows, reference),
        "notes": _notes(busy, None if reference is None else reference["others"]),
        "unavailable": {name: why for name, why in there.items() if why is not None},
        "seconds": round(time.monotonic() - began, 1),
    }
    if json_file is not None:
        write_facts(json_file, facts)
    return facts


def compared(rows: Sequence[Rate], reference: Mapping[str, Any] | None) -> list[float | None]:
    """How many times the reference's rate each row has; None where the reference has no such row."""
    known = {} if reference is None else {Rate(**row).key: float(row["rate"]) for row in reference["rows"]}
    return [round(row.rate / known[row.key], 3) if row.key in known else None for row in rows]


def _notes(here: float, there: float | None) -> list[str]:
    """Where other processes used so much of the processors that rates are not those of the machine."""
    shares = {"this machine's": here, "the reference's": there or 0.0}
    return [
        f"other processes used {share:.0%} of {whose} processors, so ratios say little"
        for whose, share in shares.items()
        if share > _DISTURBED
    ]


def _tokenizer(bases: U8, seconds: float) -> Iterator[Rate]:
    kmer_ids(bases, 6)
    runs, took = _repeated(lambda: kmer_ids(bases, 6), seconds)
    yield Rate("6-mers of a genome, one thread", "bases", runs * len(bases) / took)


def _of_model(
    name: str, device: str, precision: str, threads: int | None, genome: Genome, bases: U8, seconds: float
) -> Iterator[Rate]:
    """The figures of a model in a precision."""
    model = _opened(name, device, precision, threads)
    config = model.network.config
    shape = f"{config.encoder.layers} x {config.encoder.hidden_size}"
    for tokens in _LENGTHS:
        yield Rate(f"encoder, {tokens} tokens", "tokens", _encoder(model, tokens, bases, seconds), shape, precision)
    if has_scores(config):
        window = gate_window(config)
        rate = _scan(model, genome, window, seconds)
        yield Rate(f"scan, {window} bases every {_STRIDE}", "bases", rate, shape, precision)
        rate = _variants(model, genome, window, seconds)
        yield Rate(f"variants, {window} bases", "alleles", rate, shape, precision)


def _opened(name: str, device: str, precision: str, threads: int | None) -> Model:
    """The model of a folder, or a network of random weights."""
    if name not in PRESETS or Path(name).exists():
        return load(name, device=device, precision=precision, threads=threads)
    network = build(PRESETS[name].with_head("sequence", ("0", "1")), choose("auto", device, precision), seed=1).eval()
    at = network.backend.device
    runner = Runner(at, torch.get_num_threads() if at == "cpu" else 1)
    return Model(network.to(at), name, max_tokens=batch_tokens(network, free_bytes(at)), runner=runner)


def _encoder(model: Model, tokens: int, bases: U8, seconds: float) -> float:
    """Tokens a second of pieces of this length, as many at a time as fill every core, or a GPU's queue."""
    length = tokens - 2 + model.k - 1
    at_once = lanes(model) * (1 if model.network.backend.device == "cpu" else _ON_GPU)
    n = at_once * (model.max_tokens // tokens)
    starts = _FIRST + np.linspace(0, len(bases) - _FIRST - length, n).astype(np.int64)
    windows, tally = Windows.from_spans(bases, starts, starts + length), Tally()
    prepared = model.prepare(windows)
    tally.add(prepared)
    answer(model, windows[: max(1, n // at_once // 8)])
    ask = model.logits if has_scores(model.network.config) else partial(model.vectors, pooling="mean")
    runs, took = _repeated(lambda: ask(prepared), seconds)
    return runs * tally.tokens / took


def _repeated(work: Callable[[], object], seconds: float) -> tuple[int, float]:
    """How often work was done in these seconds, once at least, and how long that took."""
    began, runs = time.perf_counter(), 0
    while True:
        work()
        runs += 1
        if (took := time.perf_counter() - began) > seconds:
            return runs, took


def _scan(model: Model, genome: Genome, window: int, seconds: float) -> float:
    """Bases a second: windows times the stride."""
    readout = _readout(model)
    plan = plan_scan(genome, window, _STRIDE, None, ScanSummary())

    def score(watch: Watch, units: Iterable[Stretch]) -> int:
        scan(
            watch.model(model),
            genome,
            list(units),
            _nowhere,
            ScanSummary(),
            window=window,
            stride=_STRIDE,
            readout=readout,
        )
        return 0

    return _windows(Job(model, of_stretches(plan, _STRIDE).sample, score), seconds) * _STRIDE


def _variants(model: Model, genome: Genome, window: int, seconds: float) -> float:
    """Alleles a second, each in a centred window with REF and one with ALT."""
    readout = _readout(model)

    def contig_of(names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
        return resolve(names, genome, AliasTable())

    def score(watch: Watch, units: Iterable[Records]) -> int:
        scorers, options = [watch.scorer(ChangeScorer(model, readout))], VariantOptions(window)
        score_variants(scorers, watch.run(model.run), genome, units, contig_of, _nowhere, options, VariantSummary())
        return 0

    return _windows(Job(model, of_records(VcfSource(DEMO_VCF)).sample, score), seconds) / 2


def _readout(model: Model) -> Readout:
    """The score of any class: all take the same time."""
    return model.readout(model.labels[-1] if len(model.labels) > 2 else None)


def _windows(job: Job[Any], seconds: float) -> float:
    """Windows a second of a job."""
    _, found = measure(job, count(job, seconds), seconds)
    return found.tally.windows / found.seconds


def _nowhere(unit: ScanUnit | ScoredUnit) -> None:
    """Results that nobody keeps."""


class _Others:
    """Which share of all processors other processes use from now on."""

    def __init__(self) -> None:
        self._began, self._at_first = time.perf_counter(), self._used()

    @staticmethod
    def _used() -> float:
        """Seconds that the processors have been busy with other processes; 0 where the system does not say."""
        times, stat = os.times(), Path("/proc/stat")
        if not stat.exists():
            return 0.0
        ticks = [int(number) for number in stat.read_text().split("\n", 1)[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") - times.user - times.system

    def share(self) -> float:
        """The share, 0 to 1."""
        took = time.perf_counter() - self._began
        return max(0.0, self._used() - self._at_first) / took / (os.cpu_count() or 1)
